"""What a device is doing now, kept in the storage for `nas devices list`."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Self

from device_agents import DeviceError, DeviceLeased, first_sentence, this_host
from latency_lut import DeviceState, Store

_EVERY_S = 10.0  # our choice: often enough to tell a killed workstation from one at work
_LAST_WAIT_S = 5  # our choice: for others who write, where nobody notes it again


class Presence:
    """Notes each change at once, and every ten seconds that the device was heard of.

    Args:
        store: of the device's results.
        device_name: as in the inventory.
        silent_s: how long ago the device said anything.
    """

    def __init__(self, store: Store, device_name: str, silent_s: Callable[[], float]) -> None:
        self._store, self._silent_s = store, silent_s
        self._state = DeviceState(
            device_name=device_name, state="measuring", last_contact_utc=None, owner=this_host()
        )
        self._noting = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def __enter__(self) -> Self:
        self.measures(None)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._state.state == "lost":
            self._change(owner=None, wait_s=_LAST_WAIT_S)
        elif self._state.state == "measuring":
            self._change(state="free", doing=None, owner=None, reason=None, wait_s=_LAST_WAIT_S)

    def measures(self, what: str | None) -> None:
        """It is at this network now."""
        self._change(state="measuring", doing=what, reason=None)

    def is_lost(self, exc: DeviceError) -> None:
        """It does not answer; its workstation tries to reach it again."""
        self._change(state="lost", doing=None, reason=first_sentence(exc))

    def is_put_aside(self, exc: DeviceError) -> None:
        """It is asked no more, until the next command that names it."""
        reason = first_sentence(exc)
        self._change(state="put aside", doing=None, owner=None, reason=reason, wait_s=_LAST_WAIT_S)

    def _change(self, *, wait_s: int = 0, **changes: object) -> None:
        with self._noting:
            self._state = replace(self._state, **changes)  # type: ignore[arg-type]
        self._note(wait_s)

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._note()

    def _note(self, wait_s: int = 0) -> None:
        """What could not be written now, because others write, is written the next time."""
        heard = datetime.now(UTC) - timedelta(seconds=self._silent_s())
        with self._noting:
            self._state = replace(self._state, last_contact_utc=heard.isoformat(timespec="seconds"))
            self._store.note_device(self._state, wait_s=wait_s)


def note_unreached(store: Store, device_name: str, exc: DeviceError) -> None:
    """The device could not be opened; when it was last heard of stays.

    Where another host has it, nothing is lost, and it is for that host to tell.
    """
    if isinstance(exc, DeviceLeased):
        return
    before = store.device_states().get(device_name)
    store.note_device(
        DeviceState(
            device_name=device_name,
            state="lost",
            last_contact_utc=before.last_contact_utc if before else None,
            reason=first_sentence(exc),
        )
    )
