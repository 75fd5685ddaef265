"""What a device measured in one precision, whole or in part: what a LUT is fitted from."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

import numpy as np

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.fit.lut import Lut, fit_lut
from latency_lut.fit.timed_table import TimedTable
from latency_lut.memory import MemoryModel
from search_spaces import SegmentCost


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Networks by group, and all else that a fit needs."""

    profile: DeviceProfile
    precision: str
    tables: Mapping[str, TimedTable]
    """By group, none of them empty."""
    costs: Mapping[str, SegmentCost]
    """Of every segment key in the tables."""
    canary: CanaryState
    memory: Mapping[str, MemoryModel]
    """By space."""

    @property
    def architecture_ids(self) -> tuple[str, ...]:
        """Of all networks, each once, sorted."""
        return tuple(sorted({i for t in self.tables.values() for i in t.architecture_ids}))

    def lut(self) -> Lut:
        """The LUT of these networks alone."""
        return fit_lut(
            profile=self.profile,
            precision=self.precision,
            tables=self.tables,
            costs=self.costs,
            canary=self.canary,
            memory=self.memory,
        )

    def only(self, architecture_ids: Set[str]) -> "Measured":
        """As if no other networks had been measured."""
        parts = {name: _part(table, architecture_ids) for name, table in self.tables.items()}
        return replace(self, tables={n: t for n, t in parts.items() if len(t.latency_ns)})


def _part(table: TimedTable, architecture_ids: Set[str]) -> TimedTable:
    """Its networks with these ids, segment keys that they lack left out."""
    kept = np.array([i in architecture_ids for i in table.architecture_ids], dtype=bool)  # (N,)
    rows = kept[table.network]
    used, key = np.unique(table.key[rows], return_inverse=True)
    chosen = np.flatnonzero(kept)
    return TimedTable(
        architecture_ids=tuple(table.architecture_ids[i] for i in chosen),
        qualities=tuple(table.qualities[i] for i in chosen),
        latency_ns=table.latency_ns[kept],
        keys=tuple(table.keys[k] for k in used),
        network=(np.cumsum(kept) - 1)[table.network[rows]],
        key=key,
        node_ns=table.node_ns[rows],
        nodes=table.nodes[rows],
        alone_ns=table.alone_ns[used],
    )
