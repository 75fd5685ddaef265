"""Devices of one profile that fill one LUT together."""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from device_agents import DeviceError, JobFailed, Pool, Work
from latency_lut import BadRecord, NetworkRecord
from nas.measuring.measurement import Prepared, Rig
from search_spaces import Architecture, Block

logger = logging.getLogger(__name__)

Outcome = NetworkRecord | JobFailed
"""What came of a task: a record, or why there is none."""


@dataclass(frozen=True)
class Task:
    """A carrier, or a block to be timed alone; and the suspect that it is run for, if for one."""

    network: Architecture | Block
    sought: str | None = None


class Crew:
    """The rigs of devices of one profile; exported segments are shared, so that each is made once.

    Attributes:
        put_aside: by device name, why it is asked no more.
        has_failed: it ended by an error.
    """

    def __init__(self, rigs: Sequence[Rig]) -> None:
        self._lead = rigs[0]
        self._rigs = [self._equipped(rig) for rig in rigs]
        self._changing = threading.Lock()
        self._pool: Pool[Task, Prepared, Outcome] | None = None
        self._ended = threading.Event()
        self.put_aside: dict[str, DeviceError] = {}
        self.has_failed = False

    @property
    def lead(self) -> Rig:
        """Any of them: they have profile, store, space and precision in common."""
        return self._lead

    @property
    def names(self) -> list[str]:
        """Of its devices so far."""
        return sorted(rig.device.name for rig in self._rigs)

    def join(self, rig: Rig) -> None:
        """One device more takes part in what is done now and later; from any thread."""
        with self._changing:
            rig = self._equipped(rig)
            self._rigs.append(rig)
            if self._pool is not None:
                self._pool.add(_Member(rig))

    def work(self, work: Work[Task, Outcome]) -> None:
        """Do all of it, on all devices that were not put aside.

        Raises:
            DeviceError: of the last device, when none is left; what was measured is kept.
        """
        with self._changing:
            there = [rig for rig in self._rigs if rig.device.name not in self.put_aside]
            self._pool = Pool([_Member(rig) for rig in there], work)
        try:
            self.put_aside |= self._pool.run()
        finally:
            self._pool = None

    def switch(self, precision: str) -> None:
        """From now on measure networks of this number format."""
        with self._changing:
            if precision != self._lead.precision:
                self._lead = self._lead.in_precision(precision)
                self._rigs = [self._equipped(rig) for rig in self._rigs]

    def stop(self) -> None:
        """End whatever the devices do; from any thread."""
        for rig in self._rigs:
            rig.session.stop()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Those that joined are kept until this ends."""
        try:
            yield
        except BaseException:
            self.has_failed = True
            raise
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Until `at_work` has ended."""
        self._ended.wait()

    def _equipped(self, rig: Rig) -> Rig:
        lead = self._lead
        return replace(
            rig,
            precision=lead.precision,
            exporter=lead.exporter,
            costs=lead.costs,
            canary=lead.canary,
        )


class _Member:
    """A rig as the pool sees it."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    @property
    def name(self) -> str:
        return self._rig.device.name

    @property
    def overlaps(self) -> bool:
        return self._rig.session.is_remote

    def prepare(self, task: Task) -> Prepared:
        if isinstance(task.network, Block):
            prepared = self._rig.prepare_alone(task.network)
        else:
            prepared = self._rig.prepare(task.network, purpose="carrier")
        self._rig.session.upload(prepared.model)
        return prepared

    def run(self, prepared: Prepared) -> Outcome:
        try:
            return self._rig.finish(prepared, insist=False)
        except JobFailed as exc:
            failed = exc
        except BadRecord as exc:
            failed = JobFailed(str(exc), device=self.name, kind="refused")
        logger.warning("%s: %s failed: %s", self.name, prepared.name.id, failed)
        return failed

    def come_back(self, exc: DeviceError) -> None:
        self._rig.presence.is_lost(exc)
        self._rig.session.come_back(exc)
        self._rig.presence.measures(None)

    def hurry(self) -> None:
        self._rig.session.hurry()

    def put_aside(self, exc: DeviceError) -> None:
        self._rig.presence.is_put_aside(exc)

    def stop(self) -> None:
        self._rig.session.stop()
