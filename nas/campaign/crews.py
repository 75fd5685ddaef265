"""Several devices at once: opened side by side, those of one profile as one crew."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from device_agents import Device, DeviceError
from latency_lut import open_store
from nas.campaign.crew import Crew
from nas.measuring.measurement import Rig, open_rig
from search_spaces import Space

_LOOK_AGAIN_S = 0.2  # our choice: how often the main thread, which gets Ctrl-C, wakes up
_LAST_WAIT_S = 10.0  # our choice: for crews to leave their devices after Ctrl-C

T = TypeVar("T")


@dataclass(frozen=True)
class Crews:
    """Devices that are open: one crew a device profile; and those that could not be opened."""

    crews: tuple[Crew, ...]
    failures: tuple[DeviceError, ...]


def stages(devices: Sequence[Device]) -> list[list[Device]]:
    """This machine first and alone, as its work for other devices would disturb it; the rest."""
    here = [device for device in devices if device.host is None]
    return [stage for stage in (here, [d for d in devices if d not in here]) if stage]


@contextlib.contextmanager
def open_crews(
    devices: Sequence[Device], space: Space, storage: str, precision: str, *, wait_s: float
) -> Iterator[Crews]:
    """Connects to all devices at once, and makes crews of those that have one profile.

    Args:
        devices: at least one.
        space: whose networks are measured.
        storage: where the results are kept; each device has a connection of its own.
        precision: in which the networks run first.
        wait_s: for another host that measures on a device.

    Raises:
        DeviceError: of the first device, when none could be opened.
        StoreError: the storage cannot be used.
    """

    def opened(device: Device) -> tuple[Rig, contextlib.ExitStack]:
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(open_store(storage))
            opening = open_rig(device, space, store, precision, wait_s=wait_s)
            return stack.enter_context(opening), stack.pop_all()

    with contextlib.ExitStack() as stack:
        rigs: dict[str, list[Rig]] = {}
        failures = []
        for outcome in side_by_side([partial(opened, device) for device in devices]):
            if isinstance(outcome, DeviceError):
                failures.append(outcome)
            elif isinstance(outcome, Exception):
                raise outcome
            else:
                rig, closing = outcome
                stack.push(closing)
                rigs.setdefault(rig.profile.id, []).append(rig)
        if not rigs:
            raise failures[0]
        yield Crews(tuple(Crew(alike) for alike in rigs.values()), tuple(failures))


def side_by_side(
    calls: Sequence[Callable[[], T]], stop: Callable[[], None] = lambda: None
) -> list[T | Exception]:
    """What each call gives or raises, all at once; a single one in this thread.

    Args:
        calls: at least one.
        stop: called upon Ctrl-C, to make them end; then KeyboardInterrupt is raised.
    """
    if len(calls) == 1:
        return [_outcome(calls[0])]
    futures: list[Future[T | Exception]] = [Future() for _ in calls]

    def fulfil(future: "Future[T | Exception]", call: Callable[[], T]) -> None:
        future.set_result(_outcome(call))

    threads = [
        threading.Thread(target=fulfil, args=pair, daemon=True)
        for pair in zip(futures, calls, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOK_AGAIN_S)
    except KeyboardInterrupt:
        stop()
        for thread in threads:
            thread.join(_LAST_WAIT_S)
        raise
    return [future.result() for future in futures]


def _outcome(call: Callable[[], T]) -> T | Exception:
    try:
        return call()
    except Exception as exc:  # noqa: BLE001 -- whoever called decides
        return exc
