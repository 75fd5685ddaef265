"""A session that comes back: boards reboot and fill up, cables are pulled, agents are killed."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from device_agents.errors import (
    ConnectionLost,
    DeviceError,
    DeviceSilent,
    DeviceUnreachable,
    DeviceUnusable,
    DiskUnwritable,
    ProtocolError,
    first_sentence,
)
from device_agents.identity import Identity
from device_agents.inventory import Device
from device_agents.jobs import Job, Tickets
from device_agents.results import JobResult
from device_agents.session import WAIT_S, Session, open_session

logger = logging.getLogger(__name__)

# All our choice. A board boots within a minute or two; a job that ends three connections is at
# fault itself, or the device is.
PATIENCE_S = 300.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
MOST_LOSSES = 3
# A full disk is mostly freed by what filled it, a read-only one by the next start of the board.
PASSING = (ConnectionLost, DeviceSilent, DeviceUnreachable, DiskUnwritable, ProtocolError)


class SteadySession:
    """A `Session` on a device, opened again whenever it is lost.

    One thread at a time, but for `upload`, `hurry` and `stop`. Made by `open_steady_session`.
    """

    def __init__(
        self,
        device: Device,
        *,
        canary: Path | None = None,
        wait_s: float = WAIT_S,
        patience_s: float = PATIENCE_S,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self._canary, self._wait_s, self._patience_s = canary, wait_s, patience_s
        self._stopped = threading.Event()
        self._hurried = threading.Event()
        self._sleep, self._clock = sleep or self._hurried.wait, clock
        self._stack = ExitStack()
        self._session: Session | None = None
        self._identity: Identity | None = None
        self._tickets = Tickets()
        self._heard = time.monotonic()

    @property
    def identity(self) -> Identity:
        """What the device told about itself at first; it is never another one later."""
        assert self._identity is not None, "made by open_steady_session"
        return self._identity

    @property
    def silent_s(self) -> float:
        """How long ago the device said anything."""
        if self._session is not None:
            self._heard = self._session.heard
        return time.monotonic() - self._heard

    @property
    def is_remote(self) -> bool:
        """Whether this machine may work, and send files, without disturbing what runs there."""
        return self.device.host is not None

    def run(
        self, job: Job, model: Path, *, name: str | None = None, insist: bool = True
    ) -> JobResult:
        """As `Session.run`; a measurement with a name is not made twice for a lost connection.

        Args:
            job: what to measure.
            model: an ONNX file.
            name: of this very measurement.
            insist: when the connection is lost, come back and try again, up to the third loss.
                Otherwise whoever asked may give the job to another device, and `come_back`.

        Raises:
            DeviceError: as there; of a device that stays away after `PATIENCE_S`.
        """
        losses = 0
        self._hurried.clear()
        while True:
            try:
                return self._opened().run(job, model, name=name)
            except PASSING as exc:
                self._drop(exc)
                losses += 1
                if not insist or losses == MOST_LOSSES:
                    raise
                self.come_back(exc)

    def come_back(self, exc: DeviceError) -> None:
        """Open the session again after `exc` ended it.

        Raises:
            DeviceUnusable, ProtocolError: not within `PATIENCE_S`, or as another device profile;
                `hurry` was called.
        """
        end, pause_s = self._clock() + self._patience_s, _FIRST_PAUSE_S
        while self._session is None:
            logger.warning("%s. Trying again in %.0f s", first_sentence(exc), pause_s)
            self._sleep(pause_s)
            if self._hurried.is_set() or self._stopped.is_set():
                raise exc
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            try:
                self._reopen()
            except PASSING as again:
                exc = again
                if self._clock() > end:
                    raise

    def round_trip_s(self) -> float:
        """As `Session.round_trip_s`."""
        return self._opened().round_trip_s()

    def upload(self, model: Path) -> None:
        """Have a model on the device before it is asked for; from any thread.

        What fails here is tried again, and told, by `run`.
        """
        session = self._session
        if session is not None:
            with suppress(DeviceError):
                session.upload(model)

    def confirm(self) -> None:
        """What was measured by name is in good hands; the device is told so by and by."""
        self._tickets.confirm()

    def open(self) -> None:
        """The first time, when nothing is tried twice: whoever asked can see to it."""
        self._session = self._entered(self._wait_s, self._stack)
        self._identity = self._session.identity

    def close(self) -> None:
        """Give the device back. Harmless when called twice."""
        self._stack.close()

    def hurry(self) -> None:
        """No longer wait for the device to come back, until the next job; from any thread."""
        self._hurried.set()

    def stop(self) -> None:
        """End what the device measures, and any waiting for it to come back; from any thread.

        Who runs a job then is told that the connection was lost.
        """
        self._stopped.set()
        self._hurried.set()
        session = self._session
        if session is not None:
            session.leave()

    def _opened(self) -> Session:
        if self._session is None:
            self._reopen()
        assert self._session is not None
        return self._session

    def _reopen(self) -> None:
        if self._stopped.is_set():
            raise ConnectionLost(f"{self.device.name}: it was left", device=self.device.name)
        stack = ExitStack()
        session = self._entered(max(self._wait_s, self._patience_s), stack)
        try:
            self._check_same(session.identity)
            session.try_disk()
        except DeviceUnusable:
            stack.close()
            raise
        self._stack, self._session = stack, session
        logger.warning("%s is back", self.device.name)

    def _entered(self, wait_s: float, stack: ExitStack) -> Session:
        opening = open_session(
            self.device, canary=self._canary, wait_s=wait_s, tickets=self._tickets
        )
        return stack.enter_context(opening)

    def _drop(self, exc: DeviceError) -> None:
        """Close what was lost, so that the device learns that the way there failed, not we."""
        if self._session is not None:
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
