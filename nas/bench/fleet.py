"""How well the link to devices is used, and how much faster many profile a space than one.

The same campaign is run twice, each time on a storage where nothing is known: on the first device
alone, then on all. A device works from the moment that a job is sent until its answer is there,
less one round trip of the link; between two jobs it waits for the link and for this machine.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device_agents import Device
from latency_lut import Store, open_store
from nas.campaign.crew import Crew
from nas.campaign.profiling import Campaign, campaign_words, profile
from nas.errors import BadInput
from nas.measuring.measurement import Rig, open_rig
from search_spaces import SegmentExporter, Space, export_network

_ROUND_TRIPS = 9  # our choice: the median of so many

OnStep = Callable[[float, str], None]
"""Share done in [0, 1], and what is going on."""


@dataclass(frozen=True, kw_only=True)
class DeviceShare:
    """How one device spent the time from its first job to its last."""

    device: str
    networks: int
    """That it measured; one that failed counts as waiting."""
    round_trip_s: float
    """Of a request that the device answers at once; the median."""
    working: float
    """Share of the time in [0, 1]: the job's process, loading, warm-up, timing, and the gate."""
    at_gate: float
    """Share of the time in [0, 1], within `working`: waiting for the device to be cool and idle."""
    gap_s: float
    """Between an answer and the next request, the median; 0 where there was one network."""
    longest_gap_s: float


@dataclass(frozen=True, kw_only=True)
class FleetRun:
    """One campaign."""

    shares: tuple[DeviceShare, ...]
    networks: int
    elapsed_s: float
    """Of the whole campaign, planning and the first export included."""
    ended: str | None
    """As in `Campaign`."""

    @property
    def networks_per_minute(self) -> float:
        """Of all devices together."""
        return 60 * self.networks / self.elapsed_s


def compare_fleet(
    devices: Sequence[Device],
    space: Space,
    precision: str,
    *,
    minutes: float,
    seed: int = 0,
    on_step: OnStep = lambda *_: None,
) -> list[FleetRun]:
    """A campaign on the first device, then one on all of them; one alone is run once.

    Args:
        devices: of one device profile.
        space: whose networks are measured.
        precision: in which they run.
        minutes: for each campaign, which may be complete before.
        seed: of the choice of carriers.
        on_step: is told where it stands.

    Raises:
        BadInput: the devices are not of one profile.
        DeviceError: one cannot be opened, or none is left.
    """
    _warm_up(space, precision, np.random.default_rng(seed))
    crews = [devices[:1]] if len(devices) == 1 else [devices[:1], devices]
    runs: list[FleetRun] = []
    with tempfile.TemporaryDirectory(prefix="bench-fleet-", dir=Path.cwd()) as folder:
        for crew in crews:
            url = f"sqlite:///{folder}/{len(crew)}.db"

            def told(campaign: Campaign, crew: Sequence[Device] = crew) -> None:
                part = min(1.0, campaign.elapsed_s / (60 * minutes))
                words = f"{len(crew)} at work: {campaign_words(campaign)}"
                on_step((len(runs) + part) / len(crews), words)

            with _opened(crew, space, precision, url) as rigs:
                runs.append(_run(rigs, minutes, seed, told))
    return runs


def _warm_up(space: Space, precision: str, rng: np.random.Generator) -> None:
    """What the first export of a process costs would be the first campaign's alone."""
    export_network(space.segments(space.sample(rng)), SegmentExporter(precision))


@contextmanager
def _opened(
    devices: Sequence[Device], space: Space, precision: str, url: str
) -> Iterator[list[Rig]]:
    with ExitStack() as stack:
        rigs = []
        for device in devices:
            store = stack.enter_context(open_store(url))
            rigs.append(stack.enter_context(open_rig(device, space, store, precision)))
        yield rigs


def _run(
    rigs: Sequence[Rig], minutes: float, seed: int, on_progress: Callable[[Campaign], None]
) -> FleetRun:
    for rig in rigs[1:]:
        if rig.profile.id != rigs[0].profile.id:
            raise BadInput(
                f"{rigs[0].device.name} and {rig.device.name} are of different device profiles, so "
                "that they share no work. Compare them with: nas devices doctor NAME"
            )
    round_trips_s = {rig.device.name: _round_trip_s(rig) for rig in rigs}
    start = time.monotonic()
    campaign = profile(Crew(rigs), minutes=minutes, seed=seed, on_progress=on_progress)
    elapsed_s = time.monotonic() - start
    observed = observations(rigs[0].store, rigs[0].profile.id, rigs[0].space.name)
    return FleetRun(
        shares=tuple(
            device_share(name, observed.get(name, []), round_trip_s)
            for name, round_trip_s in round_trips_s.items()
        ),
        networks=sum(len(jobs) for jobs in observed.values()),
        elapsed_s=elapsed_s,
        ended=campaign.ended,
    )


def _round_trip_s(rig: Rig) -> float:
    return statistics.median(rig.session.round_trip_s() for _ in range(_ROUND_TRIPS))


def observations(store: Store, profile_id: str, space_name: str) -> dict[str, list[dict[str, Any]]]:
    """What each device observed beside the latencies, a network each, in the order of the jobs."""
    by_device: dict[str, list[dict[str, Any]]] = {}
    for record in store.networks(profile_id, space_name, purpose="carrier"):
        observed = json.loads(record.observed_json or "{}")
        by_device.setdefault(observed["device"], []).append(observed)
    for jobs in by_device.values():
        jobs.sort(key=lambda job: float(job["asked_s"]))
    return by_device


def device_share(
    device: str, jobs: Sequence[Mapping[str, Any]], round_trip_s: float
) -> DeviceShare:
    """How a device spent its time.

    Args:
        device: its name.
        jobs: what was observed in each, in their order; without any, all is 0.
        round_trip_s: of the link, which is taken from each job.
    """
    spent_s = jobs[-1]["answered_s"] - jobs[0]["asked_s"] if jobs else 1.0
    working_s = sum(job["answered_s"] - job["asked_s"] - round_trip_s for job in jobs)
    waited_s = sum(job["gate"]["waited_ns"] for job in jobs if job["gate"]) / 1e9
    pairs = zip(jobs, jobs[1:], strict=False)
    gaps_s = [after["asked_s"] - before["answered_s"] for before, after in pairs]
    return DeviceShare(
        device=device,
        networks=len(jobs),
        round_trip_s=round_trip_s,
        working=working_s / spent_s,
        at_gate=waited_s / spent_s,
        gap_s=statistics.median(gaps_s) if gaps_s else 0.0,
        longest_gap_s=max(gaps_s, default=0.0),
    )
