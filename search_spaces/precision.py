"""Number formats that networks run in, and what each means for which block.

A precision is part of the segment key, so the meaning of a name never depends on the space: what
becomes of a block follows from the block alone. Blocks of fixed shape (images) and blocks over
sequences, whose tensors have symbolic sizes, are quantized in different ways.
"""

from collections.abc import Mapping
from types import MappingProxyType

from search_spaces.block import Block
from search_spaces.errors import SpaceError

FP32 = "fp32"
INT8 = "int8"
INT4 = "int4"

_FLOATS = (
    "floats stay: norms, embeddings, routers, products of activations, "
    "MCSD's state and channel-wise projections"
)
PRECISIONS: Mapping[str, str] = MappingProxyType(
    {
        FP32: "32-bit floats throughout",
        INT8: f"8-bit weights, in blocks of fixed shape 8-bit activations too; {_FLOATS}",
        INT4: f"4-bit weights in groups of 32, activations floats; {_FLOATS}",
    }
)
"""What each name stands for, in a line."""


def is_sequential(block: Block) -> bool:
    """Whether the block works on sequences of any length: some size in its specs is a symbol.

    Ranges of activations over sequences are not fixed in advance, and a decode step waits for the
    weights, not for the arithmetic; so of these blocks only the weights are quantized.
    """
    return any(isinstance(size, str) for spec in block.specs().values() for size in spec.shape)


def check_precision(precision: str, offered: tuple[str, ...] = tuple(PRECISIONS)) -> None:
    """Raises SpaceError, naming those that there are, for a precision not on offer."""
    if precision not in offered:
        raise SpaceError(f"no precision {precision!r} here; there are: {', '.join(offered)}")
