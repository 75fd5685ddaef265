"""What is known of a segment before any network is compared with it: x[k] of m[k] pieces.

There are two such descriptions. By the profile x is the time of the segment's nodes and m their
number: in context, with the layouts and the caches of a network, but the profiler counts whole
microseconds and costs a node more than that. Alone, x is the time of the block as a network of its
own and m is 1: exact however short its nodes are, but with caches that are its own. Which one is
right depends on the networks, and networks left out tell (`additive_fit`).
"""

from dataclasses import dataclass

import numpy as np

from latency_lut.fit.profile_levels import typical_node_ns
from latency_lut.fit.timed_table import Floats, TimedTable
from latency_lut.records import ALONE

PROFILE = "profile"

_LEAST_KNOWN = 0.9  # our choice: of the keys, before the rest is guessed by what is usual


@dataclass(frozen=True, kw_only=True, eq=False)
class Description:
    """One of the two; K segment keys, R rows of the table."""

    source: str
    """`profile` or `alone`."""
    known_ns: Floats
    """(K,) x, usually."""
    pieces: Floats
    """(K,) m, usually."""
    row_ns: Floats
    """(R,) x in that network."""
    row_pieces: Floats
    """(R,) m in that network."""


def descriptions(table: TimedTable) -> list[Description]:
    """By the profile, and alone where nearly all blocks were run so."""
    size = len(table.keys)
    nodes = np.bincount(table.key, table.nodes, size) / np.bincount(table.key, minlength=size)
    profiled = Description(
        source=PROFILE,
        known_ns=typical_node_ns(table),
        pieces=nodes,
        row_ns=table.node_ns,
        row_pieces=table.nodes,
    )
    known = ~np.isnan(table.alone_ns)
    if not known.any() or known.mean() < _LEAST_KNOWN:
        return [profiled]
    usual = float(np.median(table.alone_ns[known] / np.maximum(profiled.known_ns[known], 1.0)))
    alone_ns = np.where(known, table.alone_ns, usual * profiled.known_ns)
    pieces = np.ones(size)
    alone = Description(
        source=ALONE,
        known_ns=alone_ns,
        pieces=pieces,
        row_ns=alone_ns[table.key],
        row_pieces=pieces[table.key],
    )
    return [profiled, alone]


def profiler_slowdown(table: TimedTable) -> float:
    """How many times as long as a network its profiled nodes take; the median over networks."""
    return float(np.median(table.by_network(table.node_ns) / table.latency_ns))
