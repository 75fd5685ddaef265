"""Which networks to measure, so that every segment is seen in several of them with few runs.

A covering design: each carrier is the network that holds most segments not seen yet, as far as a
greedy search finds it.

Letters: C choices, P places, M the most combinations of one place's own choices.
"""

from collections.abc import Mapping
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


def next_carrier(
    space: Space,
    seen: Mapping[str, int],
    precision: str,
    rng: np.random.Generator,
    contexts_wanted: int = 2,
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
    """
    planner = _planner(block_index(space, precision))
    wanted = _weights(planner.index, seen, contexts_wanted)
    if not wanted.any():
        return None
    codes = planner.carrier(wanted, rng)
    return space.decode(codes)
