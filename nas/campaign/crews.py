"""Several devices at once: each joins the crew of its profile as soon as it is ready."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from device_agents import PASSING, Device, first_sentence
from latency_lut import Store, open_store
from nas.campaign.crew import Crew
from nas.measuring.measurement import Rig, open_rig
from search_spaces import Space

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.2  # our choice: how often the main thread, which gets Ctrl-C, wakes up
_LAST_WAIT_S = 10.0  # our choice: for crews to leave their devices after Ctrl-C
_OPEN_AGAIN_S = 15.0  # our choice: a board boots within a minute or two


class Crews:
    """Opens devices side by side; the first of each profile leads its crew, the others join.

    Args:
        space: whose networks are measured.
        storage: where the results are kept; each device has a connection of its own.
        wait_s: for another host that measures on a device.
        fill: all that a crew does; what it raises is an error of that crew alone.
    """

    def __init__(
        self, space: Space, storage: str, fill: Callable[[Crew], None], *, wait_s: float
    ) -> None:
        self._space, self._storage, self._fill, self._wait_s = space, storage, fill, wait_s
        self._meeting = threading.Condition()  # guards all below
        self._busy: set[str] = set()  # devices that are at work, or opened for the first time
        self._crews: dict[str, Crew] = {}
        self._errors: list[Exception] = []

    def run(self, devices: Sequence[Device]) -> list[Exception]:
        """Until all crews are done; errors of devices that could not be opened and of crews.

        This machine comes first and alone, as its work for the others would disturb it.
        """
        here = [device for device in devices if device.host is None]
        for stage in (here, [device for device in devices if device not in here]):
            self._busy = {device.name for device in stage}
            if len(stage) == 1:
                self._serve(stage[0])
            else:
                self._run_at_once(stage)
        return self._errors

    def _run_at_once(self, devices: Sequence[Device]) -> None:
        threads = [
            threading.Thread(target=self._serve, args=(device,), name=device.name, daemon=True)
            for device in devices
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(_LOOK_AGAIN_S)
        except KeyboardInterrupt:
            with self._meeting:
                self._busy.clear()
                self._meeting.notify_all()
            for crew in list(self._crews.values()):
                crew.stop()
            for thread in threads:
                thread.join(_LAST_WAIT_S)
            raise

    def _serve(self, device: Device) -> None:
        try:
            with open_store(self._storage) as store, ExitStack() as stack:
                self._take_part(self._opened(device, store, stack))
        except Exception as exc:  # noqa: BLE001 -- told when all are done
            self._errors.append(exc)
        finally:
            self._leave(device)

    def _opened(self, device: Device, store: Store, stack: ExitStack) -> Rig:
        """Ready to measure; a device that is away for now is tried again while others work."""
        said = ""
        while True:
            opening = open_rig(device, self._space, store, wait_s=self._wait_s)
            try:
                rig = stack.enter_context(opening)
            except PASSING as exc:
                self._leave(device)
                if not self._busy:
                    raise
                if first_sentence(exc) != said:
                    said = first_sentence(exc)
                    logger.warning("%s. It is tried again while others work", said)
                with self._meeting:
                    if self._meeting.wait_for(lambda: not self._busy, _OPEN_AGAIN_S):
                        raise
            else:
                with self._meeting:
                    self._busy.add(device.name)
                return rig

    def _leave(self, device: Device) -> None:
        with self._meeting:
            self._busy.discard(device.name)
            self._meeting.notify_all()

    def _take_part(self, rig: Rig) -> None:
        with self._meeting:
            crew = self._crews.get(rig.profile.id)
            leads = crew is None or crew.has_failed
            if crew is None or crew.has_failed:
                crew = self._crews[rig.profile.id] = Crew([rig])
            else:
                crew.join(rig)
        if leads:
            with crew.at_work():
                self._fill(crew)
        else:
            crew.wait()
