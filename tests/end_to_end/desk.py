"""The command `nas` as a user runs it: its own process, its own folder, a tiny part of a space."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def nas(self, *arguments: str, stdin: str = "", limit_s: float = 300) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "nas", *arguments],
            cwd=self.folder,
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def ok(self, *arguments: str, stdin: str = "") -> Ran:
        ran = self.nas(*arguments, stdin=stdin)
        assert ran.code == 0, ran.err
        return ran

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "nas", *arguments],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": os.pathsep.join(p for p in paths if p),
            "COLUMNS": "200",
        }


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a command and to the agent that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def only(*texts: str) -> list[str]:
    return [word for text in texts for word in ("--only", text)]


def search_command(study: str, *, trials: int, sampler: str = "nsga2") -> list[str]:
    return [
        *("search", "--space", "mobile", "--data", "digits", "--device", "local"),
        *("--study", study, "--trials", str(trials), "--sampler", sampler),
        *("--train-minutes", "0.3", "--seed", "1"),
        *only(*TINY),
    ]
