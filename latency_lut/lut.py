"""The LUT: all entries of one device profile in one precision, ready to predict with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.entry import Entry, fit_entries
from latency_lut.memory import MemoryLine
from latency_lut.records import NetworkRecord
from latency_lut.self_check import CommonError, TimedNetwork, check_itself, contexts_by_key
from search_spaces import SegmentCost


@dataclass(frozen=True, kw_only=True)
class Lut:
    """Entries and costs by segment key, and what was learnt from whole networks."""

    profile: DeviceProfile
    precision: str
    entries: Mapping[str, Entry]
    costs: Mapping[str, SegmentCost]
    """Static costs, of every key that has an entry at least."""
    canary: CanaryState
    common_error: CommonError
    memory: MemoryLine | None
    """None until enough networks were measured."""

    def canary_scale(self, record: NetworkRecord) -> float:
        """Factor that brings a record's times to the common state of the profile."""
        return self.canary.scale(record.canary_ns)


def fit_lut(
    *,
    profile: DeviceProfile,
    precision: str,
    networks: Sequence[TimedNetwork],
    costs: Mapping[str, SegmentCost],
    canary: CanaryState,
    memory: MemoryLine | None,
) -> Lut:
    """A LUT from the networks that a device timed, one item a phase."""
    contexts = contexts_by_key(networks)
    entries = fit_entries(contexts)
    return Lut(
        profile=profile,
        precision=precision,
        entries=entries,
        costs=costs,
        canary=canary,
        common_error=check_itself(networks, contexts, entries, canary.spread),
        memory=memory,
    )
