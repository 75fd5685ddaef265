"""Reading what an agent answered: nothing is believed before its type and range are checked."""

import json
import reprlib
from collections.abc import Iterable
from typing import NoReturn

from device_agents.errors import ProtocolError

MAX_TEXT = 500  # our choice: the longest name or message that we keep
MAX_DURATION_NS = 24 * 3600 * 10**9  # our choice: no inference takes a day
MAX_BYTES = 2**50

_SHOWN = reprlib.Repr()  # of any value a little, however large or deep it is
_SHOWN.maxstring = _SHOWN.maxother = _SHOWN.maxlong = 80


def read_json(text: str) -> object:
    """The value that a device wrote as JSON.

    Raises:
        ValueError: it is none, or nested more deeply than any answer of ours.
    """
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def shown(value: object) -> str:
    """What a device said, for a message: on one line, and short."""
    text = _SHOWN.repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Answer:
    """One JSON object of an answer, read field by field.

    Every method raises ProtocolError, naming the device and the field, when the field is absent,
    of another type or out of range.
    """

    def __init__(self, value: object, *, device: str, place: str = "the answer") -> None:
        self._device = device
        self._place = place
        if not isinstance(value, dict):
            self.refuse("", value, "an object")
        self._fields: dict[str, object] = value

    def integer(self, name: str, *, low: int, high: int) -> int:
        """A whole number within [low, high]; true and false are none."""
        return self._integer(name, self._get(name), low, high)

    def optional_integer(self, name: str, *, low: int, high: int) -> int | None:
        """A whole number within [low, high], or None where the device does not know it."""
        value = self._get(name)
        return None if value is None else self._integer(name, value, low, high)

    def optional_number(self, name: str, *, low: float, high: float) -> float | None:
        """A number within [low, high], or None where the device does not know it."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(name, value, "a number")
        if not low <= value <= high:  # NaN is not within
            self.refuse(name, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def integers(
        self, name: str, *, low: int, high: int, at_least: int, at_most: int
    ) -> tuple[int, ...]:
        """Between `at_least` and `at_most` whole numbers, each within [low, high]."""
        values = self._list(name, at_least, at_most)
        return tuple(
            self._integer(f"{name}[{index}]", value, low, high)
            for index, value in enumerate(values)
        )

    def text(self, name: str) -> str:
        """A printable text of at most MAX_TEXT characters; what cannot be printed is replaced."""
        return self._text(name, self._get(name))

    def optional_text(self, name: str) -> str | None:
        """A text, or None where the device does not know it."""
        value = self._get(name)
        return None if value is None else self._text(name, value)

    def texts(self, name: str) -> tuple[str, ...]:
        """At most a hundred texts."""
        return tuple(self._text(name, value) for value in self._list(name, 0, 100))

    def optional_texts(self, name: str) -> tuple[str, ...] | None:
        """At most a hundred texts, or None where the device does not know."""
        return None if self._get(name) is None else self.texts(name)

    def boolean(self, name: str) -> bool:
        """True or false."""
        value = self._get(name)
        if not isinstance(value, bool):
            self.refuse(name, value, "true or false")
        return value

    def choice(self, name: str, options: Iterable[str]) -> str:
        """One of some words."""
        value = self._get(name)
        if not isinstance(value, str) or value not in options:
            self.refuse(name, value, f"one of {', '.join(options)}")
        return value

    def child(self, name: str) -> "Answer":
        """An object within this one."""
        return Answer(self._get(name), device=self._device, place=self._path(name))

    def optional_child(self, name: str) -> "Answer | None":
        """An object within this one, or None where the device has none."""
        return None if self._get(name) is None else self.child(name)

    def children(self, name: str, *, at_most: int) -> list["Answer"]:
        """A list of at most `at_most` objects."""
        return [
            Answer(value, device=self._device, place=self._path(f"{name}[{index}]"))
            for index, value in enumerate(self._list(name, 0, at_most))
        ]

    def refuse(self, name: str, value: object, wanted: str) -> NoReturn:
        """Raise the ProtocolError for one field."""
        raise ProtocolError(
            f"{self._device}: {self._path(name)} is {shown(value)}; it must be {wanted}. "
            f"The answer is not used. Check the device with: nas devices doctor {self._device}",
            device=self._device,
        )

    def _path(self, name: str) -> str:
        return f"{self._place}.{name}" if name else self._place

    def _get(self, name: str) -> object:
        if name not in self._fields:
            self.refuse(name, None, "there")
        return self._fields[name]

    def _integer(self, name: str, value: object, low: int, high: int) -> int:
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, value, f"a whole number from {low} to {high}")
        return value

    def _text(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            self.refuse(name, value, f"a text of at most {MAX_TEXT} characters")
        return "".join(
            char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value
        )

    def _list(self, name: str, at_least: int, at_most: int) -> list[object]:
        value = self._get(name)
        if not isinstance(value, list) or not at_least <= len(value) <= at_most:
            count = type(value).__name__ if not isinstance(value, list) else f"{len(value)} long"
            self.refuse(name, count, f"a list of {at_least} to {at_most}")
        return value
