import numpy as np
import pytest

from nas.samplers import HintedCandidates, ParetoSampler
from nas.samplers.proposals import random_codes
from tests.nas.samplers.worlds import Layers, evaluate, study_of


def scored(space, count=100, seed=0):
    """Networks with a score that goes with their accuracy, and one that goes with nothing."""
    rng = np.random.default_rng(seed)
    codes = random_codes(space, count, rng)
    accuracies = np.array([space.accuracy(row) for row in codes])
    return codes, {
        "hint": np.log(accuracies) + 0.01 * rng.normal(size=len(codes)),
        "noise": rng.normal(size=len(codes)),
    }


def test_scores_of_networks_that_were_not_scored_are_told_by_those_that_were():
    space = Layers(12)
    hinted = HintedCandidates(space, *scored(space), promising="hint")
    others = random_codes(space, 500, np.random.default_rng(1))
    truth = [space.accuracy(row) for row in others]
    assert np.corrcoef(hinted.known(others).features[:, -1], truth)[0, 1] > 0.95
    assert np.array_equal(hinted.known(others).costs, space.known(others).costs)


def test_a_score_that_follows_from_nothing_known_is_left_out():
    space = Layers(12)
    hinted = HintedCandidates(space, *scored(space), promising="noise")
    assert hinted.explained["hint"] > 0.9
    assert hinted.explained["noise"] < 0.5
    known = hinted.known(random_codes(space, 50, np.random.default_rng(1)))
    assert known.features.shape == (50, 2)
    assert known.promise is None


def test_of_few_networks_nothing_is_learnt():
    space = Layers(12)
    codes, scores = scored(space, count=9)
    hinted = HintedCandidates(space, codes, scores, promising="hint")
    assert hinted.explained == {"hint": 0.0, "noise": 0.0}
    assert hinted.known(codes).features.shape == (9, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_refused_by_its_name(bad):
    space = Layers(12)
    codes, scores = scored(space)
    scores["hint"][3] = bad
    with pytest.raises(ValueError, match="score 'hint': expected 100 finite numbers"):
        HintedCandidates(space, codes, scores)


def test_the_first_networks_are_the_promising_ones_of_their_cost():
    space = Layers(12)
    hinted = HintedCandidates(space, *scored(space), promising="hint")

    def first_accuracies(candidates, seed):
        study = study_of(ParetoSampler(candidates, best=1.0, seed=seed))
        return [space.accuracy(codes) for codes in evaluate(study, space, 6)]

    for seed in range(3):
        assert np.mean(first_accuracies(hinted, seed)) > np.mean(first_accuracies(space, seed))


def test_parameters_are_those_of_the_space():
    space = Layers(3)
    hinted = HintedCandidates(space, *scored(space))
    assert np.array_equal(hinted.everything(), space.everything())
    assert hinted.sizes == space.sizes
    for row in hinted.everything():
        assert np.array_equal(hinted.encode(hinted.decode(row)), row)
