"""What a whole network does to its segments: a level taken out of carriers, a term put on sums.

A carrier that was disturbed shows all its segments dearer by one factor, and so does one whose
weights no longer fit a cache. With y the time of segment k in carrier c,

    log y[c,k] = log e[k] + l[c] + noise

is solved for the levels l by median polish (Tukey, Exploratory Data Analysis, 1977). What is the
network's own doing and not a disturbance is then fitted on the levels of all carriers,

    l = a + b (log E - m),   E = sum of e[k] over the carrier,   m = the mean of log E,

by an expectile below the middle, as disturbances only ever add. Carriers are brought to level a;
a prediction is its sum of entries times the term that b makes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from latency_lut.timed_network import TimedNetwork

# All of these are our choice.
_FEWEST_NETWORKS = 20  # fewer say too little of levels to tell them from noise
_POLISHES = 10
_EXPECTILE = 0.25
_EXPECTILE_ROUNDS = 30
_STEEPEST = 0.5  # of b: a cache that no longer holds a network does not square its time

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class NetworkTerm:
    """A sum E of entries is to be multiplied with exp(slope (log E - centre)).

    Neutral when it was fitted on no networks.
    """

    slope: float = 0.0
    centre: float = 0.0
    networks: int = 0

    def factor(self, sum_ns: Floats) -> Floats:
        """For sums of entries in nanoseconds; 1 for a sum of nothing or of unknown parts."""
        known = sum_ns > 0
        log_sum = np.log(np.where(known, sum_ns, 1.0))
        return np.where(known, np.exp(self.slope * (log_sum - self.centre)), 1.0)


@dataclass(frozen=True)
class Leveled:
    """Networks with their levels taken out, and the term that brings predictions back."""

    networks: tuple[TimedNetwork, ...]
    term: NetworkTerm


def level(networks: Sequence[TimedNetwork]) -> Leveled:
    """Carriers of one phase brought to one level; unchanged when there are fewer than twenty."""
    if len(networks) < _FEWEST_NETWORKS:
        return Leveled(tuple(networks), NetworkTerm())
    table = _table(networks)
    levels, log_entries = _polish(table)
    log_sums = np.log(np.bincount(table.network, np.exp(log_entries[table.key]), len(networks)))
    usual, slope = _usual_level(levels, log_sums)
    leveled = tuple(_scaled(n, math.exp(usual - x)) for n, x in zip(networks, levels, strict=True))
    return Leveled(leveled, NetworkTerm(slope, float(log_sums.mean()) + usual, len(networks)))


@dataclass(frozen=True)
class _Table:
    """One row a segment of a network: index of the network, of the key, log of the time."""

    network: Counts
    key: Counts
    log_ns: Floats


def _table(networks: Sequence[TimedNetwork]) -> _Table:
    index: dict[str, int] = {}
    rows = [
        (number, index.setdefault(key, len(index)), math.log(max(ns, 1.0)))
        for number, timed in enumerate(networks)
        for key, ns in timed.segments
    ]
    columns = list(zip(*rows, strict=True))
    return _Table(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )


def _polish(table: _Table) -> tuple[Floats, Floats]:
    """Levels by network and log times by key; a key seen once says nothing of a level."""
    shared = np.bincount(table.key)[table.key] > 1
    levels = np.zeros(int(table.network.max()) + 1)
    log_entries = _median_by(table.key, table.log_ns)
    for _ in range(_POLISHES):
        residual = table.log_ns - log_entries[table.key]
        levels = _median_by(table.network[shared], residual[shared], len(levels))
        log_entries = _median_by(table.key, table.log_ns - levels[table.network])
    return levels, log_entries


def _median_by(group: Counts, values: Floats, size: int | None = None) -> Floats:
    """The median of the values of each group; 0 for a group without any."""
    size = int(group.max()) + 1 if size is None else size
    order = np.lexsort((values, group))
    ordered, count = values[order], np.bincount(group, minlength=size)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    last = max(len(ordered) - 1, 0)
    lower = np.minimum(start + np.maximum(count - 1, 0) // 2, last)
    upper = np.minimum(start + count // 2, last)
    return np.where(count > 0, (ordered[lower] + ordered[upper]) / 2, 0.0)


def _usual_level(levels: Floats, log_sums: Floats) -> tuple[float, float]:
    """A and b of the module's formula, b within what a cache can do."""
    design = np.stack([np.ones_like(log_sums), log_sums - log_sums.mean()], axis=1)
    weights = np.ones_like(levels)
    solution = np.zeros(2)
    for _ in range(_EXPECTILE_ROUNDS):
        root = np.sqrt(weights)
        solution = np.linalg.lstsq(design * root[:, None], levels * root, rcond=None)[0]
        weights = np.where(levels > design @ solution, _EXPECTILE, 1 - _EXPECTILE)
    return float(solution[0]), float(np.clip(solution[1], 0.0, _STEEPEST))


def _scaled(timed: TimedNetwork, factor: float) -> TimedNetwork:
    segments = tuple((key, ns * factor) for key, ns in timed.segments)
    return replace(timed, segments=segments)
