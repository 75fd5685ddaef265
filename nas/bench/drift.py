"""What is gained by the canary: networks measured more than once, compared in several ways.

The rule: a network's canary is timed before, between and after the visits to its phases; the
fastest of them over the device profile's usual canary scales all that was measured. Where the
fastest of both halves differ by more than a tenth, or are so much slower than usual, the job is
flagged `drifted` and is void: it counts only where a segment has nothing better, and says so.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, median

from latency_lut import CanaryState, NetworkRecord, PhaseTiming

DRIFTED = "drifted"

_TIMES: dict[str, Callable[[PhaseTiming], float]] = {
    "median of the groups": lambda timing: float(median(timing.group_ns)),
    "undisturbed": lambda timing: float(timing.latency_ns),
}


def repeat_errors(records: Sequence[NetworkRecord], canary: CanaryState) -> list[dict[str, object]]:
    """For each phase, kind of time and treatment: how far repeated measurements are apart.

    Args:
        records: oldest first; networks measured once say nothing and are passed over.
        canary: of the device profile.
    """
    rows = []
    for phase in dict.fromkeys(timing.phase for record in records for timing in record.phases):
        for what, time_ns in _TIMES.items():
            for treatment, scaled, void in (
                ("as measured", False, False),
                ("scaled by the canary", True, False),
                ("scaled, drifted ones void", True, True),
            ):
                errors = _errors(records, phase, time_ns, canary if scaled else None, void=void)
                rows.append(
                    {
                        "phase": phase,
                        "time": what,
                        "treatment": treatment,
                        "pairs": len(errors),
                        "mean |error|": fmean(errors) if errors else None,
                        "median |error|": median(errors) if errors else None,
                    }
                )
    return rows


def _errors(
    records: Sequence[NetworkRecord],
    phase: str,
    time_ns: Callable[[PhaseTiming], float],
    canary: CanaryState | None,
    *,
    void: bool,
) -> list[float]:
    """|second / first - 1| of measurements of one network that follow each other."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        for timing in record.phases:
            if timing.phase != phase or (void and timing.quality == DRIFTED):
                continue
            scale = 1.0 if canary is None else canary.scale(record.canary_ns)
            times[record.precision, record.architecture_id].append(time_ns(timing) * scale)
    return [abs(b / a - 1) for found in times.values() for a, b in pairwise(found)]
