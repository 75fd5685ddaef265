"""The LUT: all entries of one device profile in one precision, ready to predict with."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.fit.additive_fit import AdditiveFit, fit_additive
from latency_lut.fit.contexts import contexts_of, sightings_of
from latency_lut.fit.description import PROFILE, profiler_slowdown
from latency_lut.fit.entry import Entry, fit_entries
from latency_lut.fit.network_term import NetworkTerm, Traffic
from latency_lut.fit.repeats import RepeatError, repeat_error
from latency_lut.fit.self_check import CommonError, check_itself
from latency_lut.fit.timed_table import Floats, TimedTable, group_of
from latency_lut.memory import STATIC, MemoryModel
from latency_lut.roofline import kept_bytes, touched_bytes
from search_spaces import SegmentCost


@dataclass(frozen=True)
class GroupFit:
    """What the networks of one space in one phase have in common."""

    term: NetworkTerm
    common_error: CommonError
    repeat: RepeatError | None = None
    """None where no network was measured twice."""
    told_by: str = PROFILE
    """What segments are known by: `profile` or `alone`, whichever predicts networks better."""
    slowdown: float = 1.0
    """How many times as long as a network its profiled nodes take: above 1.5 they say little."""
    own_ns: Mapping[str, int] = field(default_factory=dict)
    """Of segment keys that other groups have seen as well: what they take by these networks.

    The terms of whole networks differ between groups, and with them what is left to the segments.
    """

    def latency_ns(self, entry: Entry) -> int:
        """Of a segment in a network of this group."""
        return self.own_ns.get(entry.key, entry.latency_ns)


UNKNOWN = GroupFit(NetworkTerm(), CommonError(0.10, 0))
"""Of networks of which none was measured: assumed."""


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
        return self.groups.get(group_of(space, phase), UNKNOWN)

    def knows(self, space: str, phase: str) -> bool:
        """Whether any network of the space was measured in the phase (its key)."""
        return group_of(space, phase) in self.groups

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
    fits = {name: _fit(table, costs, caches) for name, table in tables.items()}
    if not fits:
        return Lut(
            profile=profile,
            precision=precision,
            entries={},
            costs=costs,
            canary=canary,
            groups={},
            memory=memory,
        )
    shared = _shared_keys(tables)
    contexts = contexts_of([sightings_of(tables[n], fit.share_ns) for n, fit in fits.items()])
    entries = fit_entries(contexts, _latencies_ns(tables, fits))
    groups = {
        name: GroupFit(
            fit.term,
            check_itself(fit.left_out, _halves_ns(tables[name], entries), canary.spread),
            repeat_error(tables[name]),
            fit.told_by,
            profiler_slowdown(tables[name]),
            _own_ns(tables[name], fit, shared),
        )
        for name, fit in fits.items()
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
    """Bytes beyond which a byte may cost more, rising: of the second and the third cache.

    Of the third also a quarter and a half, as on a shared chip others have the rest. Empty where
    the device does not say.
    """
    l2, l3 = (profile.facts.get(name) for name in ("l2_bytes", "l3_bytes"))
    found = [float(l2)] if isinstance(l2, int) else []
    if isinstance(l3, int):
        found += [l3 / 4, l3 / 2, float(l3)]
    return tuple(sorted(set(found)))


def _fit(
    table: TimedTable, costs: Mapping[str, SegmentCost], caches: tuple[float, ...]
) -> AdditiveFit:
    traffic = Traffic(
        touched=np.array([float(touched_bytes(costs[key])) for key in table.keys]),
        kept=np.array([float(kept_bytes(costs[key])) for key in table.keys]),
    )
    return fit_additive(table, traffic, caches)


def _latencies_ns(
    tables: Mapping[str, TimedTable], fits: Mapping[str, AdditiveFit]
) -> dict[str, float]:
    """Of each segment key; where groups share one, their mean by how often each has seen it."""
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for name, fit in fits.items():
        seen = np.bincount(tables[name].key).tolist()
        for key, ns, count in zip(tables[name].keys, fit.entry_ns.tolist(), seen, strict=True):
            sums[key] += ns * count
            counts[key] += count
    return {key: sums[key] / counts[key] for key in sums}


def _shared_keys(tables: Mapping[str, TimedTable]) -> frozenset[str]:
    """Segment keys that networks of more than one group have."""
    groups = Counter(key for table in tables.values() for key in table.keys)
    return frozenset(key for key, count in groups.items() if count > 1)


def _own_ns(table: TimedTable, fit: AdditiveFit, shared: frozenset[str]) -> dict[str, int]:
    found = zip(table.keys, fit.entry_ns.tolist(), strict=True)
    return {key: round(ns) for key, ns in found if key in shared}


def _halves_ns(table: TimedTable, entries: Mapping[str, Entry]) -> Floats:
    """(K,) half widths of the entries' intervals."""
    found = [entries[key] for key in table.keys]
    return np.array([float(entry.high_ns - entry.latency_ns) for entry in found])
