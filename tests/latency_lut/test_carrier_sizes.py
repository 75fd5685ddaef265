import numpy as np

from latency_lut import balancing_carriers, corner_carriers
from search_spaces import load_space
from tests.latency_lut.networks import wide_space


def of_sizes(space, count, keep):
    """Random networks whose number of segments is one that `keep` wants."""
    rng, found = np.random.default_rng(5), {}
    while len(found) < count:
        network = space.sample(rng)
        if keep(len(space.segments(network))):
            found[network.id] = network
    return list(found.values())


def test_sizes_that_carriers_lack_are_added_from_the_space_itself():
    space = load_space("language")
    deep = of_sizes(space, 40, lambda size: size > 8)
    added = balancing_carriers(space, deep, np.random.default_rng(0))
    assert 3 <= len(added) <= 8
    assert all(len(space.segments(network)) <= 8 for network in added)
    assert balancing_carriers(space, [*deep, *added], np.random.default_rng(1)) == []


def test_carriers_of_every_size_need_no_others():
    space = load_space("language")
    every = of_sizes(space, 60, lambda size: True)
    assert balancing_carriers(space, every, np.random.default_rng(0)) == []


def test_few_carriers_are_not_balanced():
    space = load_space("language")
    assert balancing_carriers(space, of_sizes(space, 19, lambda size: size > 8), None) == []


def test_carriers_get_the_corners_of_the_space():
    space = load_space("language")
    ran = of_sizes(space, 40, lambda size: True)
    added = corner_carriers(space, ran, np.random.default_rng(0))
    assert {space.smallest().id, space.largest().id} < {network.id for network in added}
    large = [network for network in added if network != space.smallest()]
    assert len(large) >= 5
    for network in large:
        assert (network["layers"], network["width"]) == (6, 256)
        mixers = {network[f"layer{layer}.mixer"] for layer in range(1, 7)}
        assert len(mixers) == 1
    assert corner_carriers(space, [*ran, *added], np.random.default_rng(1)) == []


def test_a_space_with_few_corners_gets_those_that_it_has():
    space = wide_space(2, 3)
    every = [space.sample(np.random.default_rng(seed)) for seed in range(20)]
    added = corner_carriers(space, every, np.random.default_rng(0))
    assert corner_carriers(space, [*every, *added], np.random.default_rng(1)) == []


def test_few_carriers_get_no_corners():
    space = load_space("language")
    assert corner_carriers(space, of_sizes(space, 19, lambda size: True), None) == []
