"""The way to this machine: the same agent as on a board, at the end of a pipe."""

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from device_agents.disk import disk_error
from device_agents.errors import ConnectionLost, DeviceSilent, DiskUnwritable
from device_agents.inventory import LOCAL
from device_agents.transport import (
    OUTPUT_CAP_BYTES,
    TAIL_BYTES,
    Completed,
    LineBuffer,
    last_line,
    sha256_of,
)

_CHUNK_BYTES = 2**16
_END_LIMIT_S = 5.0  # our choice: how long a process may take to see that its stdin has ended


class LocalTransport:
    """The way to this machine. One thread at a time; the maker closes it."""

    def __init__(self, device_name: str = LOCAL) -> None:
        self._device_name = device_name

    def run(self, argv: Sequence[str], *, limit_s: float) -> Completed:
        """Run a command to its end; see Transport."""
        with self._popen(argv, subprocess.DEVNULL, subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired as exc:
                _kill(process)
                raise DeviceSilent(
                    f"{self._device_name}: {argv[0]} did not end within {limit_s:g} s",
                    device=self._device_name,
                ) from exc
        return Completed(
            exit_code=process.returncode,
            stdout=out[:OUTPUT_CAP_BYTES].decode("utf-8", "replace"),
            stderr=err[:OUTPUT_CAP_BYTES].decode("utf-8", "replace"),
        )

    def start(self, argv: Sequence[str]) -> "LocalStream":
        """Start a process that lives until its stream is closed; see Transport."""
        last_words = tempfile.TemporaryFile()  # noqa: SIM115 -- the stream closes it
        process = self._popen(argv, subprocess.PIPE, last_words)
        return LocalStream(process, last_words, self._device_name)

    def home(self) -> str:
        """The absolute path of the user's home folder."""
        return str(Path.home())

    def put(self, source: Path, target: str) -> None:
        """Have a copy of a file, verified by its hash; see Transport."""
        path = Path.home() / target
        digest = sha256_of(source)
        if path.is_file() and sha256_of(path) == digest:
            return
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, draft)
            if sha256_of(draft) != digest:
                raise OSError(f"{source} changed while it was copied")
            draft.replace(path)
        except OSError as exc:
            with suppress(OSError):
                draft.unlink()
            raise self._unwritable(path, exc) from exc

    def close(self) -> None:
        """Nothing is held between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _popen(
        self, argv: Sequence[str], stdin: int, stderr: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=Path.home(),
                start_new_session=True,  # Ctrl-C is for us to handle, not for the agent
            )
        except OSError as exc:
            raise ConnectionLost(
                f"{self._device_name}: {argv[0]} cannot be started: {exc.strerror}",
                device=self._device_name,
            ) from exc

    def _unwritable(self, path: Path, exc: OSError) -> DiskUnwritable:
        name = self._device_name
        return disk_error(str(exc), device_name=name, path=str(path.parent)) or DiskUnwritable(
            f"{name}: cannot write {path}: {exc}", device=name
        )


class LocalStream:
    """A process of this machine that speaks lines; see Stream."""

    def __init__(
        self, process: subprocess.Popen[bytes], last_words: IO[bytes], device_name: str
    ) -> None:
        self._process = process
        self._stdin, self._stdout = _pipes(process)
        self._last_words = last_words
        self._device_name = device_name
        self._lines = LineBuffer(device_name)

    def send_line(self, line: str) -> None:
        """Send one line; see Stream."""
        try:
            self._stdin.write(f"{line}\n".encode())
            self._stdin.flush()
        except (OSError, ValueError) as exc:
            raise self._ended() from exc

    def read_line(self, *, limit_s: float) -> str:
        """The next whole line; see Stream."""
        deadline = time.monotonic() + limit_s
        while (line := self._lines.next_line()) is None:
            left_s = deadline - time.monotonic()  # below 0: it speaks, but ends no line
            if left_s < 0 or not select.select([self._stdout], [], [], left_s)[0]:
                raise DeviceSilent(
                    f"{self._device_name}: no answer within {limit_s:g} s. "
                    f"Check the device with: nas devices doctor {self._device_name}",
                    device=self._device_name,
                )
            chunk = os.read(self._stdout.fileno(), _CHUNK_BYTES)
            if not chunk:
                raise self._ended()
            self._lines.add(chunk)
        return line

    def close(self) -> None:
        """End the process: its pipes are closed; if that is not enough, it is killed."""
        if self._last_words.closed:
            return
        with suppress(OSError):  # it has gone already, with our last line unread
            self._stdin.close()
        self._stdout.close()
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            _kill(self._process)
        self._last_words.close()

    def _ended(self) -> ConnectionLost:
        return ConnectionLost(
            f"{self._device_name}: the agent ended ({self._last_line()}). Try again; "
            f"if it happens twice: nas devices doctor {self._device_name}",
            device=self._device_name,
        )

    def _last_line(self) -> str:
        if self._last_words.closed:
            return "it was closed before"
        size = self._last_words.seek(0, os.SEEK_END)
        self._last_words.seek(max(0, size - TAIL_BYTES))
        return last_line(self._last_words.read().decode("utf-8", "replace")) or "no last words"


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started; it leads a session of its own."""
    with suppress(ProcessLookupError):  # it ended by itself in the meantime
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
