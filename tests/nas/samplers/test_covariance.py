import numpy as np
import pytest

from nas.samplers.covariance import Choices, Pairs, Parameters, Points, one_hot, prior

SIZES = (3, 2, 4, 4)
EVEN = np.full(4, 1 / 4)
PLAIN = Choices(SIZES, EVEN)
CHOICES = Choices(SIZES, EVEN, families=((2, 3),))


def points(count, seed=0, features=2):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, SIZES, (count, len(SIZES))).astype(np.int16)
    return Points(rng.normal(size=(count, features)), codes)


def logarithms(seed=0, features=2):
    middle, deviations = prior(features, CHOICES)
    return middle + 0.3 * deviations * np.random.default_rng(seed).normal(size=len(middle))


def parameters(of):
    return Parameters.of(of, 2, CHOICES)


def test_a_choice_without_effect_has_a_column_of_its_own():
    found = one_hot(np.array([[-1, 1, 3], [2, 0, -1]], np.int16), SIZES[:3])
    assert found.shape == (2, 4 + 3 + 5)
    assert np.flatnonzero(found[0]).tolist() == [0, 4 + 2, 7 + 4]
    assert np.flatnonzero(found[1]).tolist() == [3, 4 + 1, 7]


def test_networks_never_vary_less_together_than_none():
    some = points(60)
    pairs = Pairs(some, some, CHOICES)
    found = pairs.covariance(parameters(logarithms()))
    assert np.linalg.eigvalsh(found).min() > -1e-9
    assert np.diag(found) == pytest.approx(pairs.variance(parameters(logarithms())))


def test_networks_that_agree_in_more_are_more_alike():
    codes = np.array([[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]], np.int16)
    some = Points(np.zeros((4, 2)), codes)
    (first, *others), *_ = Pairs(some, some, CHOICES).covariance(parameters(logarithms())).tolist()
    assert first > others[0] > others[1] > others[2]


def test_networks_with_features_farther_apart_are_less_alike():
    some = Points(np.array([[0.0, 0.0], [0.5, 0.0], [3.0, 0.0]]), np.zeros((3, 4), np.int16))
    (first, near, far), *_ = Pairs(some, some, CHOICES).covariance(parameters(logarithms()))
    assert first > near > far


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_is_that_of_small_differences(seed):
    some, slope = points(12, seed), np.random.default_rng(seed).normal(size=(12, 12))
    slope = slope + slope.T
    pairs, at = Pairs(some, some, CHOICES), logarithms(seed)

    def total(of):
        return (slope * pairs.covariance(parameters(of))).sum()

    steps = 1e-5 * np.eye(len(at))
    expected = [(total(at + step) - total(at - step)) / 2e-5 for step in steps]
    pairs.covariance(parameters(at))
    assert pairs.gradient(slope) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_more_is_expected_of_a_choice_of_more_importance():
    choices = Choices((3, 2, 4), np.array([0.8, 0.1, 0.1]))
    middle, _ = prior(2, choices)
    found = Parameters.of(middle, 2, choices)
    assert found.shares == pytest.approx(0.3 * np.array([0.8, 0.1, 0.1]))
    assert found.weights == pytest.approx([0.8, 0.1, 0.1])


def test_layers_of_the_same_kinds_in_another_order_are_alike_in_their_family():
    codes = np.array([[0, 0, 1, 2], [0, 0, 2, 1], [0, 0, 3, 0]], np.int16)
    some = Points(np.zeros((3, 2)), codes)
    (_, other_order, other_kinds), *_ = Pairs(some, some, CHOICES).covariance(
        parameters(logarithms())
    )
    assert other_order > other_kinds
    of_plain = Parameters.of(prior(2, PLAIN)[0], 2, PLAIN)
    (_, other_order, other_kinds), *_ = Pairs(some, some, PLAIN).covariance(of_plain)
    assert other_order == pytest.approx(other_kinds)


def test_a_layer_without_effect_counts_nowhere_in_its_family():
    found = CHOICES.values(np.array([[0, 0, 1, -1], [0, 0, 1, 1], [0, 0, -1, -1]], np.int16))
    of_family = found[:, -5:].tolist()
    assert of_family == [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
