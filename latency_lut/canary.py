"""The canary's timings: what brings a record to the common state of its device profile."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation


@dataclass(frozen=True)
class CanaryState:
    """`usual_ns`: median over all records of a profile, None without any canary.

    `spread` is the relative standard deviation of a canary against the one before it: the noise
    that is left once slow drift is scaled away.
    """

    usual_ns: float | None
    spread: float

    def scale(self, canary_ns: int | None) -> float:
        """Factor for times measured beside a canary of `canary_ns`; 1 without a canary."""
        if self.usual_ns is None or canary_ns is None:
            return 1.0
        return self.usual_ns / canary_ns


def canary_state(canaries_ns: Sequence[int]) -> CanaryState:
    """The state of a profile, from the canaries of its records, oldest first."""
    if not canaries_ns:
        return CanaryState(None, 0.0)
    usual_ns = float(statistics.median(canaries_ns))
    if len(canaries_ns) < 2:
        return CanaryState(usual_ns, 0.0)
    steps = [abs(b - a) for a, b in zip(canaries_ns, canaries_ns[1:], strict=False)]
    spread = _NORMAL_MAD * statistics.median(steps) / math.sqrt(2) / usual_ns
    return CanaryState(usual_ns, spread)
