"""Verification: every network of a front measured whole on its device, until the front holds."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna
from torch import nn

from device_agents import JobFailed
from latency_lut import NetworkRecord, Purpose
from nas.front import Front, Measured, read_front, record_measurement
from nas.measurement import Rig
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
    """Message by architecture id; these networks stay on the front unverified."""


def verify(
    study: optuna.Study,
    rig: Rig,
    modules: Callable[[Architecture], Mapping[str, nn.Module]],
    *,
    on_progress: Callable[[VerificationProgress], None] = lambda _: None,
) -> Verification:
    """Measures the front; where a network breaks its budget, those that move up are measured too.

    Each result is kept at once, so a second call goes on where a killed one stopped.

    Args:
        study: of `rig.space`.
        rig: the study's device.
        modules: the trained modules of an architecture, by place.
        on_progress: called before and after each network.

    Raises:
        DeviceUnusable: the device went away; what was measured is kept.
    """
    failures: dict[str, str] = {}
    measured = 0
    while True:
        front = read_front(study, rig.space)
        todo = [
            r.architecture
            for r in front.rows
            if not r.verified and r.architecture.id not in failures
        ]
        on_progress(VerificationProgress(measured=measured, left=len(todo)))
        if not todo:
            return Verification(front=front, measured=measured, failures=failures)
        try:
            record = measure_well(rig, todo[0], purpose="verify", modules=modules(todo[0]))
            record_measurement(study, todo[0].id, as_measured(rig, record))
            measured += 1
        except JobFailed as exc:
            logger.warning("%s: %s failed: %s", rig.device.name, todo[0].id, exc)
            failures[todo[0].id] = str(exc)


def measure_well(
    rig: Rig,
    architecture: Architecture,
    *,
    purpose: Purpose,
    nodes: bool = True,
    modules: Mapping[str, nn.Module] | None = None,
) -> NetworkRecord:
    """A whole-network measurement, repeated while it is flagged; the last one counts."""
    for _ in range(_TRIES):
        record = rig.measure(architecture, purpose=purpose, nodes=nodes, modules=modules)
        if all(phase.quality == "good" for phase in record.phases):
            break
    return record


def as_measured(rig: Rig, record: NetworkRecord) -> Measured:
    """The first phase in milliseconds, brought to the device's common state by the canary."""
    timing, scale = record.phases[0], rig.canary_scale(record)
    return Measured(
        latency_ms=timing.latency_ns * scale * MS,
        low_ms=timing.low_ns * scale * MS,
        high_ms=timing.high_ns * scale * MS,
        p90_ms=timing.p90_ns * scale * MS,
        memory_mib=None if record.peak_bytes is None else record.peak_bytes * MIB,
        runs=timing.runs,
        quality=timing.quality,
    )
