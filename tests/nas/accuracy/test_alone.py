from dataclasses import replace

import numpy as np
import pytest

from nas.accuracy.alone import AloneEstimator, alone_plan, only_network, tuning_plan
from nas.accuracy.estimator import Estimator
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import default_plan, train
from nas.data import load_data
from search_spaces import hybrid, language, mobile


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


@pytest.fixture(scope="module")
def small(digits):
    return mobile(digits.task).restricted({"width": (0.5,), "resolution": (20,)})


def estimator(space, data, folder, epochs=1.0):
    plan = alone_plan(space, data, epochs)
    return AloneEstimator(space, data, plan=plan, folder=folder, held_out=100, threads=1)


@pytest.mark.parametrize("build", [mobile, language, hybrid])
def test_the_space_of_one_network_holds_it_alone_under_its_id(build):
    space, rng = build(), np.random.default_rng(0)
    for architecture in (space.sample(rng) for _ in range(5)):
        only = only_network(space, architecture)
        assert only.count() == 1
        assert only.smallest().id == architecture.id


def test_a_network_learns_alone(small, digits, tmp_path):
    untrained = estimator(small, digits, tmp_path / "a", epochs=1e-3).evaluate(small.smallest())
    trained = estimator(small, digits, tmp_path / "b").evaluate(small.smallest())
    assert trained.value > untrained.value + 0.3


def test_what_was_trained_is_kept_and_scored_the_same(small, digits, tmp_path):
    steps = []
    first = estimator(small, digits, tmp_path, epochs=0.1).evaluate(small.smallest())
    again = AloneEstimator(
        small,
        digits,
        plan=alone_plan(small, digits, 0.1),
        folder=tmp_path,
        held_out=100,
        threads=1,
        on_step=lambda p: steps.append(p.step),
    )
    assert again.evaluate(small.smallest()) == first
    assert not steps
    assert set(again.modules(small.smallest())) >= {"stem", "head", "stage1.block1"}


def test_a_network_begins_with_its_share_of_the_supernet(small, digits, tmp_path):
    supernet = Supernet(small)
    train(supernet, digits, replace(default_plan(digits, small), steps=60), threads=1)
    network = small.sample(np.random.default_rng(0))
    shared = Estimator(supernet, digits, held_out=100, threads=1).evaluate(network)
    inherited, tuned = (
        AloneEstimator(
            small,
            digits,
            plan=replace(tuning_plan(small, digits, steps), lr=rate),
            folder=tmp_path / str(steps),
            start=supernet,
            held_out=100,
            threads=1,
        ).evaluate(network)
        for steps, rate in ((1, 1e-12), (60, 4e-3 / 3))
    )
    assert inherited == shared
    assert tuned.value > shared.value


def test_the_recipe_is_that_of_the_supernet_for_as_many_passes_as_asked(small, digits):
    plan = alone_plan(small, digits, 2.0)
    assert plan.steps * plan.batch == pytest.approx(2 * len(digits.train_y), rel=0.01)
    assert (plan.random_networks, plan.smallest_every, plan.largest_every) == (0, 0, 1)
