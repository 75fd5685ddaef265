"""How one reaches a device: run a command, keep a process, put files."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device_agents.errors import ProtocolError

MAX_LINE_BYTES = 16 * 2**20  # our choice: a profile of 10,000 nodes is about 1 MiB
OUTPUT_CAP_BYTES = 2**20  # our choice: what is kept of each stream of a command
TAIL_BYTES = 4096  # our choice: what is kept of a long-lived process' stderr
_LONGEST_WORDS = 200  # our choice: of its last line, in a message


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A command that ended: both streams were drained, each kept up to OUTPUT_CAP_BYTES.

    `exit_code` is negative when a signal ended the command.
    """

    exit_code: int
    stdout: str
    stderr: str


class Stream(Protocol):
    """A long-lived process on the device that speaks lines. One thread at a time."""

    def send_line(self, line: str) -> None:
        """Send one line; the newline is added here.

        Raises:
            ConnectionLost: the process or the connection has gone.
            DeviceSilent: the device takes nothing more in.
        """

    def read_line(self, *, limit_s: float) -> str:
        """The next whole line, without its newline.

        Raises:
            DeviceSilent: no whole line came within `limit_s`.
            ConnectionLost: the process ended; its last words on stderr are in the message.
            ProtocolError: the line is longer than MAX_LINE_BYTES.
        """

    def close(self) -> None:
        """End the process and free what it held. Harmless when called twice."""


class Transport(Protocol):
    """The way to one device. Paths on the device are absolute or relative to its home."""

    def run(self, argv: Sequence[str], *, limit_s: float) -> Completed:
        """Run a command to its end; its arguments reach it unchanged.

        Raises:
            DeviceSilent: it did not end within `limit_s`; its streams are closed on it.
            ConnectionLost: the connection went away.
        """

    def start(self, argv: Sequence[str]) -> Stream:
        """Start a process that lives until its stream is closed."""

    def home(self) -> str:
        """The absolute path of the user's home folder on the device."""

    def put(self, source: Path, target: str) -> None:
        """Have a file on the device, whole and verified by its SHA-256, or not at all.

        Folders above `target` are made. Nothing is sent when the same bytes are there already.

        Raises:
            DiskUnwritable: the device's disk is full, read-only or closed to this user.
            ConnectionLost: the connection went away.
        """

    def close(self) -> None:
        """Give the connection back. Harmless when called twice."""


class LineBuffer:
    """Lines out of chunks of bytes, with an end to what one line may cost."""

    def __init__(self, device_name: str) -> None:
        self._device_name = device_name
        self._lines: deque[bytes] = deque()
        self._open = bytearray()  # one piece: a line may come byte by byte

    def add(self, chunk: bytes) -> None:
        """Take in a chunk.

        Raises:
            ProtocolError: the line that is open is longer than MAX_LINE_BYTES.
        """
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._grow(part)
            self._lines.append(bytes(self._open))
            self._open.clear()
        self._grow(rest)

    def next_line(self) -> str | None:
        """The oldest whole line, or None; bytes that are not UTF-8 are replaced."""
        return self._lines.popleft().decode("utf-8", "replace") if self._lines else None

    def _grow(self, part: bytes) -> None:
        self._open += part
        if len(self._open) > MAX_LINE_BYTES:
            raise ProtocolError(
                f"{self._device_name}: sent a line longer than {MAX_LINE_BYTES // 2**20} MiB; "
                f"this is no agent of ours. Check it with: nas devices doctor {self._device_name}",
                device=self._device_name,
            )


def last_line(output: str) -> str:
    """The last line that a process wrote, cut off where it is long; empty if there is none."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_WORDS] if lines else ""


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
