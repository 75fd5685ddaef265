import numpy as np
import pytest

from nas.samplers.covariance import Choices, Points
from nas.samplers.gaussian_process import GaussianProcess

SIZES = (3,) * 6
CHOICES = Choices(SIZES, np.full(6, 1 / 6))
WORTH = np.array([3.0, 2.0, 1.0, 0.5, 0.2, 0.1])


def networks(count, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, SIZES, (count, len(SIZES))).astype(np.int16)
    return Points(rng.normal(size=(count, 2)), codes)


def truth(points):
    return np.sqrt(points.codes) @ WORTH + np.sin(points.features[:, 0])


def fitted(count=80, noise=0.0, seed=0):
    learnt = networks(count, seed)
    errors = noise * np.random.default_rng(9).normal(size=count)
    process = GaussianProcess(CHOICES)
    process.fit(learnt, truth(learnt) + errors, np.full(count, noise**2))
    return process


def test_what_adds_up_over_choices_and_bends_with_features_is_learnt():
    process, unseen = fitted(), networks(200, seed=1)
    mean, _ = process.predict(unseen)
    assert np.sqrt(np.mean((mean - truth(unseen)) ** 2)) < 0.15 * truth(unseen).std()


def test_the_deviation_says_how_far_off_predictions_are():
    process, unseen = fitted(60), networks(400, seed=1)
    mean, deviation = process.predict(unseen)
    scores = (mean - truth(unseen)) / np.hypot(deviation, process.own_deviation)
    assert 0.85 < np.mean(np.abs(scores) < 1.96) <= 1.0


def test_what_was_measured_well_is_believed_and_what_badly_is_not():
    learnt = networks(60)
    wrong = truth(learnt).copy()
    wrong[7] += 3 * wrong.std()
    told = []
    for variance in (0.0, 100.0):
        process, variances = GaussianProcess(CHOICES), np.zeros(60)
        variances[7] = variance
        process.fit(learnt, wrong, variances)
        mean, _ = process.predict(learnt.rows(slice(7, 8)))
        told.append(abs(mean[0] - truth(learnt)[7]))
    assert told[1] < 0.3 * told[0]


def test_learning_more_with_the_same_parameters_narrows_what_is_known():
    process, more, unseen = fitted(40), networks(120, seed=3), networks(100, seed=1)
    _, before = process.predict(unseen)
    process.learn(more, truth(more), np.zeros(120))
    mean, after = process.predict(unseen)
    assert after.mean() < before.mean()
    assert np.corrcoef(mean, truth(unseen))[0, 1] > 0.95


def test_a_fit_repeats_exactly():
    first, second = (fitted(300).predict(networks(5, seed=2))[0] for _ in range(2))
    assert first.tolist() == second.tolist()


def test_networks_that_are_all_as_good_are_no_failure():
    process, some = GaussianProcess(CHOICES), networks(10)
    process.fit(some, np.full(10, 0.7), np.zeros(10))
    mean, deviation = process.predict(networks(5, seed=1))
    assert mean == pytest.approx(np.full(5, 0.7), abs=1e-3)
    assert np.isfinite(deviation).all()


def test_what_a_kind_of_layer_is_worth_is_learnt_from_layers_of_all_places():
    sizes = (2,) * 13
    rng = np.random.default_rng(0)
    codes = rng.integers(0, sizes, (230, 13)).astype(np.int16)
    # The first choice is a width: the other twelve gain where it is wide, and cost where it is not.
    worth = codes[:, 1:].mean(axis=1) * np.where(codes[:, 0] == 1, 1.0, -0.5)
    some, importance = Points(np.zeros((230, 1)), codes), np.full(13, 1 / 13)
    missed = {}
    for name, families in {"apart": (), "together": (tuple(range(1, 13)),)}.items():
        process = GaussianProcess(Choices(sizes, importance, families))
        process.fit(some.rows(slice(30)), worth[:30], np.zeros(30))
        missed[name] = np.std(process.expect(some.rows(slice(30, 230))) - worth[30:])
    assert missed["together"] < 0.5 * missed["apart"]
