"""Which networks to measure, so that every segment is seen in several of them with few runs.

A covering design first: each carrier holds about as many segments not seen yet as a greedy search
finds, and is of any size for which that is so. Then, behind the sizes that are still lacking
(`carrier_sizes`), networks of the segments known worst.

Letters: C choices, P places, M the most combinations of one place's own choices.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from latency_lut.block_index import NO_BLOCK, BlockIndex, Ids, block_index
from search_spaces import Architecture, Codes, Space

Floats = npt.NDArray[np.float64]

# All of these are our choice.
_STARTS = 2  # networks from which the search begins; the first holds a block that is wanted most
_SWEEPS = 3  # over the shared choices, at most
_TIE_NOISE = 1e-3  # decides between blocks that are wanted alike
_DRAWS = 16  # of other settings of the shared choices
_LEAST_GAIN = 0.5  # of the best network's: so much may one of another size fall behind


def next_carrier(
    space: Space,
    seen: Mapping[str, int],
    precision: str,
    rng: np.random.Generator,
    contexts_wanted: int = 2,
    avoided: Set[str] = frozenset(),
    unneeded: Set[str] = frozenset(),
) -> Architecture | None:
    """The network to measure next; None when every segment was seen often enough.

    A segment never seen weighs more than any number of segments seen once, and so on. A segment
    that stands at several places of a network counts once, as do its phases.

    Args:
        space: whose segments are to be covered.
        seen: by segment key, in how many networks it was measured; absent means none.
        precision: part of the segment keys.
        rng: decides between equals.
        contexts_wanted: networks in which to see each segment.
        avoided: segment keys that are not sought, and kept out where that costs no sought one.
        unneeded: segment keys that are kept out as well, where others are neither sought nor
            avoided.
    """
    planner = _planner(block_index(space, precision))
    weights = _weights(planner.index, seen, contexts_wanted, avoided, unneeded)
    if weights.max() <= 0:
        return None
    return space.decode(planner.carrier(weights, rng))


def sharpening_carrier(
    space: Space, gains: Mapping[str, float], precision: str, rng: np.random.Generator
) -> Architecture | None:
    """The network from which most is to be learnt once all segments were seen; None if nothing.

    Args:
        space: whose segments are meant.
        gains: by segment key, by how much another sighting narrows its interval; absent means none.
        precision: part of the segment keys.
        rng: decides between equals.
    """
    planner = _planner(block_index(space, precision))
    by_block = [sum(gains.get(key, 0.0) for key in keys) for keys in planner.index.keys]
    weights = np.array([0.0, *by_block])
    if weights.max() <= 0:
        return None
    return space.decode(planner.carrier(weights / weights.max(), rng))


def _weights(
    index: BlockIndex,
    seen: Mapping[str, int],
    contexts_wanted: int,
    avoided: Set[str],
    unneeded: Set[str],
) -> Floats:
    """(B + 1,) what it is worth to see each block; 0 for those seen often enough."""
    step = len(index.offsets) + 1.0  # more than the number of segments of a network
    weights = np.zeros(len(index.blocks) + 1)
    for number, keys in enumerate(index.keys, start=1):
        if not avoided.isdisjoint(keys):
            weights[number] = -0.5 / step  # those of a whole network together: less than one sought
            continue
        if not unneeded.isdisjoint(keys):
            weights[number] = -0.5 / step**2  # less than one avoided, in the same way
            continue
        lacking = contexts_wanted - min(seen.get(key, 0) for key in keys)
        weights[number] = step ** (lacking - 1) if lacking > 0 else 0.0
    return weights


class _Planner:
    """The search over one space.

    Choices that decide the block of a single place (its kernel) are the place's own: once the
    shared ones (resolution, width, depth) are fixed, each place takes its best combination by
    itself. What is left to search are the shared choices, one at a time.
    """

    def __init__(self, index: BlockIndex) -> None:
        self.index = index
        used = (index.strides > 0) & (index.sizes > 1)[:, None]  # (C, P)
        own = used & (used.sum(axis=1) == 1)[:, None]
        self._own = [np.flatnonzero(column) for column in own.T]
        self._shared = np.flatnonzero(used.sum(axis=1) > 1)
        self._shared_strides = np.where(own, 0, index.strides).T.astype(np.intp)  # (P, C)
        self._distinct = [self._distinct_combinations(p) for p in range(len(self._own))]
        own_rows = [self._steps(p, own)[d] for p, own, d in self._by_place()]
        self._own_rows = _padded(own_rows)  # (P, M)

    def carrier(self, weights: Floats, rng: np.random.Generator) -> Codes:
        """(C,) codes of the network that gains most of `weights`, as far as the search sees."""
        noise = _TIE_NOISE * rng.random(len(weights))
        noise[NO_BLOCK] = 0.0
        best_gain, best = -1.0, self._random_codes(rng)
        for start in range(_STARTS):
            codes = self._random_codes(rng)
            if start == 0:
                self._place_wanted(codes, weights, rng)
            gain = self._climb(codes, weights + noise, rng)
            if gain > best_gain:
                best_gain, best = gain, codes
        codes = self._of_any_size(best, best_gain, weights, rng)
        self._fill(codes, weights + noise)
        return codes

    def _of_any_size(
        self, best: Codes, best_gain: float, weights: Floats, rng: np.random.Generator
    ) -> Codes:
        """One of the settings that gain little less than the best, drawn at random.

        The best is nearly always among the largest networks; what a whole network does to its
        segments must be learnt from networks of every size.
        """
        alike = [best]
        for _ in range(_DRAWS):
            codes = self._random_codes(rng)
            if self._gain(codes, weights) >= _LEAST_GAIN * best_gain:
                alike.append(codes)
        return alike[rng.integers(len(alike))]

    def _climb(self, codes: Codes, weights: Floats, rng: np.random.Generator) -> float:
        """Improves the shared choices one at a time, in place, and returns the gain."""
        gain = self._gain(codes, weights)
        for _ in range(_SWEEPS):
            before = gain
            for choice in rng.permutation(self._shared):
                gain = max(gain, self._best_value(codes, choice, gain, weights))
            if gain == before:
                break
        return gain

    def _best_value(self, codes: Codes, choice: int, gain: float, weights: Floats) -> float:
        kept = codes[choice]
        for value in range(self.index.sizes[choice]):
            codes[choice] = value
            found = self._gain(codes, weights)
            if found > gain:
                gain, kept = found, codes[choice].copy()
        codes[choice] = kept
        return gain

    def _gain(self, codes: Codes, weights: Floats) -> float:
        ids = self._ids(codes)
        chosen = self._choose(ids, weights)
        return float(weights[np.unique(ids[np.arange(len(ids)), chosen])].sum())

    def _fill(self, codes: Codes, weights: Floats) -> None:
        """Sets every place's own choices to its best combination, in place."""
        chosen = self._choose(self._ids(codes), weights)
        for p, own, distinct in self._by_place():
            # Padding behind the last combination repeats the first.
            number = distinct[chosen[p]] if chosen[p] < len(distinct) else distinct[0]
            if len(own):
                codes[own] = np.unravel_index(number, self.index.sizes[own])

    def _ids(self, codes: Codes) -> Ids:
        """(P, M) blocks that each place may have under the shared choices."""
        rows = self.index.offsets + self._shared_strides @ codes
        return self.index.table[rows[:, None] + self._own_rows]

    def _choose(self, ids: Ids, weights: Floats) -> Ids:
        """(P,) the combination of each place that gains most, no block counted twice."""
        gains = weights[ids]
        chosen = np.empty(len(ids), dtype=np.intp)
        for p in range(len(ids)):
            chosen[p] = gains[p].argmax()
            gains[ids == ids[p, chosen[p]]] = 0.0
        return chosen

    def _by_place(self) -> Iterator[tuple[int, Ids, Ids]]:
        """Each place with its own choices and the numbers of their distinct combinations."""
        return zip(range(len(self._own)), self._own, self._distinct, strict=True)

    def _distinct_combinations(self, p: int) -> Ids:
        """Of the place's own combinations those that differ in a block, first ones kept."""
        shared = np.flatnonzero(self._shared_strides[p])
        rows = self._steps(p, shared)[:, None] + self._steps(p, self._own[p])
        blocks = self.index.table[self.index.offsets[p] + rows]
        return np.sort(np.unique(blocks, axis=1, return_index=True)[1])

    def _steps(self, p: int, choices: Ids) -> Ids:
        """Rows to go from a place's first row to each combination of these choices."""
        rows = np.zeros(1, dtype=np.intp)
        for choice in choices:
            steps = np.arange(self.index.sizes[choice]) * int(self.index.strides[choice, p])
            rows = (rows[:, None] + steps).ravel()
        return rows

    def _random_codes(self, rng: np.random.Generator) -> Codes:
        return rng.integers(self.index.sizes).astype(np.int16)

    def _place_wanted(self, codes: Codes, weights: Floats, rng: np.random.Generator) -> None:
        """Sets the choices that put one of the most wanted blocks into the network, in place."""
        wanted = rng.choice(np.flatnonzero(weights == weights.max()))
        row = rng.choice(np.flatnonzero(self.index.table == wanted))
        p = int(np.searchsorted(self.index.offsets, row, side="right")) - 1
        strides = self.index.strides[:, p].astype(np.intp)
        deciding = strides > 0
        steps = (row - self.index.offsets[p]) // strides[deciding]
        codes[deciding] = steps % self.index.sizes[deciding]


def _padded(rows: Sequence[Ids]) -> Ids:
    """(P, M) from rows of unequal length, short ones filled with their first value."""
    longest = max(len(row) for row in rows)
    return np.stack([np.pad(row, (0, longest - len(row)), constant_values=row[0]) for row in rows])


@lru_cache(maxsize=4)
def _planner(index: BlockIndex) -> _Planner:
    return _Planner(index)
