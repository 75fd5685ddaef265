"""The arrays that predictions are summed from: a column of block values for each quantity.

Letters: n architectures, P places, B blocks plus one (row 0: nothing stands there), F phases,
Q summed quantities.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut.block_index import BlockIndex
from latency_lut.fit.entry import Entry
from latency_lut.fit.lut import GroupFit, Lut
from latency_lut.fit.network_term import Traffic
from latency_lut.interpolation import Interpolated
from latency_lut.memory import LARGEST, MemoryModel, largest_traits, summed_traits
from latency_lut.records import GOOD
from latency_lut.roofline import kept_bytes, touched_bytes
from search_spaces import Codes, SegmentCost

Floats = npt.NDArray[np.float64]

_CHUNK = 2048  # architectures; measured: a chunk's arrays stay in the second-level cache
_BY_PHASE = 6  # rows of `summed` for each phase
# One sum counts all: missing segments in steps of 1, doubtful and interpolated ones in these.
_DOUBTFUL, _INTERPOLATED = 2.0**16, 2.0**32


@dataclass(frozen=True, kw_only=True)
class NetworkSums:
    """What n networks add up to; NaN where a segment is not known."""

    latency_ns: Floats
    """(F, n)"""
    variance_ns2: Floats
    """(F, n): sum of squared half widths."""
    traffic: tuple[Traffic, ...]
    """Of n networks in each phase."""
    memory_added: Floats
    """(F, n, 2): `MemoryModel.added`, summed."""
    memory_largest: Floats
    """(F, n, L): largest traits of any segment."""
    params: Floats
    macs: Floats
    weight_bytes: Floats
    missing: npt.NDArray[np.int64]
    doubtful: npt.NDArray[np.int64]
    interpolated: npt.NDArray[np.int64]


@dataclass(frozen=True)
class PredictionTable:
    """Values of blocks by id, as `BlockIndex` numbers them."""

    index: BlockIndex
    summed: Floats
    """(Q, B): for each phase latency, squared half width, bytes touched and kept, and what adds to
    the memory while loading and while running; then parameters, MACs and weight bytes of the first
    phase, and the flags."""
    largest: Floats
    """(F, L, B): traits of which a network needs those of its largest segment only."""

    def sums(self, codes: Codes) -> NetworkSums:
        """Sums of the architectures `codes` (n, choices)."""
        phases, n = len(self.largest), len(codes)
        summed = np.empty((len(self.summed), n))
        largest = np.zeros((*self.largest.shape[:2], n))
        for start in range(0, n, _CHUNK):
            ids = self.index.block_ids(codes[start : start + _CHUNK])  # (P, chunk)
            here = slice(start, start + ids.shape[1])
            for values, out in zip(self.summed, summed, strict=True):
                values.take(ids).sum(axis=0, out=out[here])
            for f, j in np.argwhere(self.largest.any(axis=2)):
                self.largest[f, j].take(ids).max(axis=0, out=largest[f, j, here])
        by_phase = summed[: _BY_PHASE * phases].reshape(phases, _BY_PHASE, n)
        params, macs, weight_bytes, flags = summed[_BY_PHASE * phases :]
        counts = flags.astype(np.int64)
        return NetworkSums(
            latency_ns=by_phase[:, 0],
            variance_ns2=by_phase[:, 1],
            traffic=tuple(Traffic(rows[2], rows[3]) for rows in by_phase),
            memory_added=by_phase[:, 4:].transpose(0, 2, 1),
            memory_largest=largest.transpose(0, 2, 1),
            params=params,
            macs=macs,
            weight_bytes=weight_bytes,
            missing=counts % int(_DOUBTFUL),
            doubtful=counts % int(_INTERPOLATED) // int(_DOUBTFUL),
            interpolated=counts // int(_INTERPOLATED),
        )


def prediction_table(
    index: BlockIndex, lut: Lut, between: Mapping[str, Interpolated]
) -> PredictionTable:
    """The columns of a LUT and of what lies between its entries; NaN for other blocks."""
    space, memory = index.space, lut.memory_of(index.space.name)
    phases, groups = len(space.phases), [lut.group(space.name, p.key) for p in space.phases]
    summed = np.zeros((_BY_PHASE * phases + 4, len(index.blocks) + 1))
    largest = np.zeros((phases, len(LARGEST), len(index.blocks) + 1))
    for number, keys in enumerate(index.keys, start=1):
        for f, key in enumerate(keys):
            found, rows = between.get(key), slice(_BY_PHASE * f, _BY_PHASE * (f + 1))
            entry = found.entry if found else lut.entries.get(key)
            cost = lut.costs.get(key, found.cost if found else None)
            timed = (*_timed(entry, groups[f]), *_bytes(cost))
            summed[rows, number] = *timed, *_memory_added(memory, cost)
            largest[f, :, number] = np.nan if cost is None else largest_traits(cost)
            summed[-1, number] += _flags(lut, key, between)
            if f == 0:
                summed[-4:-1, number] = _sizes(cost)
    return PredictionTable(index, summed, largest)


def _timed(entry: Entry | None, group: GroupFit) -> tuple[float, float]:
    if entry is None:
        return np.nan, np.nan
    return group.latency_ns(entry), float(entry.high_ns - entry.latency_ns) ** 2


def _bytes(cost: SegmentCost | None) -> tuple[float, float]:
    """Touched and kept."""
    if cost is None:
        return np.nan, np.nan
    return touched_bytes(cost), kept_bytes(cost)


def _flags(lut: Lut, key: str, between: Mapping[str, Interpolated]) -> float:
    if key in between:
        return _INTERPOLATED
    entry = lut.entries.get(key)
    if entry is None:
        return 1.0
    return 0.0 if entry.quality == GOOD else _DOUBTFUL


def _sizes(cost: SegmentCost | None) -> tuple[float, float, float]:
    if cost is None:
        return np.nan, np.nan, np.nan
    return cost.params, cost.macs, cost.weight_bytes


def _memory_added(memory: MemoryModel, cost: SegmentCost | None) -> Floats:
    return np.full(2, np.nan) if cost is None else memory.added(summed_traits(cost))
