"""Architectures from a file or standard input, one JSON object a line."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nas.errors import BadInput
from search_spaces import Architecture, InvalidArchitecture, Space


@dataclass(frozen=True)
class Line:
    """One line of input: its number, from 1, and the architecture, or what is wrong with it."""

    number: int
    architecture: Architecture | None
    error: str | None = None


def read_architectures(source: str, space: Space, *, skip_bad: bool = False) -> list[Line]:
    """All lines of a file, or of standard input for `-`; empty lines are passed over.

    Args:
        source: a path or `-`.
        space: that the architectures belong to.
        skip_bad: give malformed lines as errors instead of refusing all.

    Raises:
        BadInput: the file cannot be read or has no architecture; or, without `skip_bad`, a line
            is malformed (its number is told).
    """
    lines = list(_parsed(_text(source), space))
    bad = next((line for line in lines if line.error), None)
    if bad and not skip_bad:
        raise BadInput(
            f"{_name(source)}, line {bad.number}: {bad.error}. "
            "Nothing was answered; --skip-bad answers the good lines"
        )
    if not lines:
        hint = f"see: nas spaces sample {space.name}"
        raise BadInput(f"{_name(source)} holds no architecture; {hint}")
    return lines


def read_architecture(path: Path, space: Space) -> Architecture:
    """The one architecture in a file.

    Raises:
        BadInput: the file cannot be read, or does not hold exactly one.
    """
    lines = read_architectures(str(path), space)
    if len(lines) != 1 or lines[0].architecture is None:
        raise BadInput(f"{path} holds {len(lines)} architectures; expected one")
    return lines[0].architecture


def _parsed(text: str, space: Space) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Line(number, space.parse(line))
        except InvalidArchitecture as exc:
            yield Line(number, None, str(exc))


def _text(source: str) -> str:
    try:
        if source == "-":
            return sys.stdin.buffer.read().decode()
        return Path(source).read_text(encoding="utf-8")
    except OSError as exc:
        raise BadInput(f"{source} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadInput(f"{_name(source)} is not UTF-8 text: byte {exc.start}") from exc


def _name(source: str) -> str:
    return "standard input" if source == "-" else source
