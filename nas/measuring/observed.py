"""What a device reported beside the latency: kept with each record, for whoever asks later."""

import json
from dataclasses import asdict

from device_agents import JobResult, PhaseResult

_OF_PHASE = (
    "name",
    "first_run_ns",
    "warmup_runs",
    "runs_per_group",
    "visit_groups",
    "p99_ns",
    "min_ns",
    "mad_ns",
    "temp_c",
    "clock_hz",
    "throttle",
)
_OF_JOB = (
    "load_ns",
    "peak_kind",
    "canary_before_ns",
    "canary_between_ns",
    "canary_after_ns",
    "governor",
    "retries",
    "asked_s",
    "answered_s",
    "energy_absent",
)


_LEAST_SHARE = 0.05  # our choice: shapes and the like are computed elsewhere everywhere


def warnings_of(result: JobResult) -> tuple[str, ...]:
    """Those of the device, and where much of a network ran on a provider that was not asked for."""
    elsewhere = (
        f"{share:.0%} of its node time ran on {provider or 'an unnamed provider'}, "
        f"not on {result.provider}"
        for provider, share in result.elsewhere().items()
        if share >= _LEAST_SHARE
    )
    return (*result.warnings, *elsewhere)


def observed_json(result: JobResult, elapsed_s: float, *, device_name: str) -> str:
    """A JSON object; what a device has no sensor for is null.

    Args:
        result: of the job.
        elapsed_s: that the job kept the device busy, as the workstation saw it.
        device_name: of the device that ran it; several may have one profile.
    """
    document = {name: getattr(result, name) for name in _OF_JOB}
    document["device"] = device_name
    document["elapsed_s"] = round(elapsed_s, 3)
    document["gate"] = None if result.gate is None else asdict(result.gate)
    document["elsewhere"] = result.elsewhere()
    document["phases"] = [_phase(phase) for phase in result.phases]
    return json.dumps(document, separators=(",", ":"))


def _phase(phase: PhaseResult) -> dict[str, object]:
    energy = None if phase.energy is None else asdict(phase.energy)
    return {**{name: getattr(phase, name) for name in _OF_PHASE}, "energy": energy}
