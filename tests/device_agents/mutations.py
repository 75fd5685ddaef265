"""Documents that are nearly right: what a broken, foreign or hostile other end could send."""

import copy
import json
import math
import random
import re
from collections.abc import Iterator
from typing import Any

ANSWERS, CONVERSATIONS, COMMAND_OUTPUTS, REQUESTS = 18_000, 3_000, 7_000, 72_000
"""How many inputs each of the tests reads that use this."""

# What no serializer writes: put into the text in place of a marker.
RAW = (
    "1e400",
    "-1e400",
    "NaN",
    "-Infinity",
    "1" * 5000,
    "-" + "9" * 400,
    "0.1e-9999",
    "[" * 2000 + "]" * 2000,
    '{"a":' * 900 + "1" + "}" * 900,
    "[" * 400 + "]" * 400,
    '"\\ud800"',
    '"\\udfff\\u0000\\u001b[2J"',
    "01",
    "'x'",
    "",
    "nul",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    "",
    "x" * 501,
    "performance",
    "..",
    "../../etc/passwd",
    "$(touch executed)",
    "\x1b]0;title\x07\x00\n",
    "\N{SNOWMAN}\N{RIGHT-TO-LEFT OVERRIDE}",
    "0" * 64,
    "ab" * 32,
    [],
    {},
    [[]],
    [None] * 200,
    list(range(300)),
    {"phases": []},
)
BYTES = (
    b"\xff",
    b"\x00",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\n",
    b"\r",
    b'"',
    b"{",
    b"}",
    b"\\",
    b",",
)
MARKER = "raw token "


class Mutator:
    """Lines made of a valid document by a few changes; the same from the same seed."""

    def __init__(self, seed: int, documents: list[Any]) -> None:
        self._rng = random.Random(seed)
        self._documents = [json.dumps(document) for document in documents]

    def line(self) -> bytes:
        """One line, without its end; now and then more than one, or a long one."""
        rng = self._rng
        document = json.loads(rng.choice(self._documents))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            document = self._changed(document)
        text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
        if MARKER in text:
            text = re.sub(f'"{MARKER}([0-9]+)"', lambda found: RAW[int(found[1])], text)
        if rng.random() < 0.05:
            text = self._with_twice_the_same_key(text)
        line = text.encode("utf-8", "surrogatepass")
        return self._harmed(line) if rng.random() < 0.2 else line

    def _changed(self, document: Any) -> Any:
        rng = self._rng
        places = list(_places(document))
        if not places or rng.random() < 0.02:
            return self._value(document)
        inner, key = rng.choice(places)
        if rng.random() < 0.2:
            del inner[key]
        elif rng.random() < 0.15:
            other, name = rng.choice(places)
            inner[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(inner[key])
        elif isinstance(inner, dict) and rng.random() < 0.1:
            inner[rng.choice(("extra", "", "id", "beat", "error", "op", "x" * 300))] = inner[key]
        else:
            inner[key] = self._value(inner[key])
        return document

    def _value(self, old: Any) -> Any:
        rng = self._rng
        kind = rng.random()
        if kind < 0.25:
            return f"{MARKER}{rng.randrange(len(RAW))}"
        if kind < 0.4 and isinstance(old, int | float):
            return rng.choice((-old, old + 1, old - 1, old * 10**9, float(old), str(old), [old]))
        if kind < 0.5 and isinstance(old, list | str) and old:
            return old * rng.choice((2, 20)) if len(old) < 30 else old[: len(old) // 2]
        if kind < 0.5002:
            return "x" * 2**20
        return copy.deepcopy(rng.choice(VALUES))

    def _with_twice_the_same_key(self, text: str) -> str:
        """The first field of an object once more, with another value."""
        start = text.find('{"')
        colon = text.find(":", start)
        if start < 0 or colon < 0:
            return text
        again = f"{text[start + 1 : colon]}: {json.dumps(self._rng.choice(VALUES))}, "
        return text[: start + 1] + again + text[start + 1 :]

    def _harmed(self, line: bytes) -> bytes:
        rng = self._rng
        place = rng.randrange(len(line) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            return line[:place]
        if kind == 1:
            return line[:place] + rng.choice(BYTES) + line[place:]
        if kind == 2:
            return line[:place] + rng.choice(BYTES) + line[place + 1 :]
        return rng.randbytes(rng.randrange(200))


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a document with each of its keys."""
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document):
            yield document, key
            yield from _places(value)
