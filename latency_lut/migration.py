"""Brings a database to the tables of `latency_lut.schema`, or says why it cannot."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Inspector, inspect, text

from latency_lut.errors import StoreError

REVISIONS = ("0001", "0002")
"""Every version there has been, the present one last."""
VERSION_TABLE = "lut_alembic_version"
"""Not Alembic's usual name: Optuna keeps its own version under that one."""

_LOCK = 7_221_350_119  # our choice: any number that no other program locks
_OPTUNA_TABLE = "studies"


def upgrade(connection: Connection) -> None:
    """Makes or upgrades the tables; does nothing when they are up to date.

    Must run inside a transaction that no other can write beside.

    Raises:
        StoreError: a newer version wrote the database, or it is another program's.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    version = _version(connection)
    if version == REVISIONS[-1]:
        return
    if version is not None and version not in REVISIONS:
        raise StoreError(
            f"the storage has LUT version {version!r}; this edge-nas knows up to "
            f"{REVISIONS[-1]!r}. Upgrade edge-nas, or name another --storage"
        )
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    """The version found; None in a database without LUT tables."""
    inspector = inspect(connection)
    if not inspector.has_table(VERSION_TABLE):
        _check_ours(connection, inspector)
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def _check_ours(connection: Connection, inspector: Inspector) -> None:
    """A server is shared by habit, a file with unknown tables is somebody else's."""
    tables = inspector.get_table_names()
    lost = [name for name in tables if name.startswith("lut_")]
    if lost:
        raise StoreError(f"the storage has a table {lost[0]!r} but no LUT version: not ours")
    if connection.dialect.name == "sqlite" and tables and _OPTUNA_TABLE not in tables:
        raise StoreError(
            f"the storage is another program's: it has a table {tables[0]!r} and no study. "
            "Name another file with --storage"
        )
