import numpy as np
import pytest

from nas.samplers.expected_gain import Front, Reference, hypervolume


def random_front(costs, count=20, seed=0):
    rng = np.random.default_rng(seed)
    reference = Reference(1.0, np.ones(costs))
    return rng.random(count), rng.random((count, costs)), reference


def drawn_gain(errors, costs, reference, mean, deviation, cost):
    """Of one network, the mean gain over many draws of its error."""
    before = hypervolume(errors, costs, reference)
    draws = np.random.default_rng(1).normal(mean, deviation, 4000)
    gains = [
        hypervolume(np.append(errors, y), np.vstack([costs, cost]), reference) - before
        for y in draws
    ]
    return float(np.mean(gains))


@pytest.mark.parametrize(("costs", "tolerance"), [(1, 0.05), (2, 0.1), (3, 0.15)])
def test_the_gain_is_that_of_many_draws(costs, tolerance):
    errors, known, reference = random_front(costs)
    rng = np.random.default_rng(4)
    candidates = rng.random((30, costs)) * 0.6
    mean, deviation = rng.random(30) * 0.5, np.full(30, 0.15)
    gains = Front(errors, known, reference).expected_gain(mean, deviation, candidates)
    best = np.argsort(-gains)[:3]
    for i in best:
        drawn = drawn_gain(errors, known, reference, mean[i], deviation[i], candidates[i])
        assert gains[i] == pytest.approx(drawn, rel=tolerance)


def test_what_is_surely_beaten_gains_nothing():
    front = Front(np.array([0.1]), np.array([[0.1]]), Reference(1.0, np.ones(1)))
    gains = front.expected_gain(np.array([0.5]), np.array([0.01]), np.array([[0.5]]))
    assert gains[0] == pytest.approx(0.0, abs=1e-12)


def test_what_is_dearer_than_the_reference_gains_nothing():
    for costs in (1, 2):
        front = Front(np.empty(0), np.empty((0, costs)), Reference(1.0, np.ones(costs)))
        gains = front.expected_gain(np.zeros(1), np.ones(1), np.full((1, costs), 1.5))
        assert gains[0] == 0.0


def test_with_no_front_yet_a_sure_network_gains_its_whole_volume():
    for costs in (1, 2, 3):
        reference = Reference(1.0, np.ones(costs))
        front = Front(np.empty(0), np.empty((0, costs)), reference)
        cost = np.full((1, costs), 0.5)
        (gain,) = front.expected_gain(np.array([0.2]), np.array([1e-9]), cost)
        assert gain == pytest.approx(0.8 * 0.5**costs, rel=0.02)


def test_the_hypervolume_of_two_steps_is_that_of_their_rectangles():
    errors, costs = np.array([0.6, 0.2, 0.9]), np.array([[0.1], [0.5], [0.95]])
    found = hypervolume(errors, costs, Reference(1.0, np.ones(1)))
    assert found == pytest.approx(0.9 * 0.4 + 0.5 * 0.4)


def test_what_is_worse_than_the_reference_has_no_volume():
    assert hypervolume(np.array([1.2]), np.array([[0.1]]), Reference(1.0, np.ones(1))) == 0.0
    assert hypervolume(np.empty(0), np.empty((0, 2)), Reference(1.0, np.ones(2))) == 0.0
