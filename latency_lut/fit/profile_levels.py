"""What the profiler usually says of a segment's nodes, whatever network they stand in.

A network that was disturbed while it was profiled shows all its segments dearer by one factor, and
so does one whose weights fit no cache. With p the profiled time of segment k in network c,

    log p[c,k] = log p[k] + l[c] + noise

is solved for the levels l by median polish (Tukey, Exploratory Data Analysis, 1977).
"""

import numpy as np

from latency_lut.fit.timed_table import Floats, Ids, TimedTable

_POLISHES = 10  # our choice; the levels settle after three or four
_LEAST_NS = 1.0  # of a segment, for its logarithm


def typical_node_ns(table: TimedTable) -> Floats:
    """(K,) profiled nanoseconds of each segment key in a network of the median level.

    Segments that were seen in one network only, or took no time, say nothing of its level.
    """
    log_ns = np.log(np.maximum(table.node_ns, _LEAST_NS))
    telling = (np.bincount(table.key)[table.key] > 1) & (table.node_ns > 0)
    typical = _median_by(table.key, log_ns, len(table.keys))
    for _ in range(_POLISHES):
        residual = log_ns - typical[table.key]
        levels = _median_by(table.network[telling], residual[telling], len(table.latency_ns))
        levels -= np.median(levels)
        typical = _median_by(table.key, log_ns - levels[table.network], len(table.keys))
    return np.exp(typical)


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
