"""`databases/` keeps a dump of each version that there has been."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

import latency_lut
from latency_lut import Ceilings, open_store
from latency_lut.storage.migration import REVISIONS, VERSION_TABLE
from latency_lut.storage.schema import metadata
from tests.latency_lut.networks import PROFILE, costs_of, store_in, tiny_space

DATABASES = Path(__file__).parent / "databases"
MIGRATIONS = Path(latency_lut.__file__).parent / "storage" / "migrations"


@pytest.mark.parametrize("version", REVISIONS)
def test_a_database_of_any_version_is_upgraded_with_all_that_it_holds(tmp_path, version):
    path = tmp_path / "nas.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATABASES / f"{version}.sql").read_text())
    with open_store(f"sqlite:///{path}") as store:
        (record,) = store.networks("profile-1", "tiny")
        assert record.phases[0].nodes[0].name == "stem/0_MatMul"
        assert record.phases[0].group_ns == (11000, 11001)
        assert store.profiles("board1") == (PROFILE,)
        entry = store.lut("profile-1").entries["dense(bias=0,size=10)@infer/fp32"]
        assert entry.latency_ns == 10_000
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall()
        index = "SELECT count(*) FROM sqlite_master WHERE name = 'lut_networks_by_profile'"
        assert connection.execute(index).fetchone() == (1,)
    assert found == [(REVISIONS[-1],)]


@pytest.mark.parametrize("version", REVISIONS)
def test_a_network_in_an_older_database_is_known_when_it_is_given_again(tmp_path, version):
    path, space = tmp_path / "nas.db", tiny_space()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATABASES / f"{version}.sql").read_text())
    with open_store(f"sqlite:///{path}") as store:
        (record,) = store.networks("profile-1")
        observed = '{"temperature_c":[51.5]}' if version >= "0004" else None
        assert record.observed_json == observed
        segments = space.segments(space.smallest())
        store.add_network(record, segments, costs_of(space, segments))
        assert store.networks("profile-1") == (record,)


@pytest.mark.parametrize("version", REVISIONS)
def test_the_lut_of_an_older_database_is_fitted_once_and_then_kept(tmp_path, version):
    path = tmp_path / "nas.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATABASES / f"{version}.sql").read_text())
    with open_store(f"sqlite:///{path}") as store:
        assert store.lut("profile-1") == store.lut("profile-1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM lut_fits").fetchone() == (1,)


@pytest.mark.parametrize("version", REVISIONS)
def test_a_database_from_before_ceilings_has_none_and_takes_some(tmp_path, version):
    path, good = tmp_path / "nas.db", {"bytes_per_s": 12 * 10**9, "quality": "good"}
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATABASES / f"{version}.sql").read_text())
    with open_store(f"sqlite:///{path}") as store:
        kept = Ceilings(flops_per_s=110 * 10**9, **good) if version >= "0003" else None
        assert store.ceilings("profile-1") == kept
        higher = Ceilings(flops_per_s=111 * 10**9, **good)
        store.add_ceilings("profile-1", higher)
        assert store.ceilings("profile-1") == higher


def test_the_revisions_are_those_of_the_migrations():
    scripts = ScriptDirectory(str(MIGRATIONS))
    walked = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(walked)) == REVISIONS


def test_the_migrations_make_the_tables_that_the_code_expects(tmp_path):
    with store_in(tmp_path):
        pass
    engine = create_engine(f"sqlite:///{tmp_path}/nas.db")
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()
