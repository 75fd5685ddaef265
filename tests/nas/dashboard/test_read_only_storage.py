import sqlite3

import optuna
import pytest
from sqlalchemy import text

from nas.dashboard.read_only_storage import open_read_only, with_listed_constraints
from nas.errors import BadInput, StudyError


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(study_name="s", storage=url, directions=["maximize", "minimize"])
    for over in (-1.0, 0.5):
        trial = study.ask()
        trial.set_constraint("memory_mib", -3.0)
        trial.set_constraint("latency_ms", over)
        study.tell(trial, [0.9, 2.0])
    return url


def test_studies_and_trials_read_as_they_were_written(url):
    study = optuna.load_study(study_name="s", storage=open_read_only(url))
    assert [trial.values for trial in study.trials] == [[0.9, 2.0], [0.9, 2.0]]


def test_named_constraints_are_listed_by_name_for_the_dashboard(url):
    trials = open_read_only(url).get_all_trials(1, deepcopy=False)
    assert [trial.system_attrs for trial in trials] == [
        {"constraints": [-1.0, -3.0]},
        {"constraints": [0.5, -3.0]},
    ]
    assert open_read_only(url).get_trial(2).system_attrs == {"constraints": [0.5, -3.0]}


def test_listing_constraints_leaves_the_trial_itself_alone(url):
    trial = optuna.load_study(study_name="s", storage=url).trials[0]
    before = dict(trial.system_attrs)
    with_listed_constraints(trial)
    assert trial.system_attrs == before


def test_new_trials_are_seen_at_the_next_look(url):
    storage = open_read_only(url)
    assert storage.get_n_trials(1) == 2
    optuna.load_study(study_name="s", storage=url).ask()
    assert storage.get_n_trials(1) == 3


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_every_write_is_refused_in_one_line(url):
    storage = open_read_only(url)
    study = optuna.load_study(study_name="s", storage=storage)
    writes = [
        study.ask,
        lambda: study.set_user_attr("a", 1),
        lambda: study.set_metric_names(["a", "b"]),
        lambda: storage.delete_study(1),
        lambda: optuna.create_study(study_name="new", storage=storage),
        lambda: storage.set_trial_user_attr(1, "a", 1),
        lambda: storage.set_trial_system_attr(1, "a", 1),
        lambda: storage.set_trial_intermediate_value(1, 0, 1.0),
        lambda: storage.set_trial_state_values(1, optuna.trial.TrialState.FAIL),
    ]
    for write in writes:
        with pytest.raises(StudyError, match="^the dashboard only shows studies"):
            write()
    assert len(optuna.load_study(study_name="s", storage=url).trials) == 2


def test_the_database_itself_refuses_writes_below_the_view(url):
    engine = open_read_only(url)._storage._backend.engine
    with engine.connect() as connection, pytest.raises(Exception, match="readonly database"):
        connection.execute(text("DELETE FROM trials"))


def test_looking_makes_no_file(tmp_path):
    path = tmp_path / "absent.db"
    with pytest.raises(BadInput, match="no such file"):
        open_read_only(f"sqlite:///{path}")
    assert not path.exists()


def test_a_database_without_studies_is_told_and_left_alone(tmp_path):
    path = tmp_path / "lut.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE lut_networks (id INTEGER)")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="holds no studies yet"):
        open_read_only(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("wrong", ["results/nas.db", "sqlite:///", "nosuch://host/db"])
def test_a_url_that_is_none_gives_one_line(wrong):
    with pytest.raises(BadInput) as caught:
        open_read_only(wrong)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_gives_one_line(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("not a database at all, only words " * 200)
    with pytest.raises(BadInput, match="cannot be read: file is not a database$"):
        open_read_only(f"sqlite:///{path}")


def test_a_password_is_not_shown():
    with pytest.raises(BadInput) as caught:
        open_read_only("postgresql+nosuch://user:secret@localhost/db")
    assert "secret" not in str(caught.value)
