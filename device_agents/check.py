"""One thing that a doctor looked at, and looking no longer than one would wait."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    `ok` is None when it could not be looked at; `detail` then says why. A `cure` beside an `ok`
    that is True is advice: one can measure, but better.
    """

    name: str
    ok: bool | None
    detail: str
    cure: str = ""


def good(name: str, detail: str, advice: str = "") -> Check:
    """What is as it should be, or good enough."""
    return Check(name=name, ok=True, detail=detail, cure=advice)


def unknown(name: str, why: str) -> Check:
    """What could not be looked at."""
    return Check(name=name, ok=None, detail=why)


def within(limit_s: float, work: Callable[[], T]) -> T:
    """What `work` gives or raises.

    Raises:
        TimeoutError: it takes longer. It goes on in a thread of its own, which keeps no program
            from ending: a resolver or a proxy of the user's knows no limit but its own.
    """
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as exc:  # noqa: BLE001  whoever waits gets it
            outcome.set_exception(exc)

    threading.Thread(target=run, daemon=True, name="check").start()
    return outcome.result(limit_s)
