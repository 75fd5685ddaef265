"""The roofline: what a segment achieves on a device beside the best that the device can do.

S. Williams, A. Waterman, D. Patterson: Roofline: an insightful visual performance model for
multicore architectures. Communications of the ACM 52 (4), 2009.
"""

from dataclasses import dataclass
from typing import Literal

from latency_lut.errors import BadRecord
from latency_lut.fit.entry import Entry
from search_spaces import SegmentCost

Bound = Literal["compute", "memory"]

_FLOPS_PER_MAC = 2
_NS_PER_S = 10**9
_LARGEST = 2**62  # fits a database's 64-bit integer; no rate comes near
_WASTE_BELOW = 0.5  # our choice: half of the time or more went elsewhere


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """The best rates that were measured on a device, with its threads and its runtime.

    In fp32 arithmetic; integer arithmetic may go beyond.

    Raises:
        BadRecord: a rate that is no whole number above zero, or no quality.
    """

    flops_per_s: int
    bytes_per_s: int
    """Of memory, not of the caches."""
    quality: str
    """`good`; else the flag of the worse measurement: the device may well do better."""

    def __post_init__(self) -> None:
        for name in ("flops_per_s", "bytes_per_s"):
            rate = getattr(self, name)
            if type(rate) is not int or not 0 < rate <= _LARGEST:
                raise BadRecord(f"ceiling {name} is {rate!r}; expected a whole number above zero")
        if not isinstance(self.quality, str):
            raise BadRecord(f"the quality of ceilings is {self.quality!r}; expected a word")


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """What a segment does in one run, how fast, and how near that is to the ceilings."""

    flops: int
    """Floating-point operations: two a multiply-accumulate; element-wise work does not count."""
    touched_bytes: int
    """As `touched_bytes` estimates them."""
    flops_per_s: float | None
    """None where the segment takes no time, as `bytes_per_s`."""
    bytes_per_s: float | None
    bound: Bound | None
    """Which ceiling the segment meets first; None without ceilings or with unknown costs."""
    ceiling_share: float | None
    """Time that the bounding ceiling allows over the time taken; above 1 where caches serve what
    was counted as memory traffic. None as `bound`."""
    wastes_bandwidth: bool
    """Bound by memory, and slower than twice what its bytes need, even at its low end: most of
    its time goes to neither arithmetic nor memory but to starting nodes and moving data twice."""

    @property
    def flops_per_byte(self) -> float | None:
        """Arithmetic intensity; None for a segment that touches nothing."""
        return self.flops / self.touched_bytes if self.touched_bytes else None


def roofline(entry: Entry, cost: SegmentCost, ceilings: Ceilings | None) -> Roofline:
    """Where a segment stands under the ceilings of its device.

    With F operations, B bytes and a latency t, ceilings f and b allow the time

        t0 = max(F / f, B / b);

    the larger term says what bounds the segment, and t0 / t which share of that ceiling it reaches.

    Args:
        entry: the measured latency.
        cost: of the same segment key.
        ceilings: of the device profile that the entry is of; None if they were never measured.
    """
    flops, bytes_ = _FLOPS_PER_MAC * cost.macs, touched_bytes(cost)
    bound, allowed_ns = _allowed(flops, bytes_, None if cost.unknown_ops else ceilings)
    return Roofline(
        flops=flops,
        touched_bytes=bytes_,
        flops_per_s=_per_s(flops, entry.latency_ns),
        bytes_per_s=_per_s(bytes_, entry.latency_ns),
        bound=bound,
        ceiling_share=allowed_ns / entry.latency_ns if bound and entry.latency_ns else None,
        wastes_bandwidth=bound == "memory" and allowed_ns < _WASTE_BELOW * entry.low_ns,
    )


def touched_bytes(cost: SegmentCost) -> int:
    """Bytes that a segment reads or writes in one run, by a low estimate.

        weight_bytes * min(1, macs / params) + peak_bytes

    A weight that is read takes part in at least one multiply-accumulate. So the table of an
    embedding and the experts that a token does not select are left out, and a phase of many tokens
    touches all experts. What is alive at the peak (inputs, outputs, state before and after, the
    largest pair of maps between them) is written or read at least once; maps that are gone by then
    or not there yet, and second readings, are not counted.
    """
    if not cost.params:
        return cost.weight_bytes + cost.peak_bytes
    return cost.weight_bytes * min(cost.macs, cost.params) // cost.params + cost.peak_bytes


def kept_bytes(cost: SegmentCost) -> int:
    """Bytes of a segment that are there from run to run, whichever of them a run touches.

    All weights, and what is alive at its peak, as in `touched_bytes`.
    """
    return cost.weight_bytes + cost.peak_bytes


def _allowed(flops: int, bytes_: int, ceilings: Ceilings | None) -> tuple[Bound | None, float]:
    """The ceiling that is met first, and the time in ns that it allows."""
    if ceilings is None or not (flops or bytes_):
        return None, 0.0
    compute_ns = flops / ceilings.flops_per_s * _NS_PER_S
    memory_ns = bytes_ / ceilings.bytes_per_s * _NS_PER_S
    return ("memory", memory_ns) if memory_ns > compute_ns else ("compute", compute_ns)


def _per_s(count: int, latency_ns: int) -> float | None:
    return count * _NS_PER_S / latency_ns if latency_ns else None
