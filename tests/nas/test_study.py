import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest

from nas.errors import BadInput, UnknownStudy
from nas.samplers import built_in
from nas.study import (
    StudySettings,
    add_command,
    check_settings,
    create_study,
    load_study,
    open_storage,
    pinned_profile,
    read_accuracy_minutes,
    read_commands,
    read_settings,
    require_supernet,
    set_accuracy_minutes,
)
from search_spaces import ImageTask, TextTask


def settings(**changes):
    base = {
        "space": "mobile",
        "only": ("width=0.5",),
        "task": ImageTask(),
        "data": "digits",
        "device": "local",
        "precision": "fp32",
        "objective": "accuracy",
        "supernet": "supernet.npz",
        "sampler": "nsga2",
        "max_latency_ms": 5.0,
    }
    return StudySettings(**{**base, **changes})


def begin(storage, **changes):
    return create_study(storage, "s", settings(**changes), "profile-1", built_in("random", 0))


@pytest.fixture
def storage(tmp_path):
    return open_storage(f"sqlite:///{tmp_path}/results/nas.db")


def test_a_study_keeps_its_settings_and_names_its_objectives(storage):
    study = begin(storage)
    assert read_settings(study) == settings()
    assert study.metric_names == ["accuracy", "latency_ms", "memory_mib"]
    assert [d.name for d in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]


def test_a_study_is_scored_with_one_supernet(storage, tmp_path):
    study, first, other = begin(storage), tmp_path / "first.npz", tmp_path / "other.npz"
    first.write_bytes(b"weights")
    other.write_bytes(b"others")
    require_supernet(study, first)
    require_supernet(load_study(storage, "s"), first)
    with pytest.raises(BadInput, match="is not the supernet that study 's' is scored with: copy"):
        require_supernet(load_study(storage, "s"), other)


def test_the_time_limit_of_the_users_function_stays_with_the_study(storage):
    study = begin(storage)
    assert read_accuracy_minutes(study) is None
    for told in (120.0, None):
        set_accuracy_minutes(study, told)
        assert read_accuracy_minutes(load_study(storage, "s")) == 120.0


def test_bits_per_byte_are_minimised(storage):
    chosen = settings(
        objective="bits_per_byte", data="kjv", space="language", task=TextTask(context=64)
    )
    study = create_study(storage, "s", chosen, "profile-1", built_in("nsga2", 0))
    assert study.directions[0].name == "MINIMIZE"
    assert read_settings(study).task == TextTask(context=64)


def test_a_second_call_goes_on_with_the_same_study_even_with_another_sampler(storage):
    begin(storage).set_user_attr("kept", 1)
    again = begin(storage, sampler="tpe")
    assert again.user_attrs["kept"] == 1


def test_a_study_keeps_the_first_device_profile_that_it_was_given(storage):
    assert pinned_profile(storage, "s") is None
    begin(storage)
    create_study(storage, "s", settings(), "profile-2", built_in("nsga2", 0))
    assert pinned_profile(storage, "s") == "profile-1"


def test_a_study_keeps_the_commands_that_made_it_in_their_order_and_each_once(storage):
    study = begin(storage)
    for command in ("nas search --seed 1", "nas verify s", "nas search --seed 1"):
        add_command(study, command)
    assert read_commands(study) == ("nas search --seed 1", "nas verify s")


def test_a_study_made_for_another_budget_is_refused_with_both_values(storage):
    begin(storage)
    with pytest.raises(BadInput, match=r"max_latency_ms = 5.0, not 6.0"):
        create_study(storage, "s", settings(max_latency_ms=6.0), "profile-1", built_in("nsga2", 0))


def test_an_unknown_study_is_refused_with_the_nearest_name(storage):
    create_study(storage, "fashion", settings(), "profile-1", built_in("nsga2", 0))
    with pytest.raises(UnknownStudy, match="did you mean 'fashion'"):
        load_study(storage, "fasion")


def test_a_study_of_somebody_else_is_not_taken_for_ours(storage):
    optuna.create_study(study_name="theirs", storage=storage)
    with pytest.raises(BadInput, match="was not made by this version"):
        read_settings(load_study(storage, "theirs"))


def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path):
    path = tmp_path / "nas.db"
    path.write_text("this is a letter to my aunt, and no database at all. " * 40)
    with pytest.raises(BadInput, match="is no SQLite database") as caught:
        open_storage(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)
    assert path.read_text().startswith("this is a letter")


def test_a_storage_of_another_optuna_version_is_refused(tmp_path):
    path = tmp_path / "nas.db"
    open_storage(f"sqlite:///{path}").remove_session()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE version_info SET schema_version = 99")
        database.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(BadInput, match="cannot be used as a storage"):
        open_storage(f"sqlite:///{path}")


def test_a_url_that_is_none_is_refused():
    with pytest.raises(BadInput, match="'nonsense' is no URL"):
        open_storage("nonsense")


def test_another_programs_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "theirs.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    with pytest.raises(BadInput, match="another program's"):
        open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_settings_are_checked_without_making_a_study(storage):
    check_settings(storage, "s", settings())
    assert optuna.study.get_all_study_names(storage) == []
    begin(storage)
    with pytest.raises(BadInput, match=r"device = \"local\", not \"board\""):
        check_settings(storage, "s", settings(device="board"))


def test_the_command_that_fills_the_lut_names_a_precision_other_than_fp32():
    assert "--precision" not in settings().profile_command
    assert "--precision int8" in settings(precision="int8").profile_command


def test_a_study_whose_maker_was_killed_before_it_said_what_for_is_made_by_the_next(storage):
    optuna.create_study(study_name="s", storage=storage, directions=settings().directions)
    check_settings(storage, "s", settings())
    assert pinned_profile(storage, "s") is None
    begin(storage)
    assert read_settings(load_study(storage, "s")) == settings()


def test_of_workers_that_begin_a_study_together_none_fails(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    storages = [open_storage(url) for _ in range(4)]
    for name in map(str, range(5)):
        begun = threading.Barrier(4)

        def make(storage, name=name, begun=begun):
            begun.wait()
            return create_study(storage, name, settings(), "profile-1", built_in("random", 0))

        with ThreadPoolExecutor(4) as pool:
            studies = list(pool.map(make, storages))
        assert {read_settings(study) for study in studies} == {settings()}
