"""The LUT: all entries of one device profile in one precision, ready to predict with."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latency_lut.canary import CanaryState
from latency_lut.contexts import contexts_of, sightings_of
from latency_lut.device_profile import DeviceProfile
from latency_lut.entry import Entry, fit_entries
from latency_lut.leveling import polish
from latency_lut.memory import STATIC, MemoryModel
from latency_lut.network_term import FEWEST_NETWORKS, NetworkTerm, fit_term
from latency_lut.repeats import RepeatError, repeat_error
from latency_lut.roofline import touched_bytes
from latency_lut.self_check import CommonError, check_itself
from latency_lut.sharing import share_out
from latency_lut.timed_table import Floats, TimedTable, group_of
from search_spaces import SegmentCost


@dataclass(frozen=True)
class GroupFit:
    """What the networks of one space in one phase have in common."""

    term: NetworkTerm
    common_error: CommonError
    repeat: RepeatError | None = None
    """None where no network was measured twice."""


_UNKNOWN = GroupFit(NetworkTerm(), CommonError(0.10, 0))


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
    memory: Mapping[str, MemoryModel]
    """By space; absent until enough networks were measured."""

    def group(self, space: str, phase: str) -> GroupFit:
        """For the networks of a space in a phase (its key); assumptions where none was measured."""
        return self.groups.get(group_of(space, phase), _UNKNOWN)

    def memory_of(self, space: str) -> MemoryModel:
        """For the networks of a space; as calculated where too few were measured."""
        return self.memory.get(space, STATIC)


def fit_lut(
    *,
    profile: DeviceProfile,
    precision: str,
    tables: Mapping[str, TimedTable],
    costs: Mapping[str, SegmentCost],
    canary: CanaryState,
    memory: Mapping[str, MemoryModel],
) -> Lut:
    """A LUT from the networks that a device timed.

    Args:
        profile: of the device.
        precision: of the networks.
        tables: measured networks by group; those that failed are not among them.
        costs: of every segment key in the tables.
        canary: whose state the times were brought to.
        memory: by space, as calibrated on the same device.
    """
    caches = cache_sizes(profile)
    leveled = {name: _level(table, costs, caches) for name, table in tables.items()}
    if not leveled:
        return Lut(
            profile=profile,
            precision=precision,
            entries={},
            costs=costs,
            canary=canary,
            groups={},
            memory=memory,
        )
    contexts = contexts_of([sightings_of(f.table, f.share_ns) for f in leveled.values()])
    entries = fit_entries(contexts)
    groups = {
        name: GroupFit(
            group.term,
            check_itself(group.table, contexts, entries, group.added_ns, canary.spread),
            repeat_error(group.table),
        )
        for name, group in leveled.items()
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


def cache_sizes(profile: DeviceProfile) -> tuple[float, ...]:
    """Bytes beyond which a byte may cost more: of the second and the third cache.

    Of the third also a quarter, as on a shared chip the others have the rest. Empty where the
    device does not say.
    """
    l2, l3 = (profile.facts.get(name) for name in ("l2_bytes", "l3_bytes"))
    found = [float(l2)] if isinstance(l2, int) else []
    return (*found, l3 / 4, float(l3)) if isinstance(l3, int) else tuple(found)


@dataclass(frozen=True, eq=False)
class _Leveled:
    """A table whose segment times were brought to the undisturbed state, and its term."""

    table: TimedTable
    share_ns: Floats
    term: NetworkTerm
    added_ns: Floats


def _level(
    table: TimedTable, costs: Mapping[str, SegmentCost], caches: tuple[float, ...]
) -> _Leveled:
    share_ns = share_out(table)
    if len(table.latency_ns) < FEWEST_NETWORKS:
        return _Leveled(table, share_ns, NetworkTerm(), np.zeros_like(table.latency_ns))
    levels = polish(table, share_ns)
    bytes_ = np.array([float(touched_bytes(costs[key])) for key in table.keys])
    sums_ns = table.by_network(levels.entry_ns[table.key])
    nodes, touched = table.by_network(table.nodes), table.by_network(bytes_[table.key])
    fitted = fit_term(table.latency_ns, sums_ns, nodes, touched, caches)
    scale = fitted.entry_scale * np.exp(-levels.levels)
    term = fitted.term
    return _Leveled(table, share_ns * scale[table.network], term, term.added_ns(nodes, touched))
