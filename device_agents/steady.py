"""A session that comes back: boards reboot, cables are pulled, agents are killed."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from device_agents.errors import (
    ConnectionLost,
    DeviceError,
    DeviceSilent,
    DeviceUnreachable,
    DeviceUnusable,
    ProtocolError,
)
from device_agents.identity import Identity
from device_agents.inventory import Device
from device_agents.jobs import Job
from device_agents.results import JobResult
from device_agents.session import WAIT_S, Session, open_session

logger = logging.getLogger(__name__)

# All our choice. A board boots within a minute or two; a job that ends three connections is at
# fault itself, or the device is.
PATIENCE_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_MOST_LOSSES = 3
_PASSING = (ConnectionLost, DeviceSilent, DeviceUnreachable, ProtocolError)

_T = TypeVar("_T")


class SteadySession:
    """A `Session` on a device, opened again whenever it is lost; one thread at a time.

    Made by `open_steady_session`.
    """

    def __init__(
        self,
        device: Device,
        *,
        canary: Path | None = None,
        wait_s: float = WAIT_S,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._canary, self._wait_s, self._patience_s = canary, wait_s, patience_s
        self._sleep, self._clock = sleep, clock
        self._stack = ExitStack()
        self._session: Session | None = None
        self._identity: Identity | None = None
        self._kept_there: list[str] = []

    @property
    def identity(self) -> Identity:
        """What the device told about itself at first; it is never another one later."""
        assert self._identity is not None, "made by open_steady_session"
        return self._identity

    def run(self, job: Job, model: Path, *, name: str | None = None) -> JobResult:
        """As `Session.run`; a measurement with a name is not made twice for a lost connection.

        Raises:
            DeviceError: as there; of a lost connection only after `PATIENCE_S` of trying, or the
                third time.
        """
        return self._insisting(lambda session: session.run(job, model, name=name))

    def confirm(self) -> None:
        """As `Session.confirm`."""
        self._insisting(lambda session: session.confirm())

    def open(self) -> None:
        """The first time, when nothing is tried twice: whoever asked can see to it."""
        self._session = self._stack.enter_context(
            open_session(self.device, canary=self._canary, wait_s=self._wait_s)
        )
        self._identity = self._session.identity

    def close(self) -> None:
        """Give the device back. Harmless when called twice."""
        self._stack.close()

    def _insisting(self, ask: Callable[[Session], _T]) -> _T:
        losses, pause_s = 0, _FIRST_PAUSE_S
        end = self._clock() + self._patience_s
        while True:
            try:
                return ask(self._opened())
            except _PASSING as exc:
                if self._session is not None:  # it was there, and has been lost now
                    losses, end = losses + 1, self._clock() + self._patience_s
                    pause_s = _FIRST_PAUSE_S
                self._drop(exc)
                if losses >= _MOST_LOSSES or self._clock() > end:
                    raise
                logger.warning("%s. Trying again in %.0f s", _first_sentence(exc), pause_s)
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _opened(self) -> Session:
        if self._session is None:
            stack = ExitStack()
            session = stack.enter_context(
                open_session(
                    self.device, canary=self._canary, wait_s=max(self._wait_s, self._patience_s)
                )
            )
            try:
                self._check_same(session.identity)
            except DeviceUnusable:
                stack.close()
                raise
            self._stack, self._session = stack, session
            session.unconfirmed = self._kept_there
            logger.warning("%s is back", self.device.name)
        return self._session

    def _drop(self, exc: DeviceError) -> None:
        """Close what was lost, so that the device learns that the way there failed, not we."""
        if self._session is not None:
            self._kept_there = self._session.unconfirmed
            self._session = None
            self._stack.__exit__(type(exc), exc, exc.__traceback__)

    def _check_same(self, now: Identity) -> None:
        if now.profile_id == self.identity.profile_id:
            return
        name = self.device.name
        raise DeviceUnusable(
            f"{name}: it came back as another device profile, {now.profile_id} in place of "
            f"{self.identity.profile_id}, so that latencies are no longer comparable. What was "
            "measured before is kept. Run the command again",
            device=name,
        )


@contextmanager
def open_steady_session(
    device: Device, *, canary: Path | None = None, wait_s: float = WAIT_S
) -> Iterator[SteadySession]:
    """A session that is opened again when it is lost; the device is leased while it is open.

    Args:
        device: from the inventory; without a host it is this machine.
        canary: as in `open_session`.
        wait_s: for another host to be done with the device.

    Raises:
        DeviceUnusable, ProtocolError: as `open_session`.
    """
    session = SteadySession(device, canary=canary, wait_s=wait_s)
    try:
        session.open()
        yield session
    finally:
        session.close()


def _first_sentence(exc: DeviceError) -> str:
    """Without what a person should do: we do it."""
    return str(exc).partition(". ")[0]
