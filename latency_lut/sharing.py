"""A network's unprofiled time shared out to its segments, by what the profiler says of its nodes.

The profiler makes short nodes slower than long ones: on top of a common slowdown a each of the
n nodes of a network takes h longer, so that with T the unprofiled and S the profiled time

    S = a T + h n.

Both are fitted on all networks of a group. Part of h is the profiler's own, part is what a node
costs in the true run too; half of it is taken from each node before the time is shared out:

    t[k] = T * max(p[k] - h n[k] / 2, p[k] / 10) / (sum of the same over the network)

with p[k] the profiled time and n[k] the nodes of segment k. `results/LOG.md` has what it gains.
"""

import numpy as np
from scipy.optimize import nnls

from latency_lut.timed_table import Floats, TimedTable

# All of these are our choice.
_FEWEST_NETWORKS = 10  # on synthetic devices h from fewer, at 5 % noise, does more harm than good
_OVERHEAD_SHARE = 0.5  # of what a node takes longer: the rest is there in the true run as well
_LEAST_SHARE = 0.1  # of a node's profiled time is its own, however short it is


def node_overhead_ns(table: TimedTable) -> float:
    """What the profiler adds to each node, `h` of the module's formula.

    0 where it adds nothing, or networks are fewer than ten.
    """
    if len(table.latency_ns) < _FEWEST_NETWORKS:
        return 0.0
    profiled, nodes = table.by_network(table.node_ns), table.by_network(table.nodes)
    relative = np.stack([np.ones_like(nodes), nodes / table.latency_ns], axis=1)
    return float(nnls(relative, profiled / table.latency_ns)[0][1])


def share_out(table: TimedTable) -> Floats:
    """(R,) nanoseconds of each segment; those of a network add up to its latency."""
    taken_ns = _OVERHEAD_SHARE * node_overhead_ns(table) * table.nodes
    own_ns = np.maximum(table.node_ns - taken_ns, _LEAST_SHARE * table.node_ns)
    return own_ns * (table.latency_ns / table.by_network(own_ns))[table.network]
