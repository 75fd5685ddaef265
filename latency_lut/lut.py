"""The LUT: all entries of one device profile in one precision, ready to predict with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.entry import Entry, fit_entries
from latency_lut.leveling import NetworkTerm, level
from latency_lut.memory import MemoryLine
from latency_lut.self_check import CommonError, check_itself
from latency_lut.timed_network import TimedNetwork, contexts_by_key, group_of
from search_spaces import SegmentCost


@dataclass(frozen=True)
class GroupFit:
    """What the networks of one space in one phase have in common."""

    term: NetworkTerm
    common_error: CommonError


@dataclass(frozen=True, kw_only=True)
class Lut:
    """Entries and costs by segment key, and what was learnt from whole networks."""

    profile: DeviceProfile
    precision: str
    entries: Mapping[str, Entry]
    costs: Mapping[str, SegmentCost]
    """Static costs, of every key that has an entry at least."""
    canary: CanaryState
    groups: Mapping[str, GroupFit]
    """What was learnt of the networks of a space in a phase, by `group_of`."""
    memory: MemoryLine | None
    """None until enough networks were measured."""

    def group(self, space: str, phase: str) -> GroupFit:
        """For the networks of a space in a phase (its key); assumptions where none was measured."""
        return self.groups.get(group_of(space, phase)) or GroupFit(
            NetworkTerm(), check_itself((), {}, {}, NetworkTerm(), self.canary.spread)
        )


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
    by_group = {
        name: [n for n in networks if n.group == name] for name in {n.group for n in networks}
    }
    leveled = {name: level(members) for name, members in by_group.items()}
    contexts = contexts_by_key([n for group in leveled.values() for n in group.networks])
    entries = fit_entries(contexts)
    groups = {
        name: GroupFit(
            leveled[name].term,
            check_itself(members, contexts, entries, leveled[name].term, canary.spread),
        )
        for name, members in by_group.items()
    }
    return Lut(
        profile=profile,
        precision=precision,
        entries=entries,
        costs=costs,
        canary=canary,
        groups=groups,
        memory=memory,
    )
