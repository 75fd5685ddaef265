"""From a storage URL to an engine, and from a database's errors to ours."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from latency_lut.errors import StoreError
from latency_lut.storage.migration import is_current, upgrade

_SECRETS = ("password", "sslpassword")  # in the part of a URL behind the question mark
_BUSY_S = 60  # a transaction of ours takes milliseconds; Optuna's may be many in a row
_WRITES, _WAIT_S = "lut_writes", "lut_wait_s"
_POSTGRESQL = "postgresql+psycopg"
_SQLITE_REASONS = {
    "file is not a database": "the file is no SQLite database. Name another file with --storage",
    "malformed": "the file is damaged. Restore a copy, or name another file with --storage",
    "locked": "another process keeps the file locked. End it, then try again",
    "unable to open": "the file cannot be opened. Check the path and its permissions",
    "readonly": "the file cannot be written. Check its permissions",
    "disk is full": "the disk is full. Free some space, then try again",
}


class Database:
    """An engine with one rule: whatever is written together is one transaction.

    Safe for threads and for several processes on the same file.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout."""
        with self._translated(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self, wait_s: int = _BUSY_S) -> Iterator[Connection]:
        """A transaction that is kept as a whole when the block ends, and not at all if it raises.

        On SQLite it takes the file's lock at the start: one that began by reading and found itself
        overtaken could not wait, only fail. It waits `wait_s` for another that has the lock.
        """
        with self._translated(), self._engine.connect() as connection:
            writer = connection.execution_options(**{_WRITES: True, _WAIT_S: wait_s})
            with writer.begin():
                yield writer

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as exc:
            raise StoreError(f"storage {shown(self._engine.url)}: {_reason(exc.orig)}") from exc
        except sqlite3.Error as exc:  # from `_prepare`, which SQLAlchemy does not wrap
            raise StoreError(f"storage {shown(self._engine.url)}: {_reason(exc)}") from exc
        except StoreError as exc:
            text = str(exc)
            if text.startswith("storage "):
                raise
            raise StoreError(f"storage {shown(self._engine.url)}: {text}") from exc


@contextlib.contextmanager
def open_database(url: str) -> Iterator[Database]:
    """The database at `url`, its LUT tables made or brought up to date.

    A SQLite file that is not there is made, with its folder.

    Raises:
        StoreError: a bad URL, no driver, unreachable, damaged, foreign, or of a newer version.
    """
    engine = _engine(_parsed(url))
    try:
        database = Database(engine)
        with database.reading() as connection:  # no wait for a lock in the usual case
            current = is_current(connection)
        if not current:
            with database.writing() as connection:
                upgrade(connection)
            _let_readers_on(engine)
        yield database
    finally:
        engine.dispose()


def is_there(url: str) -> bool:
    """Whether there is anything to open; a database server is always thought to be there.

    Raises:
        StoreError: a bad URL.
    """
    parsed = _parsed(url)
    return parsed.get_backend_name() != "sqlite" or Path(parsed.database or "").is_file()


def shown(url: URL) -> str:
    """The URL without its password."""
    hidden = {name: "***" for name in url.query if name in _SECRETS}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def shown_url(url: str) -> str:
    """A URL as it may be shown to anybody.

    Raises:
        StoreError: no URL, or of another kind of database.
    """
    return shown(_parsed(url))


def driver_url(url: str) -> str:
    """The URL with the driver that we install for PostgreSQL, where it names none.

    Raises:
        StoreError: no URL, or of another kind of database.
    """
    return _parsed(url).render_as_string(hide_password=False)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # whose texts may hold the password
        words = "with a password in it" if "@" in url or "postgresql" in url else repr(url)
        raise StoreError(
            f"storage {words} is no URL; expected for example sqlite:///results/nas.db "
            "or postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if "@" in (parsed.host or ""):
        raise StoreError("storage: in the password of the URL write @ as %40, / as %2F, : as %3A")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername=_POSTGRESQL)
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"storage {shown(parsed)}: expected a sqlite:/// or postgresql:// URL")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    try:
        return create_engine(url, pool_pre_ping=True)
    except (ModuleNotFoundError, NoSuchModuleError) as exc:
        raise StoreError(
            f"storage {shown(url)} needs a driver: pip install 'edge-nas[postgresql]'"
        ) from exc


def _sqlite_engine(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreError(f"storage {shown(url)}: {exc.strerror}: {exc.filename}") from exc
    engine = create_engine(url, connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    connection.execute("PRAGMA foreign_keys = ON")


def _let_readers_on(engine: Engine) -> None:
    """Switches a SQLite file, for good, to a journal beside which others can read.

    Where that is refused (another process is at work, a file system without shared memory),
    waiting for the lock does as well.
    """
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        with contextlib.suppress(sqlite3.OperationalError):
            connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {1000 * options.get(_WAIT_S, _BUSY_S)}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")


def _reason(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    for sign, reason in _SQLITE_REASONS.items():
        if isinstance(error, sqlite3.Error) and sign in text:
            return reason
    return f"the database refused: {text[:300]}"
