"""What a device timed, as the LUT keeps it."""

from collections.abc import Sequence

from device_agents import JobResult, PhaseResult
from latency_lut import NodeTiming, PhaseTiming
from search_spaces import Phase

# Our choice: fewer groups would be the luck of one; the agent's fastest agree as well as that.
_FEWEST_FASTEST, _ALIKE = 3, 0.02


def phase_timing(phase: Phase, measured: PhaseResult) -> PhaseTiming:
    """Latency as the undisturbed time; the interval reaches up to where the median may lie.

    Of a quiet board both are the same but for the tail of the groups, which the mean counts and the
    median does not: then the interval ends at the latency.
    """
    latency_ns = undisturbed_ns(measured.group_ns)
    return PhaseTiming(
        phase=phase.key,
        latency_ns=latency_ns,
        low_ns=measured.min_ns,
        high_ns=max(measured.high_ns, latency_ns),
        p90_ns=measured.p90_ns,
        runs=measured.runs,
        quality=measured.quality,
        group_ns=measured.group_ns,
        nodes=tuple(NodeTiming(n.name, n.op_type, n.duration_ns) for n in measured.nodes),
    )


def undisturbed_ns(group_ns: Sequence[int]) -> int:
    """Mean of the groups that are no more than 2 % slower than the third fastest.

    That is a run when nothing else runs: on a quiet board the mean of nearly all groups, close to
    their median. On a shared machine other work adds to most groups, the median follows that
    work, and the fastest groups do not.
    """
    ordered = sorted(group_ns)
    third = ordered[min(_FEWEST_FASTEST, len(ordered)) - 1]
    fastest = [ns for ns in ordered if ns <= (1 + _ALIKE) * third]
    return round(sum(fastest) / len(fastest))


def canary_ns(result: JobResult) -> int | None:
    """The fastest of the canary's times, as the latency is that of the fastest groups."""
    ends = (result.canary_before_ns, result.canary_after_ns)
    timings = [*result.canary_between_ns, *(ns for ns in ends if ns is not None)]
    return min(timings, default=None)
