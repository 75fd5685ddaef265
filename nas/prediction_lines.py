"""What `nas predict` and `nas measure` answer for an architecture: one JSON object each."""

import json
from statistics import median

from device_agents import Energy
from latency_lut import NetworkRecord, Prediction
from nas.measuring.measurement import Rig
from nas.units import MIB, MILLIJOULES, MS
from search_spaces import Architecture


def prediction_line(architecture: Architecture, prediction: Prediction) -> dict[str, object]:
    """The contract's fields; latencies are null where segment keys are missing.

    `doubtful` are segment keys that were measured only in networks that were flagged,
    `interpolated` those that were never measured but lie between two that were; `unchecked` are
    phases whose interval rests on an assumption, as too few networks of the space were measured;
    `unknown_ops` are operators whose MACs count as none.
    """
    first, *others = prediction.phases
    complete = not prediction.missing
    return {
        "id": architecture.id,
        "latency_ms": first.latency_ns * MS if complete else None,
        "low_ms": first.low_ns * MS if complete else None,
        "high_ms": first.high_ns * MS if complete else None,
        **{f"{p.name}_ms": p.latency_ns * MS if complete else None for p in others},
        "memory_mib": prediction.memory_bytes * MIB,
        "memory_low_mib": _mib(prediction.memory_low_bytes),
        "memory_high_mib": _mib(prediction.memory_high_bytes),
        "memory_kind": prediction.memory_kind,
        "params": prediction.params,
        "active_params": prediction.active_params,
        "macs": prediction.macs,
        "unknown_ops": list(prediction.unknown_ops),
        "missing": list(prediction.missing),
        "doubtful": list(prediction.doubtful),
        "interpolated": list(prediction.interpolated),
        "unchecked": list(prediction.unchecked),
    }


def measurement_line(
    architecture: Architecture, rig: Rig, record: NetworkRecord
) -> dict[str, object]:
    """The contract's fields.

    `latency_ms` is the undisturbed time, brought to the device's common state by the canary;
    `raw_ms` is what the clock said, `canary_scale` the factor between the two. `high_ms` is the
    high end of the 95 % interval of the median. `energy_mj` of a run holds what the device takes at
    rest, `energy_over_idle_mj` does not; null where `energy_absent` says why.
    """
    first, *others = record.phases
    scale, cost = rig.canary_scale(record), rig.cost(architecture)
    names = [phase.name for phase in rig.space.phases[1:]]
    return {
        "id": architecture.id,
        "latency_ms": first.latency_ns * scale * MS,
        "low_ms": first.low_ns * scale * MS,
        "high_ms": first.high_ns * scale * MS,
        "median_ms": median(first.group_ns) * scale * MS,
        "p90_ms": first.p90_ns * scale * MS,
        **{
            f"{name}_ms": timing.latency_ns * scale * MS
            for name, timing in zip(names, others, strict=True)
        },
        "raw_ms": first.latency_ns * MS,
        "canary_scale": scale,
        "memory_mib": None if record.peak_bytes is None else record.peak_bytes * MIB,
        "memory_kind": "measured",
        "params": cost.params,
        "active_params": cost.active_params,
        "macs": cost.macs,
        "runs": first.runs,
        "quality": first.quality,
        **_energy(rig, record),
    }


def _energy(rig: Rig, record: NetworkRecord) -> dict[str, object]:
    """Millijoules of a run, by phase; of the later ones by name."""
    observed = json.loads(record.observed_json or "{}")
    found: dict[str, object] = {"energy_absent": observed.get("energy_absent")}
    prefixes = ("", *(f"{phase.name}_" for phase in rig.space.phases[1:]))
    for prefix, phase in zip(prefixes, observed.get("phases", ()), strict=False):
        energy = None if phase["energy"] is None else Energy(**phase["energy"])
        found[f"{prefix}energy_mj"] = energy and energy.energy_uj * MILLIJOULES
        found[f"{prefix}energy_over_idle_mj"] = energy and energy.over_idle_uj * MILLIJOULES
    return found


def _mib(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes * MIB
