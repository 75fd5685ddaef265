"""A space turned into arrays: which block stands at each place, for any encoded architecture.

Letters: C choices, P places, R rows (every combination of choices of every place).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from latency_lut.errors import BadCodes
from search_spaces import Block, Choice, Codes, Place, Space, Value, segment_key

Ids = npt.NDArray[np.intp]

NO_BLOCK = 0
"""Id of "nothing stands here"; real blocks count from 1."""

_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True, kw_only=True, eq=False)
class BlockIndex:
    """Every block that may stand in a network of a space, and where to look it up.

    The block at place p is `table[offsets[p] + codes @ strides[:, p]]`: one matrix product gives
    all rows of a batch.
    """

    space: Space
    precision: str
    blocks: tuple[Block, ...]
    """Block of id i at i - 1."""
    keys: tuple[tuple[str, ...], ...]
    """For each block its segment key in every phase."""
    table: Ids
    """(R,) block ids."""
    offsets: Ids
    """(P,) first row of each place."""
    strides: npt.NDArray[np.float32 | np.float64]
    """(C, P) step in rows for each step of a choice; whole numbers."""
    sizes: Codes
    """(C,) number of values of each choice."""

    def block_ids(self, codes: Codes) -> Ids:
        """(P, n) block ids of the architectures `codes` (n, C), as `Space.encode` gives them."""
        # A choice without effect (-1) may count as its first value: the block is the same for all.
        values = np.maximum(codes, 0).astype(self.strides.dtype)
        rows = self.strides.T @ values.T  # (P, n)
        rows += self.offsets[:, None].astype(self.strides.dtype)
        return self.table.take(rows.astype(np.intp))

    def checked(self, codes: Codes) -> Codes:
        """The codes (n, C), if they can be of this space.

        Raises:
            BadCodes: another shape, no integers, or a value that a choice does not have.
        """
        expected = f"expected (n, {len(self.sizes)}) integers as Space.encode gives them"
        if codes.ndim != 2 or codes.shape[1] != len(self.sizes):
            raise BadCodes(f"codes of shape {codes.shape}; {expected}")
        if not np.issubdtype(codes.dtype, np.integer):
            raise BadCodes(f"codes of type {codes.dtype}; {expected}")
        if len(codes) and (codes.max(axis=0) >= self.sizes).any():
            position = int((codes.max(axis=0) >= self.sizes).argmax())
            name, code = self.space.choices[position].name, int(codes[:, position].max())
            raise BadCodes(f"choice {name!r} has no value of index {code}")
        return codes


def block_index(space: Space, precision: str) -> BlockIndex:
    """The index of a space; made once and kept for the spaces that were asked for last."""
    return _kept_index(_ByIdentity(space), precision)


def make_block_index(space: Space, precision: str) -> BlockIndex:
    """The index of a space, made anew: some 0.1 s for a thousand blocks."""
    numbers: dict[Block, int] = {}
    position = {choice.name: i for i, choice in enumerate(space.choices)}
    strides = np.zeros((len(space.choices), len(space.places)))
    tables: list[Ids] = []
    for p, place in enumerate(space.places):
        chain = space.choices_of(place)
        table = _place_table(place, chain, numbers)
        tables.append(table.ravel())
        for choice, stride in zip(chain, table.strides, strict=True):
            strides[position[choice.name], p] = stride // table.itemsize
    starts = np.cumsum([0, *(len(table) for table in tables)])[:-1]
    blocks = tuple(numbers)
    return BlockIndex(
        space=space,
        precision=precision,
        blocks=blocks,
        keys=tuple(tuple(segment_key(b, p, precision) for p in space.phases) for b in blocks),
        table=np.concatenate(tables),
        offsets=starts.astype(np.intp),
        strides=strides.astype(_float_type(sum(len(table) for table in tables))),
        sizes=np.array([len(choice.values) for choice in space.choices], dtype=np.int16),
    )


def _float_type(rows: int) -> type[np.float32 | np.float64]:
    """Only floats have fast matrix products; row numbers must be exact in them."""
    return np.float32 if rows < _EXACT_IN_FLOAT32 else np.float64


def _place_table(place: Place, chain: Sequence[Choice], numbers: dict[Block, int]) -> Ids:
    """Block ids for all combinations of `chain`: what `Space.blocks_at` says, without repetition.

    New blocks are added to `numbers`. Combinations that differ only in choices without effect are
    filled at once, which saves most of the calls to `make`.
    """
    table = np.zeros([len(choice.values) for choice in chain], dtype=np.intp)
    for where, values in _combinations(chain, (), {}):
        block = place.make({name: values[name] for name in place.depends_on if name in values})
        if block is not None:
            table[where] = numbers.setdefault(block, len(numbers) + 1)
    return table


_Where = tuple[int | slice, ...]


def _combinations(
    chain: Sequence[Choice], where: _Where, active: Mapping[str, Value]
) -> Iterator[tuple[_Where, Mapping[str, Value]]]:
    if len(where) == len(chain):
        yield where, active
        return
    choice = chain[len(where)]
    if not choice.is_active(active):
        yield from _combinations(chain, (*where, slice(None)), active)
        return
    for i, value in enumerate(choice.values):
        yield from _combinations(chain, (*where, i), {**active, choice.name: value})


class _ByIdentity:
    """Makes a space a key of a cache: spaces hold mappings and functions, which have no hash."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def __hash__(self) -> int:
        return id(self.space)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.space is self.space


@lru_cache(maxsize=4)
def _kept_index(handle: _ByIdentity, precision: str) -> BlockIndex:
    return make_block_index(handle.space, precision)
