"""Verification: every network of a front measured whole on its device, until the front holds."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna
from torch import nn

from device_agents import JobFailed
from latency_lut import GOOD, NetworkRecord, Purpose
from nas.front import (
    Front,
    Measured,
    read_failures,
    read_front,
    record_failure,
    record_measurement,
)
from nas.measuring.measurement import Rig
from nas.units import MIB, MS
from search_spaces import Architecture

logger = logging.getLogger(__name__)

_TRIES = 3  # our choice, as in the protocol: a noisy measurement is repeated at most twice


@dataclass(frozen=True, kw_only=True)
class VerificationProgress:
    """Networks measured so far, and those of the present front still to come."""

    measured: int
    left: int


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The front after measuring, and the networks that the device could not run."""

    front: Front
    measured: int
    failures: Mapping[str, str]
    """Message by architecture id; these networks are dropped until they are tried again."""


def verify(
    study: optuna.Study,
    rig: Rig,
    modules: Callable[[Architecture], Mapping[str, nn.Module] | None],
    *,
    on_progress: Callable[[VerificationProgress], None] = lambda _: None,
) -> Verification:
    """Measures the front; where a network breaks its budget, those that move up are measured too.

    Each result is kept at once, so a second call goes on where a killed one stopped.

    Args:
        study: of `rig.space`.
        rig: the study's device.
        modules: the trained modules of an architecture, by place; None for random ones.
        on_progress: called before and after each network.

    Raises:
        DeviceUnusable: the device went away; what was measured is kept.
    """
    for architecture_id in read_failures(study, rig.profile.id):
        record_failure(study, rig.profile.id, architecture_id, None)  # it gets another chance
    return measure_front(study, rig, modules, on_progress=on_progress)


def measure_front(
    study: optuna.Study,
    rig: Rig,
    modules: Callable[[Architecture], Mapping[str, nn.Module] | None],
    *,
    on_progress: Callable[[VerificationProgress], None] = lambda _: None,
) -> Verification:
    """As `verify`, but what the device could not run before is not tried again."""
    profile, space = rig.profile.id, rig.space
    measured = 0
    while True:
        front = read_front(study, space, profile)
        todo = [row.architecture for row in front.rows if not row.verified]
        on_progress(VerificationProgress(measured=measured, left=len(todo)))
        if not todo:
            failures = read_failures(study, profile)
            return Verification(front=front, measured=measured, failures=failures)
        try:
            record = verified_record(rig, todo[0], modules)
            record_measurement(study, profile, todo[0].id, as_measured(rig, record))
            measured += 1
        except JobFailed as exc:
            logger.warning("%s: %s failed: %s", rig.device.name, todo[0].id, exc)
            record_failure(study, profile, todo[0].id, str(exc))


def verified_record(
    rig: Rig,
    architecture: Architecture,
    modules: Callable[[Architecture], Mapping[str, nn.Module] | None],
) -> NetworkRecord:
    """What was measured before, in the same way and unflagged, counts; else measured now."""
    stored = rig.store.networks(
        rig.profile.id, rig.space.name, precision=rig.precision, purpose="verify"
    )
    for record in reversed(stored):
        if record.architecture_id != architecture.id or _flags(record) > 0:
            continue
        # For data of other shapes the same choices were another network.
        if record.static_bytes == rig.static_bytes(architecture):
            return record
    return measure_well(rig, architecture, purpose="verify", modules=modules(architecture))


def measure_well(
    rig: Rig,
    architecture: Architecture,
    *,
    purpose: Purpose,
    nodes: bool = True,
    modules: Mapping[str, nn.Module] | None = None,
) -> NetworkRecord:
    """A whole-network measurement, repeated while it is flagged; the best one counts."""
    tries: list[NetworkRecord] = []
    while len(tries) < _TRIES and not (tries and _flags(tries[-1]) == 0):
        tries.append(rig.measure(architecture, purpose=purpose, nodes=nodes, modules=modules))
    return min(tries, key=lambda record: (_flags(record), _spread(record)))


def _flags(record: NetworkRecord) -> int:
    return sum(phase.quality != GOOD for phase in record.phases)


def _spread(record: NetworkRecord) -> float:
    """Widths of the intervals, relative and summed over phases."""
    return sum((p.high_ns - p.low_ns) / p.latency_ns for p in record.phases)


def as_measured(rig: Rig, record: NetworkRecord) -> Measured:
    """In milliseconds, brought to the device's common state by the canary."""
    (timing, *others), scale = record.phases, rig.canary_scale(record)
    times_ms = {
        phase.name: other.latency_ns * scale * MS
        for phase, other in zip(rig.space.phases[1:], others, strict=True)
    }
    return Measured(
        latency_ms=timing.latency_ns * scale * MS,
        low_ms=timing.low_ns * scale * MS,
        high_ms=timing.high_ns * scale * MS,
        p90_ms=timing.p90_ns * scale * MS,
        prefill_ms=times_ms.get("prefill"),
        memory_mib=None if record.peak_bytes is None else record.peak_bytes * MIB,
        runs=timing.runs,
        quality=timing.quality,
    )
