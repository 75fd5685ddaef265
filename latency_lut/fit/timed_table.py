"""Measured networks as the LUT sees them: one row for each segment of each network.

Letters: N networks, R rows, K segment keys.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class TimedTable:
    """Networks of one space in one phase, timed with their nodes; canary taken into account."""

    architecture_ids: tuple[str, ...]
    """(N,), one for each time that a network was measured."""
    qualities: tuple[str, ...]
    """(N,)"""
    latency_ns: Floats
    """(N,) of the whole network, unprofiled."""
    keys: tuple[str, ...]
    """(K,)"""
    network: Ids
    """(R,) index of the network, ascending."""
    key: Ids
    """(R,) index of the segment key."""
    node_ns: Floats
    """(R,) of the segment's nodes, profiled."""
    nodes: Floats
    """(R,) how many nodes."""
    alone_ns: Floats
    """(K,) of the segment's block as a network of its own; NaN where it was never run so."""

    @cached_property
    def models(self) -> tuple[tuple[str, bytes], ...]:
        """(N,) what ran: architecture id and segments, as data of another shape change those."""
        starts = np.searchsorted(self.network, np.arange(1, len(self.latency_ns)))
        segments = np.split(self.key, starts)
        return tuple((i, k.tobytes()) for i, k in zip(self.architecture_ids, segments, strict=True))

    def by_network(self, values: Floats) -> Floats:
        """(N,) sums of a value by row."""
        return np.bincount(self.network, values, len(self.latency_ns)).astype(np.float64)


def timed_table(
    networks: Sequence[tuple[str, str, float]],
    segments: Sequence[tuple[int, str, float, int]],
    alone_ns: Mapping[str, float] = MappingProxyType({}),
) -> TimedTable:
    """A table from plain rows.

    Args:
        networks: architecture id, quality and nanoseconds of each.
        segments: index of the network, segment key, profiled nanoseconds and number of nodes.
        alone_ns: by segment key, of those whose blocks ran alone.
    """
    ids, qualities, latencies = zip(*networks, strict=True)
    network, names, node_ns, nodes = zip(*segments, strict=True)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return TimedTable(
        architecture_ids=ids,
        qualities=qualities,
        latency_ns=np.array(latencies, dtype=np.float64),
        keys=tuple(numbers),
        network=np.array(network, dtype=np.intp),
        key=np.array([numbers[name] for name in names], dtype=np.intp),
        node_ns=np.array(node_ns, dtype=np.float64),
        nodes=np.array(nodes, dtype=np.float64),
        alone_ns=np.array([alone_ns.get(name, math.nan) for name in numbers]),
    )


def group_of(space: str, phase: str) -> str:
    """Networks of one space in one phase (its key) are fitted together: the name of their group."""
    return f"{space}/{phase}"
