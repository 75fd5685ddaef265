"""Entries for blocks that were never measured, between two that were.

Where a place's blocks differ in one numeric choice only (a width, a kernel), a block between two
measured ones is taken to lie on the line through them in logarithms,

    log t(v) = log t(u) + (log t(w) - log t(u)) (log v - log u) / (log w - log u),   u < v < w,

v being the choice's value. How far such lines miss is learnt where all three were measured.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from latency_lut.block_index import NO_BLOCK, BlockIndex
from latency_lut.fit.entry import Entry
from search_spaces import Choice, SegmentCost

INTERPOLATED = "interpolated"
"""Quality of such an entry."""

# Both are our choice.
_MISS_UNCHECKED = 0.30  # relative half width, while too few lines could be checked
_FEWEST_LINES = 20


@dataclass(frozen=True)
class Interpolated:
    """An entry between two others; the static cost of its segment, by the same line."""

    entry: Entry
    cost: SegmentCost


@dataclass(frozen=True)
class _Bracket:
    """Ids of the blocks on both sides, and where between them a block lies, in (0, 1)."""

    below: int
    above: int
    position: float


def interpolate(
    index: BlockIndex, entries: Mapping[str, Entry], costs: Mapping[str, SegmentCost]
) -> dict[str, Interpolated]:
    """For the keys of `index` that have no entry but lie between two that do.

    The quality of such an entry is `interpolated`, it is of no carrier, and its interval joins
    those of both neighbours with the 95 % point of how far other such lines missed.
    """
    blocks = range(1, len(index.keys) + 1)
    known = {n for n in blocks if all(key in entries for key in index.keys[n - 1])}
    wanted = set(blocks) - known
    if not wanted or not known:
        return {}
    miss = _usual_miss(index, entries, _brackets(index, known, known))
    found = {}
    for number, bracket in _brackets(index, known, wanted).items():
        for key, low, high in _triples(index, number, bracket):
            if key not in entries:
                entry = _between(key, entries[low], entries[high], bracket.position, miss)
                cost = _cost_between(costs[low], costs[high], bracket.position)
                found[key] = Interpolated(entry, cost)
    return found


def _triples(index: BlockIndex, number: int, bracket: _Bracket) -> Iterator[tuple[str, str, str]]:
    """In each phase the key of a block and those of its neighbours."""
    ids = (number, bracket.below, bracket.above)
    return zip(*(index.keys[i - 1] for i in ids), strict=True)


def _brackets(index: BlockIndex, known: set[int], wanted: set[int]) -> dict[int, _Bracket]:
    """For each wanted block the closest two known ones around it; none where there are none."""
    found: dict[int, _Bracket] = {}
    widths: dict[int, float] = {}
    for line in _lines(index):
        for i, (value, number) in enumerate(line):
            if number not in wanted:
                continue
            below = [pair for pair in line[:i] if pair[1] in known]
            above = [pair for pair in line[i + 1 :] if pair[1] in known]
            if not below or not above:
                continue
            (u, low), (w, high) = below[-1], above[0]
            width = math.log(w / u)
            if number in (low, high) or width >= widths.get(number, math.inf):
                continue
            widths[number] = width
            found[number] = _Bracket(low, high, math.log(value / u) / width)
    return found


def _lines(index: BlockIndex) -> Iterator[list[tuple[float, int]]]:
    """Values of one numeric choice, rising, with the block that each makes, all else being equal.

    Values whose block is the same or absent are left out.
    """
    for p, offset in enumerate(index.offsets):
        end = index.offsets[p + 1] if p + 1 < len(index.offsets) else len(index.table)
        rows = np.arange(end - offset)
        for c, choice in enumerate(index.space.choices):
            step, values = int(index.strides[c, p]), _numbers(choice)
            if step == 0 or len(values) < 3:
                continue
            first = rows[(rows // step) % len(values) == 0]
            for row in first:
                ids = index.table[offset + row + step * np.arange(len(values))]
                pairs = sorted((v, int(i)) for v, i in zip(values, ids, strict=True))
                line = [pair for pair in pairs if pair[1] != NO_BLOCK]
                if len({number for _, number in line}) >= 3:
                    yield line


def _numbers(choice: Choice) -> list[float]:
    """The values of a numeric choice; empty for any other."""
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in choice.values):
        return []
    values = [float(v) for v in choice.values if isinstance(v, int | float)]
    return values if min(values) > 0 else []


def _usual_miss(
    index: BlockIndex, entries: Mapping[str, Entry], brackets: Mapping[int, _Bracket]
) -> float:
    """The 95 % point of the relative misses where the block between was measured too."""
    misses = [
        abs(entries[key].latency_ns / line - 1)
        for number, bracket in brackets.items()
        for key, low, high in _triples(index, number, bracket)
        if (line := _on_line(entries[low].latency_ns, entries[high].latency_ns, bracket.position))
    ]
    return float(np.quantile(misses, 0.95)) if len(misses) >= _FEWEST_LINES else _MISS_UNCHECKED


def _on_line(low: float, high: float, position: float) -> float:
    return float(max(low, 1) ** (1 - position) * max(high, 1) ** position)


def _cost_between(low: SegmentCost, high: SegmentCost, position: float) -> SegmentCost:
    pairs = {name: (number, vars(high)[name]) for name, number in vars(low).items()}
    numbers = {
        name: round(_on_line(*pair, position)) if any(pair) else 0
        for name, pair in pairs.items()
        if name != "unknown_ops"
    }
    unknown = dict.fromkeys((*low.unknown_ops, *high.unknown_ops))
    return SegmentCost(**numbers, unknown_ops=tuple(unknown))


def _between(key: str, low: Entry, high: Entry, position: float, miss: float) -> Entry:
    latency_ns = _on_line(low.latency_ns, high.latency_ns, position)
    widest = max((e.high_ns - e.latency_ns) / max(e.latency_ns, 1) for e in (low, high))
    half = math.hypot(widest, miss)
    return Entry(
        key=key,
        latency_ns=round(latency_ns),
        low_ns=round(latency_ns * max(1 - half, 0.0)),
        high_ns=round(latency_ns * (1 + half)),
        carriers=0,
        nodes=low.nodes + (high.nodes - low.nodes) * position,
        quality=INTERPOLATED,
        samples_ns=(),
    )
