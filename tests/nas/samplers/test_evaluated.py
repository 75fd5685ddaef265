import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from nas.samplers.evaluated import TrialReader
from nas.samplers.scales import ErrorScale
from tests.nas.samplers.worlds import Layers, study_of


@pytest.fixture
def space():
    return Layers(4)


@pytest.fixture
def study():
    return study_of(optuna.samplers.RandomSampler(seed=0))


def seen(study, space, best=1.0):
    trial = study.ask(dict(space.distributions))
    reader = TrialReader(space, ErrorScale(best), "standard_error")
    first = reader.read(study, study.trials[trial.number])
    again = reader.read(study, study.trials[trial.number])  # from what it remembers
    assert again.codes.tolist() == first.codes.tolist()
    assert np.array_equal(again.errors, first.errors, equal_nan=True)
    return again


def ask(study, space, **params):
    study.enqueue_trial({name: d.choices[0] for name, d in space.distributions.items()} | params)
    return study.ask(dict(space.distributions))


def test_of_a_new_study_nothing_is_known(study, space):
    found = seen(study, space)
    assert len(found) == 0
    assert found.codes.shape == (0, 5)


def test_finished_networks_have_an_error_and_running_ones_only_a_place(study, space):
    study.tell(ask(study, space), [0.9, 2.0])
    ask(study, space, layer0=2)
    found = seen(study, space)
    assert found.done.tolist() == [False, True] or found.done.tolist() == [True, False]
    assert found.errors[found.done] == pytest.approx([np.log(0.1)])


def test_the_standard_error_counts_in_the_scale_of_the_errors(study, space):
    trial = ask(study, space)
    trial.set_user_attr("standard_error", 0.02)
    study.tell(trial, [0.9, 2.0])
    assert seen(study, space).variances == pytest.approx([0.04])


def test_a_standard_error_that_is_no_number_is_none(study, space):
    trial = ask(study, space)
    trial.set_user_attr("standard_error", float("nan"))
    study.tell(trial, [0.9, 2.0])
    assert seen(study, space).variances.tolist() == [0.0]


def test_a_network_that_runs_again_has_been_evaluated(study, space):
    study.tell(ask(study, space), [0.9, 2.0])
    ask(study, space)
    found = seen(study, space)
    assert len(found) == 1
    assert found.done.all()


def test_networks_that_differ_only_where_nothing_depends_on_it_are_one(study, space):
    study.tell(ask(study, space), [0.9, 2.0])
    study.tell(ask(study, space, layer3=2), [0.9, 2.0])  # deep is False
    assert len(seen(study, space)) == 1


def test_failed_and_pruned_trials_say_nothing(study, space):
    for state in (TrialState.FAIL, TrialState.PRUNED):
        study.tell(ask(study, space), state=state)
    assert len(seen(study, space)) == 0
