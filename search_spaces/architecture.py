"""One point of a space: frozen, canonical JSON, a stable id."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from search_spaces.errors import InvalidArchitecture

Value = int | float | str | bool

_ID_HEX_DIGITS = 12  # our choice: 48 bits, one chance in 10^5 of a clash among 75,000 architectures


@dataclass(frozen=True)
class Architecture:
    """The choices that make one network; only those that have an effect.

    Made by a `Space`, which drops the choices that are switched off by others, so that two
    architectures that are the same network are equal and have the same id.
    """

    space: str
    choices: Mapping[str, Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", MappingProxyType(dict(self.choices)))

    def __hash__(self) -> int:
        return hash(self.id)

    def __getitem__(self, name: str) -> Value:
        return self.choices[name]

    @cached_property
    def id(self) -> str:
        """Stable across processes and machines: a hash of the canonical JSON."""
        text = _canonical_json({"space": self.space, "choices": dict(self.choices)})
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_HEX_DIGITS]

    def to_json(self) -> str:
        """One line; `Space.parse` reads it back."""
        return _canonical_json({"id": self.id, "space": self.space, "choices": dict(self.choices)})


def choices_from_json(text: str, space: str) -> dict[str, Value]:
    """The raw choices in one JSON object, not yet checked against a space.

    Raises:
        InvalidArchitecture: not JSON, not an object with "choices", or of another space.
    """
    try:
        record = json.loads(text)
    except ValueError as exc:
        raise InvalidArchitecture(f"not JSON: {exc}") from exc
    if not isinstance(record, dict) or not isinstance(record.get("choices"), dict):
        raise InvalidArchitecture('expected a JSON object with "choices"')
    if record.get("space", space) != space:
        raise InvalidArchitecture(f"architecture of space {record['space']!r}, not {space!r}")
    choices: dict[str, Value] = record["choices"]
    for name, value in choices.items():
        if not isinstance(value, int | float | str | bool):
            raise InvalidArchitecture(f"choice {name!r} is no number, text or truth value")
    return choices


def _canonical_json(record: Mapping[str, object]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
