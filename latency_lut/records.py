"""What a measured network looks like; all times are integer nanoseconds."""

from dataclasses import dataclass
from typing import Literal

from latency_lut.errors import BadRecord

GOOD = "good"
FAILED = "failed"

Purpose = Literal["carrier", "measure", "verify", "alone"]
"""`alone` is a single block, run as a network of its own."""
ALONE: Purpose = "alone"
_PURPOSES = ("carrier", "measure", "verify", ALONE)


@dataclass(frozen=True)
class NodeTiming:
    """Time of one node of the graph that the runtime really ran, profiling switched on."""

    name: str
    op_type: str
    duration_ns: int

    def __post_init__(self) -> None:
        _check_count(f"duration_ns of node {self.name!r}", self.duration_ns)


@dataclass(frozen=True, kw_only=True)
class PhaseTiming:
    """One phase of a network, timed without profiling.

    `group_ns` are the raw samples; `nodes` are in the order of execution, empty where the network
    was only timed.
    """

    phase: str
    """`Phase.key`."""
    latency_ns: int
    low_ns: int
    high_ns: int
    p90_ns: int
    runs: int
    quality: str
    """`good`, `noisy`, `throttled`, `drifted` or `failed`."""
    group_ns: tuple[int, ...] = ()
    nodes: tuple[NodeTiming, ...] = ()

    def __post_init__(self) -> None:
        for name in ("latency_ns", "low_ns", "high_ns", "p90_ns", "runs"):
            _check_count(f"{name} of phase {self.phase!r}", getattr(self, name))
        for group_ns in self.group_ns:
            _check_count(f"group_ns of phase {self.phase!r}", group_ns)
        if self.quality == FAILED:
            return
        if self.latency_ns == 0:
            raise BadRecord(f"phase {self.phase!r} was measured to take no time at all")
        if not self.low_ns <= self.latency_ns <= self.high_ns:
            raise BadRecord(
                f"phase {self.phase!r}: latency {self.latency_ns} ns is outside its own interval "
                f"of {self.low_ns} to {self.high_ns} ns"
            )


@dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A whole network as a device measured it once.

    `canary_ns` is the time of the canary around it, `peak_bytes` the memory it took at most, both
    None where not measured; `static_bytes` is the same memory as calculated. A block that ran alone
    has no architecture: its id and JSON tell which block it is.
    """

    profile_id: str
    space: str
    architecture_json: str
    architecture_id: str
    precision: str
    purpose: Purpose
    phases: tuple[PhaseTiming, ...]
    canary_ns: int | None
    peak_bytes: int | None
    static_bytes: int
    created_utc: str
    observed_json: str | None = None
    """What else the device reported (temperature, energy, load time): kept, not fitted."""

    def __post_init__(self) -> None:
        where = f"network {self.architecture_id}"
        if self.purpose not in _PURPOSES:
            raise BadRecord(f"{where}: purpose {self.purpose!r} is none of {_PURPOSES}")
        names = [timing.phase for timing in self.phases]
        if not names or len(set(names)) != len(names):
            raise BadRecord(f"{where}: expected distinct phases, got {names}")
        _check_count(f"static_bytes of {where}", self.static_bytes)
        if self.peak_bytes is not None:
            _check_count(f"peak_bytes of {where}", self.peak_bytes)
        if self.canary_ns is not None:
            _check_count(f"canary_ns of {where}", self.canary_ns)
            if self.canary_ns == 0:
                raise BadRecord(f"{where}: the canary was measured to take no time at all")


_LARGEST = 2**62  # fits a database's 64-bit integer; no time or size comes near


def _check_count(what: str, value: object) -> None:
    """A plain int: floats would lose NaN in silence, NumPy's integers are no JSON."""
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise BadRecord(f"{what} is {value!r}; expected a whole number from 0 to 2^62")
