import numpy as np
import pytest
import torch

from nas.accuracy.batches import Feed, training_batch
from nas.accuracy.zero_cost import GRADIENT, PATTERNS, ZeroCost
from nas.data import load_data
from search_spaces import Network, language, mobile


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def space(digits):
    return mobile(digits.task)


def test_a_network_always_has_the_same_scores(space, digits):
    state = torch.random.get_rng_state()
    found = ZeroCost(space, digits)(space.smallest())
    assert found == ZeroCost(space, digits)(space.smallest())
    assert set(found) == {PATTERNS, GRADIENT}
    assert torch.equal(torch.random.get_rng_state(), state)


def test_patterns_are_counted_unit_by_unit(space, digits):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Network(space.segments(space.smallest())).train()
    images = training_batch(digits, step=0, size=16, seed=0).inputs
    seen = []
    for module in network.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(lambda _, __, out: seen.append(out > 0))
    with torch.no_grad():
        network(Feed(digits, torch.device("cpu")).wires(network.segments, images))
    on = np.concatenate([one.flatten(1).numpy() for one in seen], axis=1)
    agreed = [[int((a == b).sum()) for b in on] for a in on]
    expected = np.linalg.slogdet(agreed).logabsdet
    assert ZeroCost(space, digits)(space.smallest())[PATTERNS] == pytest.approx(expected, abs=1e-3)


def test_deeper_networks_have_more_patterns(space, digits):
    score = ZeroCost(space, digits)
    assert score(space.largest())[PATTERNS] > score(space.smallest())[PATTERNS]


def test_networks_without_rectifiers_have_no_patterns():
    data = load_data("kjv")
    space = language(data.task)
    assert set(ZeroCost(space, data)(space.smallest())) == {GRADIENT}
