import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import event, text

from latency_lut import driver_url
from nas.study import open_storage
from tests.postgresql_server import postgresql_server


@pytest.fixture(scope="module")
def server():
    with postgresql_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """Of a storage without studies."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/nas.db"
    found = request.getfixturevalue("server")
    storage = open_storage(found)
    for study in storage.get_all_studies():
        storage.delete_study(study._study_id)
    return found


def new_study(url):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.RandomSampler(seed=0)
    directions = ["maximize", "minimize"]
    return optuna.create_study(
        study_name="s", storage=open_storage(url), sampler=sampler, directions=directions
    )


def objective(trial, choices=6):
    for number in range(choices):
        trial.suggest_categorical(f"choice{number}", (1, 2.5, "wide", None))
    trial.set_user_attr("id", f"network {trial.number}")
    trial.set_user_attr("id", f"network {trial.number} again")
    trial.set_constraint("latency", 0.5)
    if trial.number == 2:
        for step, value in enumerate((math.nan, -math.inf, 0.5)):  # of several objectives, so:
            trial.storage.set_trial_intermediate_value(trial._trial_id, step, value)
        raise optuna.TrialPruned
    return (math.inf if trial.number == 1 else 0.5), float(trial.number)


def plain(trial):
    """All of it, to compare: NaN equals nothing."""
    return {**vars(trial), "intermediate_values": str(trial.intermediate_values)}


def test_what_is_written_and_read_is_what_optunas_own_storage_writes_and_reads(url):
    study = new_study(url)
    study.enqueue_trial({"choice0": "wide", "choice3": None})
    study.optimize(objective, n_trials=4)
    study.optimize(lambda trial: 1 / 0, n_trials=1, catch=(ZeroDivisionError,))
    study.enqueue_trial({"choice0": 1})

    optunas = RDBStorage(driver_url(url))
    theirs = optunas.get_all_trials(study._study_id)
    assert [
        t.state.name for t in theirs
    ] == "COMPLETE COMPLETE PRUNED COMPLETE FAIL WAITING".split()
    assert theirs[0].params["choice0"] == "wide"
    assert theirs[1].values == [math.inf, 1.0]
    assert math.isnan(theirs[2].intermediate_values[0])
    assert theirs[3].user_attrs == {"id": "network 3 again"}
    assert theirs[3].constraints == {"latency": 0.5}
    assert list(theirs[3].params) == [f"choice{number}" for number in range(6)]
    for ours in (study.trials, open_storage(url).get_all_trials(study._study_id)):
        assert list(map(plain, ours)) == list(map(plain, theirs))
    assert plain(open_storage(url).get_trial(theirs[2]._trial_id)) == plain(theirs[2])
    waiting = open_storage(url).get_all_trials(study._study_id, states=(TrialState.WAITING,))
    assert [trial.number for trial in waiting] == [5]


def test_a_running_trial_is_whole_to_others_as_soon_as_its_own_worker_looks_around(url):
    study = new_study(url)
    engine = study._storage._backend.engine
    seen, beats = [], []

    def look(trial):
        objective(trial)
        with engine.begin() as connection:  # as if the thread had not come to its first one
            connection.execute(text("DELETE FROM trial_heartbeats"))
        study.get_trials(deepcopy=False)
        with engine.begin() as connection:
            beats.append(connection.execute(text("SELECT * FROM trial_heartbeats")).all())
        (other,) = RDBStorage(driver_url(url)).get_all_trials(
            study._study_id, states=(TrialState.RUNNING,)
        )
        seen.append(other)
        return 0.5, 1.0

    study.optimize(look, n_trials=2)
    for trial in seen:
        assert len(trial.params) == len(trial.distributions) == 6
        assert trial.user_attrs["id"] == f"network {trial.number} again"
    assert list(map(len, beats)) == [1, 1]


def test_a_trial_takes_as_many_transactions_with_many_choices_as_with_few(url):
    def commits(study, choices):
        counted = []
        engine = study._storage._backend.engine
        note = counted.append
        event.listen(engine, "commit", note)
        study.optimize(lambda trial: objective(trial, choices), n_trials=1)
        event.remove(engine, "commit", note)
        return len(counted)

    study = new_study(url)
    study.optimize(lambda trial: objective(trial, 40), n_trials=3)
    assert commits(study, 40) == commits(study, 3) < 20


def test_a_choice_that_has_other_values_than_before_is_refused_as_ever(url):
    study = new_study(url)
    study.optimize(objective, n_trials=1)
    for again in (study, optuna.load_study(study_name="s", storage=open_storage(url))):
        with pytest.raises(ValueError, match="does not support dynamic value space"):
            again.optimize(lambda trial: trial.suggest_categorical("choice0", (7, 8)), n_trials=1)


def test_a_finished_trial_takes_nothing_any_more(url):
    study = new_study(url)
    study.optimize(objective, n_trials=1)
    storage = open_storage(url)
    trial_id = study.trials[0]._trial_id
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial_id, TrialState.FAIL)
    storage.set_trial_user_attr(trial_id, "late", 1)
    with pytest.raises(UpdateFinishedTrialError):
        storage.get_trial(trial_id)
    assert "late" not in storage.get_trial(trial_id).user_attrs


def test_a_trial_that_is_not_there_is_a_key_error(url):
    study = new_study(url)
    for ask in (
        lambda storage: storage.get_trial(99),
        lambda storage: storage.set_trial_state_values(99, TrialState.FAIL),
        lambda storage: storage.get_all_trials(study._study_id + 1),
    ):
        with pytest.raises(KeyError):
            ask(open_storage(url))


def at_once(url, act, workers=4):
    """What each of the workers, with a storage of its own, says; they begin together."""
    storages = [open_storage(url) for _ in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        said = list(pool.map(act, storages))
    for storage in storages:
        storage.engine.dispose()  # a server takes a hundred clients
    return said


def test_of_workers_that_take_the_same_waiting_trial_one_gets_it(url):
    study = new_study(url)
    for number in range(20):
        study.enqueue_trial({"choice0": number})
    for trial in study.get_trials():
        took = at_once(
            url, lambda s, t=trial: s.set_trial_state_values(t._trial_id, TrialState.RUNNING)
        )
        assert sorted(took) == [False, False, False, True]


def test_of_workers_that_find_the_same_trial_dead_one_has_it_tried_again(url):
    study = new_study(url)

    def die(trial):
        objective(trial)
        raise SystemExit  # nothing says that the trial ended

    with pytest.raises(SystemExit):
        study.optimize(die, n_trials=1)
    long_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=2)
    with study._storage._backend.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = :at"), {"at": long_ago})

    def look(storage):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(optuna.load_study(study_name="s", storage=storage))

    at_once(url, look)
    states = [trial.state for trial in open_storage(url).get_all_trials(study._study_id)]
    assert states == [TrialState.FAIL, TrialState.WAITING]


def test_of_a_worker_that_dies_as_soon_as_it_took_a_waiting_trial_the_trial_is_found_dead(url):
    study = new_study(url)
    study.enqueue_trial({})
    study.ask()  # and nothing after it
    with study._storage._backend.engine.begin() as connection:
        assert len(connection.execute(text("SELECT * FROM trial_heartbeats")).all()) == 1
