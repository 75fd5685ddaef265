"""Brings a database to the tables of `latency_lut.schema`, or says why it cannot."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Inspector, Text, column, inspect, select, table, text

from latency_lut.errors import StoreError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every version there has been, the present one last."""
VERSION_TABLE = "lut_alembic_version"
"""Not Alembic's usual name: Optuna keeps its own version under that one."""

_LOCK = 7_221_350_119  # our choice: any number that no other program locks
_OPTUNA_TABLE = "studies"


def is_current(connection: Connection) -> bool:
    """Whether the tables are there and up to date."""
    return _version(connection) == REVISIONS[-1]


def upgrade(connection: Connection) -> None:
    """Makes or upgrades the tables; does nothing when they are up to date.

    Must run inside a transaction that no other can write beside.

    Raises:
        StoreError: a newer version wrote the database, or it is another program's.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if is_current(connection):  # another process was faster
        return
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    """The version found; None in a database without LUT tables.

    Raises:
        StoreError: as `upgrade`.
    """
    inspector = inspect(connection)
    if not inspector.has_table(VERSION_TABLE):
        _check_ours(connection, inspector)
        return None
    versions = table(VERSION_TABLE, column("version_num", Text))
    found = connection.execute(select(versions.c.version_num)).scalar()
    if found is not None and found not in REVISIONS:
        raise StoreError(
            f"the LUT in it has version {found!r}, this edge-nas knows up to {REVISIONS[-1]!r}. "
            "Upgrade edge-nas, or name another --storage"
        )
    return found


def _check_ours(connection: Connection, inspector: Inspector) -> None:
    """A server is shared by habit, a file with unknown tables is somebody else's."""
    tables = inspector.get_table_names()
    lost = [name for name in tables if name.startswith("lut_")]
    if lost:
        raise StoreError(
            f"it has a table {lost[0]!r} but no LUT version: it is damaged. "
            "Restore a copy, or name another --storage"
        )
    if connection.dialect.name == "sqlite" and tables and _OPTUNA_TABLE not in tables:
        raise StoreError(
            f"the file is another program's: it has a table {tables[0]!r} and no study. "
            "Name another file with --storage"
        )
