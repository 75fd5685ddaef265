"""Networks that were measured, each counted once.

Letters: N networks, K segment keys.
"""

from dataclasses import dataclass

import numpy as np

from latency_lut.fit.network_term import Traffic
from latency_lut.fit.timed_table import Bools, Floats, TimedTable
from latency_lut.records import GOOD

_FLAGGED_WEIGHT = 0.3  # our choice, of a network that was only ever measured with a flag


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What whole networks took, and what they are made of."""

    latency_ns: Floats
    """(N,)"""
    good: Bools
    """(N,) False where every measurement was flagged."""
    holds: Floats
    """(N, K) how often each network has each segment."""

    @property
    def weights(self) -> Floats:
        """(N,) how much each network says."""
        return np.where(self.good, 1.0, _FLAGGED_WEIGHT)

    def traffic(self, segments: Traffic) -> Traffic:
        """(N,) of the networks, from that of the segments."""
        return Traffic(self.holds @ segments.touched, self.holds @ segments.kept)

    def known_share(self, entry_ns: Floats) -> Floats:
        """(N,) of each network's time, what is in segments that other networks have too."""
        elsewhere = (self.holds > 0).sum(axis=0) > 1
        total = self.holds @ entry_ns
        known = self.holds @ (entry_ns * elsewhere)
        shares: Floats = np.divide(known, total, out=np.zeros_like(total), where=total > 0)
        return shares


def networks_of(table: TimedTable) -> Networks:
    """The networks of a table.

    Of several timings of one network the median of good ones; where none is good the least, as
    what is flagged only adds.
    """
    holds = np.zeros((len(table.latency_ns), len(table.keys)))
    np.add.at(holds, (table.network, table.key), 1.0)
    runs: dict[tuple[str, bytes], list[int]] = {}
    for number, model in enumerate(table.models):
        runs.setdefault(model, []).append(number)
    good = np.array(table.qualities) == GOOD
    latencies = []
    for numbers in runs.values():
        own = table.latency_ns[numbers]
        kept = own[good[numbers]]
        latencies.append(float(np.median(kept)) if len(kept) else float(own.min()))
    return Networks(
        latency_ns=np.array(latencies),
        good=np.array([good[numbers].any() for numbers in runs.values()]),
        holds=holds[[numbers[0] for numbers in runs.values()]],
    )
