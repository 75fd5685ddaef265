"""Devices of one profile that fill one LUT together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from device_agents import DeviceError, JobFailed, Pool, Work
from latency_lut import AttributionError, NetworkRecord
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
    """

    def __init__(self, rigs: Sequence[Rig]) -> None:
        lead = rigs[0]
        self._rigs = [replace(rig, exporter=lead.exporter, costs=lead.costs) for rig in rigs]
        self.put_aside: dict[str, DeviceError] = {}

    @property
    def lead(self) -> Rig:
        """Any of them: they have profile, store, space and precision in common."""
        return self._rigs[0]

    @property
    def names(self) -> list[str]:
        """Of its devices."""
        return [rig.device.name for rig in self._rigs]

    def work(self, work: Work[Task, Outcome]) -> None:
        """Do all of it, on all devices that were not put aside.

        Raises:
            DeviceError: of the last device, when none is left; what was measured is kept.
        """
        there = [rig for rig in self._rigs if rig.device.name not in self.put_aside]
        self.put_aside |= Pool([_Member(rig) for rig in there], work).run()

    def stop(self) -> None:
        """End whatever the devices do; from any thread."""
        for rig in self._rigs:
            rig.session.stop()

    def in_precision(self, precision: str) -> "Crew":
        """The same devices, ready for networks of another number format."""
        if precision == self.lead.precision:
            return self
        crew = Crew([rig.in_precision(precision) for rig in self._rigs])
        crew.put_aside = self.put_aside
        return crew


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
        except AttributionError as exc:
            failed = JobFailed(str(exc), device=self.name, kind="refused")
        logger.warning("%s: %s failed: %s", self.name, prepared.name.id, failed)
        return failed

    def come_back(self, exc: DeviceError) -> None:
        self._rig.session.come_back(exc)

    def put_aside(self, exc: DeviceError) -> None:
        pass

    def stop(self) -> None:
        self._rig.session.stop()
