"""How good a network is by a function of the user's, which runs in a process of its own.

So a function that hangs is ended, one that kills its process kills no search, and the memory that
it takes is given back.
"""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from nas.accuracy.estimator import Quality
from nas.errors import AccuracyFailed, BadInput
from search_spaces import Architecture, Space, TextTask, load_from_file

_MODULE = "nas.accuracy.own_function_call"
_TOLD = 200  # our choice: characters of a failure that are shown


def check_function(reference: str) -> None:
    """Runs the file, so that a wrong name is told before any work.

    Args:
        reference: `path/to/file.py:function`.

    Raises:
        UserFileError: no such file or name, or the file fails.
        BadInput: what has that name is not to be called.
    """
    path, _, name = reference.rpartition(":")
    if not callable(load_from_file(Path(path), name)):
        raise BadInput(f"--accuracy {reference}: not a function")


class OwnFunction:
    """Asks `file.py:function` for the accuracy of each network, within a limit of time.

    The function is called as `function(network, architecture)`: the network as an untrained
    PyTorch module (see `search_spaces.Network`) and its architecture. It gives accuracy in [0, 1],
    or bits per byte, as a number, or that and its standard error.
    """

    def __init__(
        self, reference: str, space_reference: str, space: Space, *, limit_s: float
    ) -> None:
        """Looks the function up.

        Args:
            reference: `path/to/file.py:function`.
            space_reference: what `load_space` takes for the space.
            space: of the networks; a part of that one.
            limit_s: for one network.

        Raises:
            UserFileError, BadInput: see `check_function`.
        """
        path, _, self._name = reference.rpartition(":")
        self._reference, self._path, self._limit_s = reference, Path(path), limit_s
        self._space, self._space_reference = space, space_reference
        check_function(reference)

    def evaluate(self, architecture: Architecture) -> Quality:
        """What the function says.

        Raises:
            AccuracyFailed: it raised, took too long, or gave no such number.
        """
        value, standard_error = self._checked(self._answer(architecture))
        is_text = isinstance(self._space.task, TextTask)
        return Quality(
            name="bits_per_byte" if is_text else "accuracy",
            value=value,
            standard_error=standard_error,
            samples=None,
        )

    def modules(self, architecture: Architecture) -> dict[str, nn.Module] | None:
        """None: what the function has trained stays with it."""
        return None

    def _answer(self, architecture: Architecture) -> object:
        question = {
            "path": str(self._path),
            "name": self._name,
            "space": self._space_reference,
            "task": asdict(self._space.task),
            "architecture": architecture.to_json(),
        }
        # Of a session of its own: Ctrl-C lets the network in flight finish.
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(json.dumps(question), timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            raise self._failed(f"gave no answer within {self._limit_s:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            process.wait()
        return self._read(told, process.returncode)

    def _read(self, told: str, code: int) -> object:
        try:
            answer = json.loads(told)
        except ValueError:
            raise self._failed(f"ended its process with {code} and no answer") from None
        if "failure" in answer:
            raise self._failed(str(answer["failure"])[:_TOLD])
        return answer["value"]

    def _checked(self, value: object) -> tuple[float, float | None]:
        """The accuracy, or bits per byte, and its standard error if it was told."""
        numbers: list[Any] = value if isinstance(value, list) else [value]
        if not 1 <= len(numbers) <= 2 or not all(isinstance(n, float) for n in numbers):
            raise self._failed(f"gave {str(value)[:_TOLD]}; a number, or two, are expected")
        is_text = isinstance(self._space.task, TextTask)
        most, expected = (math.inf, "bits per byte") if is_text else (1.0, "a number in [0, 1]")
        if not (0 <= numbers[0] <= most and math.isfinite(numbers[0])):
            raise self._failed(f"gave {numbers[0]:g}; {expected} is expected")
        if numbers[1:] and not 0 <= numbers[1] < math.inf:
            raise self._failed(f"gave a standard error of {numbers[1]:g}")
        return numbers[0], numbers[1] if numbers[1:] else None

    def _failed(self, why: str) -> AccuracyFailed:
        return AccuracyFailed(f"{self._reference} {why}")
