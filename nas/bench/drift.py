"""What is gained by visits and the canary: networks measured more than once, in several ways.

The rule: a network's canary is timed before, between and after the visits to its phases; the
fastest of them over the device profile's usual canary scales all that was measured. Where the
fastest of both halves differ by more than a tenth, or all are 5 % slower than usual, the job is
flagged `drifted` and is void: it counts only where a segment has nothing better, and says so.

The first visit alone is what one look of a fifth of a second would have said.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, median

from latency_lut import CanaryState, NetworkRecord
from nas.measuring.timing import undisturbed_ns

DRIFTED = "drifted"

Time = Callable[[NetworkRecord, int], float | None]
"""Nanoseconds of a record's phase by its number; None where it does not tell."""


def _first_visit_ns(record: NetworkRecord, phase: int) -> float | None:
    observed = json.loads(record.observed_json or "{}")
    visits = observed["phases"][phase].get("visit_groups") if observed else None
    return undisturbed_ns(record.phases[phase].group_ns[: visits[0]]) if visits else None


_TIMES: dict[str, Time] = {
    "median of the groups": lambda record, phase: float(median(record.phases[phase].group_ns)),
    "undisturbed, first visit": _first_visit_ns,
    "undisturbed": lambda record, phase: float(record.phases[phase].latency_ns),
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
    time_ns: Time,
    canary: CanaryState | None,
    *,
    void: bool,
) -> list[float]:
    """|second / first - 1| of measurements of one network that follow each other."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        for number, timing in enumerate(record.phases):
            if timing.phase != phase or (void and timing.quality == DRIFTED):
                continue
            found = time_ns(record, number)
            scale = 1.0 if canary is None else canary.scale(record.canary_ns)
            if found is not None:
                times[record.precision, record.architecture_id].append(found * scale)
    return [abs(b / a - 1) for found in times.values() for a, b in pairwise(found)]
