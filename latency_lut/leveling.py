"""Levels: a network that was disturbed shows all its segments dearer by one factor.

So does one whose weights no longer fit a cache. With y the time of segment k in network c,

    log y[c,k] = log e[k] + l[c] + noise

is solved for the levels l by median polish (Tukey, Exploratory Data Analysis, 1977). What of the
levels is the network's own doing and no disturbance is told apart by `NetworkTerm`.
"""

from dataclasses import dataclass

import numpy as np

from latency_lut.timed_table import Floats, Ids, TimedTable

_POLISHES = 10  # our choice; the levels settle after three or four
_LEAST_NS = 1.0  # of a segment, for its logarithm


@dataclass(frozen=True, eq=False)
class Levels:
    """(N,) levels, and (K,) nanoseconds of each segment key at level 0."""

    levels: Floats
    entry_ns: Floats


def polish(table: TimedTable, share_ns: Floats) -> Levels:
    """Levels of the networks of a table, whose time was shared out as `share_ns` (R,).

    Segments that were seen in one network only, or took no time, say nothing of its level. The
    median level is 0.
    """
    log_ns = np.log(np.maximum(share_ns, _LEAST_NS))
    telling = (np.bincount(table.key)[table.key] > 1) & (share_ns > 0)
    levels = np.zeros(len(table.latency_ns))
    entries = _median_by(table.key, log_ns, len(table.keys))
    for _ in range(_POLISHES):
        residual = log_ns - entries[table.key]
        levels = _median_by(table.network[telling], residual[telling], len(levels))
        levels -= np.median(levels)
        entries = _median_by(table.key, log_ns - levels[table.network], len(table.keys))
    return Levels(levels, np.exp(entries))


def _median_by(group: Ids, values: Floats, size: int) -> Floats:
    """(size,) the median of the values of each group; 0 for a group without any."""
    order = np.lexsort((values, group))
    ordered, count = values[order], np.bincount(group, minlength=size)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    last = max(len(ordered) - 1, 0)
    lower = np.minimum(start + np.maximum(count - 1, 0) // 2, last)
    upper = np.minimum(start + count // 2, last)
    if not len(ordered):
        return np.zeros(size)
    return np.where(count > 0, (ordered[lower] + ordered[upper]) / 2, 0.0)
