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
from latency_lut import open_store
from latency_lut.migration import REVISIONS, VERSION_TABLE
from latency_lut.schema import metadata
from tests.latency_lut.networks import PROFILE, store_in

DATABASES = Path(__file__).parent / "databases"
MIGRATIONS = Path(latency_lut.__file__).parent / "migrations"


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
