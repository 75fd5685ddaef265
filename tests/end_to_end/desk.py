"""The command `nas` as a user runs it, in a folder of its own, on a tiny part of a space."""

import contextlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from nas.cli import main

ROOT = Path(__file__).parents[2]
TINY = (
    "resolution=20",
    "width=0.5",
    "stage*.depth=1",
    "stage*.kernel=3",
    "stage*.expansion=3,6",
    "stage*.squeeze_excite=false",
)
"""32 architectures of `mobile` with 12 segment keys."""


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Desk:
    """A folder to work in, as on a user's machine."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "results" / "nas.db"

    @property
    def supernets(self) -> Path:
        return self.folder / "results" / "supernets"

    def nas(self, *arguments: str, stdin: str = "") -> Ran:
        """Runs a command within this process, which has loaded torch already."""
        out, err = io.StringIO(), io.StringIO()
        typed = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self._environment(), clear=True),
            mock.patch.object(sys, "argv", ["nas", *arguments]),
            mock.patch.object(sys, "stdin", typed),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = _exit_code(main)
        return Ran(code, out.getvalue(), err.getvalue())

    def ok(self, *arguments: str, stdin: str = "") -> Ran:
        ran = self.nas(*arguments, stdin=stdin)
        assert ran.code == 0, ran.err
        return ran

    def refused(self, code: int, *arguments: str, stdin: str = "") -> str:
        """What a command that ends with that code says: one or two lines, and no result."""
        ran = self.nas(*arguments, stdin=stdin)
        said = ran.err.strip()
        assert ran.code == code, said
        assert ran.out == ""
        assert said.startswith("nas: ")
        assert len(said.splitlines()) <= 2
        assert "Traceback" not in said
        assert "unexpected" not in said
        return said

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command as a process, and in a process group, of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "nas", *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell's background job ignores Ctrl-C, and what it starts would ignore it too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        unwanted = ("NAS_STORAGE", "SSH_AUTH_SOCK", "XDG_CACHE_HOME")
        return {
            **{name: value for name, value in os.environ.items() if name not in unwanted},
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            "COLUMNS": "200",
        }


def open_desk(folder: Path) -> Desk:
    """A new folder with a home folder in it."""
    (folder / "home").mkdir(parents=True)
    return Desk(folder)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a command and to all that it started in its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def rows_of(database: Path, query: str) -> list[tuple[Any, ...]]:
    """What a database holds now; nothing while it, or the table, is not there."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def copy_database(source: Path, target: Path) -> None:
    """A copy by SQLite itself.

    Reading the file plainly would drop every lock that this process holds on it (POSIX locks end
    with the first file handle that is closed), and another process would take away its log.
    """
    target.parent.mkdir(exist_ok=True)
    with contextlib.closing(sqlite3.connect(source)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))


@contextlib.contextmanager
def running_until(
    process: subprocess.Popen[str], reached: Callable[[], bool], *, limit_s: float = 120
) -> Iterator[None]:
    """Enters once the process has come so far; it must not have ended before."""
    deadline = time.monotonic() + limit_s
    while not reached():
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "it did not come so far in time"
        time.sleep(0.01)
    try:
        yield
    finally:
        if process.poll() is None:
            kill(process)


def only(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--only", text)]


SPACE = ("--space", "mobile", "--data", "digits", *only(*TINY))
"""The tiny space, for images as those of digits."""
ON_LOCAL = (*SPACE, "--device", "local")


def search_command(
    study: str, *, trials: int, sampler: str = "pareto", device: str = "local"
) -> list[str]:
    return [
        *("search", *SPACE, "--device", device, "--study", study, "--trials", str(trials)),
        *("--sampler", sampler, "--train-minutes", "0.1", "--seed", "1"),
    ]


def _exit_code(command: Callable[[], None]) -> int:
    try:
        command()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
