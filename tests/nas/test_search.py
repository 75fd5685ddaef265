import logging
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState
from sqlalchemy import text

from latency_lut import Predictor
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from nas.errors import AccuracyFailed, StudyError
from nas.samplers import ParetoSampler, SpaceCandidates
from nas.search import Search
from nas.study import open_storage, read_remaining_gain
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import arithmetic_rig
from tests.nas.studies import CountingEstimator, new_study


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """Knows every segment of the tiny space, in two phases."""
    space = tiny_space(phases=("infer", "learn"))
    with arithmetic_rig(tmp_path_factory.mktemp("rig"), space) as rig:
        profile(Crew([rig]))
        return Predictor(space, rig.store.lut(rig.profile.id))


def search_for(study, predictor, **more):
    estimator = CountingEstimator(predictor.space)
    return Search(study, predictor.space, predictor, estimator, **more), estimator


def evaluated(study):
    return [t for t in study.trials if t.state == TrialState.COMPLETE and not is_repeat(t)]


def is_repeat(trial):
    return "duplicate_of" in trial.user_attrs


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_the_wanted_number_of_different_networks_is_evaluated(predictor, sampler):
    study = new_study(sampler=sampler)
    search, estimator = search_for(study, predictor)
    search.run(12)
    assert len(estimator.asked) == len(set(estimator.asked)) == 12
    assert [t.user_attrs["id"] for t in evaluated(study)] == estimator.asked


def test_the_smallest_and_the_largest_network_come_first(predictor):
    search, estimator = search_for(new_study(), predictor)
    search.run(4)
    space = predictor.space
    assert estimator.asked[:2] == [space.smallest().id, space.largest().id]


def test_a_trial_tells_its_network_its_interval_and_its_size(predictor):
    study = new_study()
    search_for(study, predictor)[0].run(1)
    trial = study.trials[0]
    prediction = predictor.predict(predictor.space.smallest())
    assert predictor.space.parse(trial.user_attrs["architecture"]) == predictor.space.smallest()
    assert trial.values == [
        0.5,
        pytest.approx(prediction.phases[0].latency_ns / 1e6),
        pytest.approx(prediction.memory_bytes / 2**20),
    ]
    assert trial.user_attrs["high_ms"] == pytest.approx(prediction.phases[0].high_ns / 1e6)
    assert trial.user_attrs["learn_ms"] == pytest.approx(prediction.phases[1].latency_ns / 1e6)
    assert trial.user_attrs["params"] == prediction.params
    assert trial.user_attrs["standard_error"] == 0.01


def test_a_network_proposed_again_is_told_the_same_values_and_not_evaluated(predictor):
    study = new_study(max_latency_ms=1.0)
    search, estimator = search_for(study, predictor)
    search.run(predictor.space.count())
    repeats = [t for t in study.trials if is_repeat(t)]
    assert repeats
    for repeat in repeats:
        twin = study.trials[repeat.user_attrs["duplicate_of"]]
        assert repeat.user_attrs["id"] == twin.user_attrs["id"]
        assert repeat.values == twin.values
        assert repeat.constraints == twin.constraints
    assert len(set(estimator.asked)) == len(estimator.asked)


def test_a_space_is_searched_to_its_end_and_no_further(predictor):
    search, estimator = search_for(new_study(), predictor)
    search.run(10_000)
    assert len(estimator.asked) == predictor.space.count()


def test_a_second_search_counts_what_the_first_evaluated(predictor):
    study = new_study()
    search_for(study, predictor)[0].run(5)
    again, estimator = search_for(study, predictor)
    again.run(5)
    assert estimator.asked == []
    again.run(8)
    assert len(estimator.asked) == 3
    assert len({t.user_attrs["id"] for t in evaluated(study)}) == 8


def test_workers_that_propose_the_same_networks_evaluate_each_once_and_none_too_many(
    predictor, tmp_path
):
    """All three draw from one seed, so each network is proposed thrice at the same moment."""
    url = f"sqlite:///{tmp_path}/nas.db"
    study = new_study(storage=open_storage(url))

    def work(_):
        sampler = optuna.samplers.RandomSampler(seed=0)
        same = optuna.load_study(study_name="s", storage=open_storage(url), sampler=sampler)
        search, estimator = search_for(same, predictor)
        search.run(12)
        return estimator.asked

    with ThreadPoolExecutor(3) as workers:
        asked = [network for of_one in workers.map(work, range(3)) for network in of_one]
    assert len(asked) == len(set(asked)) == len(evaluated(study)) == 12


def test_a_network_that_another_worker_has_in_hand_is_left_to_it(predictor):
    study, space = new_study(), predictor.space
    in_hand = study.ask()
    in_hand.set_user_attr("id", space.smallest().id)

    class OtherIsDone(CountingEstimator):
        def evaluate(self, architecture):
            quality = super().evaluate(architecture)
            if len(self.asked) == 4:
                study.tell(in_hand, (0.5, 1.0, 1.0))
            return quality

    estimator = OtherIsDone(space)
    Search(study, space, predictor, estimator).run(5)
    assert space.smallest().id not in estimator.asked
    assert len(estimator.asked) == 4
    left = [t for t in study.trials if t.user_attrs.get("duplicate_of") == in_hand.number]
    assert {t.state for t in left} == {TrialState.PRUNED}


def test_a_worker_waits_for_the_last_network_and_takes_over_when_the_other_fails(predictor):
    study, space = new_study(), predictor.space
    in_hand = study.ask()
    in_hand.set_user_attr("id", space.smallest().id)

    def fail_at_last(progress):
        told.append(progress.evaluated)
        if (
            progress.evaluated == 4 and told.count(4) == 3
        ):  # once after the trial, then while waiting
            study.tell(in_hand, state=TrialState.FAIL)

    told = []
    search, estimator = search_for(study, predictor, on_progress=fail_at_last)
    search.run(5)
    assert told[-4:] == [4, 4, 4, 5]
    assert len(estimator.asked) == 5


@pytest.mark.parametrize("where", ["before it tells its network", "while it evaluates one"])
def test_a_worker_that_was_taken_for_dead_goes_on_and_no_network_is_lost(
    predictor, tmp_path, caplog, where
):
    url = f"sqlite:///{tmp_path}/nas.db"
    study = new_study(storage=open_storage(url))
    other = optuna.load_study(study_name="s", storage=open_storage(url))

    class Sleepy(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            if trial.number == 4 and where.startswith("before") and name == last:
                take_for_dead(other)
            return super().sample_independent(study, trial, name, distribution)

    class SleepyEstimator(CountingEstimator):
        def evaluate(self, architecture):
            if len(self.asked) == 2 and where.startswith("while"):
                take_for_dead(other)
            return super().evaluate(architecture)

    space, last = predictor.space, predictor.space.choices[-1].name
    study.sampler = Sleepy(seed=0)
    with caplog.at_level(logging.WARNING, "nas.search"):
        Search(study, space, predictor, SleepyEstimator(space)).run(6)
    assert "this worker was silent for so long that its network was given away" in caplog.messages
    assert "Traceback" not in caplog.text
    assert len({t.user_attrs["id"] for t in evaluated(study)}) == len(evaluated(study)) == 6
    assert [t.state for t in study.trials].count(TrialState.FAIL) == 1


def take_for_dead(study):
    """All that runs, as when no heartbeat had come for days; a first one may be on its way."""
    while any(t.state == TrialState.RUNNING for t in study.trials):
        long_ago = {"at": datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)}
        with study._storage._backend.engine.begin() as connection:
            connection.execute(text("UPDATE trial_heartbeats SET heartbeat = :at"), long_ago)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)


def test_budgets_are_constraints_on_the_high_end_relative_to_the_budget(predictor):
    high_ms = predictor.predict(predictor.space.largest()).phases[0].high_ns / 1e6
    study = new_study(max_latency_ms=high_ms / 2, max_memory_mib=1e6)
    search_for(study, predictor)[0].run(2)
    smallest, largest = study.trials
    assert largest.constraints["latency"] == pytest.approx(1.0)
    assert largest.constraints["memory"] == pytest.approx(-1.0, abs=1e-3)
    assert smallest.constraints["latency"] < 0


def test_without_a_budget_there_is_no_constraint(predictor):
    study = new_study()
    search_for(study, predictor)[0].run(1)
    assert study.trials[0].constraints == {}


def test_progress_is_told_after_each_trial(predictor):
    told = []
    search, _ = search_for(new_study(), predictor, on_progress=told.append)
    search.run(6)
    assert [p.evaluated for p in told][-1] == 6
    assert all(p.wanted == 6 for p in told)
    assert len(told) == 6 + told[-1].repeated


@pytest.fixture
def ignorant(tmp_path):
    """Has measured the smallest network only."""
    space = tiny_space()
    with arithmetic_rig(tmp_path, space) as rig:
        rig.measure(space.smallest(), purpose="carrier")
        return Predictor(space, rig.store.lut(rig.profile.id))


def test_a_network_with_unknown_segments_is_passed_over_not_guessed(ignorant):
    study, told = new_study(), []
    search, estimator = search_for(study, ignorant, on_progress=told.append)
    with pytest.raises(StudyError, match="300 proposals in a row.*nas profile --space tiny"):
        search.run(5)
    pruned = [t for t in study.trials if t.state == TrialState.PRUNED]
    assert len(pruned) == told[-1].incomplete >= 300
    assert all(t.user_attrs["missing"] for t in pruned)
    assert len(estimator.asked) == len(evaluated(study)) < 5


def test_with_too_small_a_lut_our_sampler_says_how_to_fill_it(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        empty = Predictor(rig.space, rig.store.lut(rig.profile.id))
    with pytest.raises(StudyError, match="knows too few segments. .*nas profile --space tiny"):
        search_for(pareto_study(empty), empty)[0].run(12)


def test_a_sampler_that_has_run_dry_ends_the_search_with_a_word(predictor, caplog):
    study = new_study()
    space = predictor.space
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.sampler = optuna.samplers.PartialFixedSampler(
            {c.name: c.values[0] for c in space.choices}, optuna.samplers.RandomSampler(seed=0)
        )
    search, estimator = search_for(study, predictor)
    with caplog.at_level(logging.WARNING, "nas.search"):
        search.run(5)
    assert len(estimator.asked) == 2  # the two that do not come from the sampler
    assert "proposes nothing new" in caplog.text


def pareto_study(predictor):
    study = new_study()
    study.sampler = ParetoSampler(SpaceCandidates(predictor), best=1.0, seed=0)
    return study


def test_our_sampler_proposes_no_network_twice_and_says_what_is_left_to_gain(predictor):
    study, seen = pareto_study(predictor), []
    search, estimator = search_for(study, predictor, on_progress=seen.append)
    search.run(predictor.space.count())
    assert len(estimator.asked) == len(set(estimator.asked)) == predictor.space.count()
    assert seen[-1].repeated == 0
    assert seen[0].remaining_gain is None
    assert read_remaining_gain(study) == seen[-1].remaining_gain >= 0


def test_a_search_ends_early_where_nothing_is_expected_to_be_gained(predictor, monkeypatch):
    monkeypatch.setattr("nas.search._CONVERGED_IN_ROW", 2)
    monkeypatch.setattr("nas.search._CONVERGED_GAIN", 1.0)
    study = pareto_study(predictor)
    search, estimator = search_for(study, predictor)
    search.run(20, until_converged=True)
    assert 8 < len(estimator.asked) < 20
    search_for(study, predictor)[0].run(20)
    assert len(evaluated(study)) == 20


def test_other_samplers_do_not_say_what_is_left_to_gain(predictor):
    study, seen = new_study(), []
    search_for(study, predictor, on_progress=seen.append)[0].run(3, until_converged=True)
    assert {progress.remaining_gain for progress in seen} == {None}
    assert read_remaining_gain(study) is None


class FailingEstimator(CountingEstimator):
    """Finds no accuracy of the networks of these numbers, counted from 0."""

    def __init__(self, space, failing):
        super().__init__(space)
        self.failing = failing

    def evaluate(self, architecture):
        quality = super().evaluate(architecture)
        if len(self.asked) - 1 in self.failing:
            raise AccuracyFailed("own.py:score failed: ValueError: too wide (line 3)")
        return quality


def test_a_network_without_an_accuracy_is_passed_over_and_the_search_goes_on(predictor):
    study, seen = new_study(), []
    estimator = FailingEstimator(predictor.space, {0, 3, 4})
    search = Search(study, predictor.space, predictor, estimator, on_progress=seen.append)
    search.run(8)
    assert len(evaluated(study)) == 8
    failed = [t for t in study.trials if "accuracy_failed" in t.user_attrs]
    assert {t.state for t in failed} == {TrialState.PRUNED}
    assert "too wide (line 3)" in failed[0].user_attrs["accuracy_failed"]
    assert seen[-1].failed == len(failed) >= 3


def test_a_network_whose_quality_is_no_number_is_passed_over_and_not_proposed_again(predictor):
    study, largest = pareto_study(predictor), predictor.space.largest().id

    class Overflowing(CountingEstimator):
        def evaluate(self, architecture):
            quality = super().evaluate(architecture)
            return replace(quality, value=math.nan) if architecture.id == largest else quality

    estimator = Overflowing(predictor.space)
    Search(study, predictor.space, predictor, estimator).run(8)
    assert len(evaluated(study)) == 8
    assert estimator.asked.count(largest) == 1
    (failed,) = [t for t in study.trials if "accuracy_failed" in t.user_attrs]
    assert failed.user_attrs["accuracy_failed"] == "its accuracy is nan"


def test_a_search_ends_where_no_accuracy_can_be_found_and_tells_why(predictor):
    study = new_study()
    estimator = FailingEstimator(predictor.space, set(range(1, 99)))
    with pytest.raises(StudyError) as caught:
        Search(study, predictor.space, predictor, estimator).run(8)
    assert str(caught.value) == (
        "the accuracies of 5 networks in a row could not be found; the last: own.py:score failed: "
        "ValueError: too wide (line 3). Mend it, and the same command goes on"
    )
    assert len(evaluated(study)) == 1


def test_once_accuracies_are_found_the_smallest_and_the_largest_network_are_tried_again(predictor):
    study, space = new_study(), predictor.space
    with pytest.raises(StudyError):
        Search(study, space, predictor, FailingEstimator(space, set(range(99)))).run(8)
    estimator = CountingEstimator(space)
    Search(study, space, predictor, estimator).run(8)
    assert estimator.asked[:2] == [space.smallest().id, space.largest().id]


def test_a_repeat_tells_the_same_standard_error(predictor):
    study = new_study()
    search_for(study, predictor)[0].run(3)
    twin = evaluated(study)[0]
    study.enqueue_trial(twin.params)
    search_for(study, predictor)[0].run(4)
    (repeat,) = [t for t in study.trials if t.user_attrs.get("duplicate_of") == twin.number]
    assert repeat.user_attrs["standard_error"] == twin.user_attrs["standard_error"]


def test_the_sampler_never_proposes_again_what_failed(predictor):
    study = new_study()
    study.sampler = ParetoSampler(SpaceCandidates(predictor), best=1.0, seed=0)
    estimator = FailingEstimator(predictor.space, {2, 5, 6, 9})
    Search(study, predictor.space, predictor, estimator).run(12)
    assert len(set(estimator.asked)) == len(estimator.asked) == 16
