"""How blocks on vectors share weights: a narrower network has a part of each channel.

Mixers of MCSD cut a vector into channels of consecutive numbers, each with its own reach. If a
narrow network had the leading numbers of a wide one, its second channel would read what the first
one of the wide network reads, and what a weight learns for one would be wrong for the other. So it
has the leading numbers of each channel, in all blocks that such vectors pass.
"""

import torch

from search_spaces.block import Block

MOST_CHANNELS = 8
"""Into which a vector is cut; a mixer with 4 has two of these in each of its own."""


class VectorBlock(Block):
    """A block that reads or writes vectors of D numbers, one for each token."""

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Along D the leading part of each channel, of all else the leading part.

        The last dimension of a weight runs along D. Override it where that is not so.
        """
        large = leading_of_each(large, -1, shape[-1], MOST_CHANNELS)
        return super().slice_weight(name, large, shape)


def leading_of_each(large: torch.Tensor, dimension: int, size: int, parts: int) -> torch.Tensor:
    """`size` in all of one dimension: as many leading ones of each of its equal parts.

    Args:
        large: any shape.
        dimension: of it; -1 is the last one.
        size: at most what it has there.
        parts: how many; where they are not equal, before or after, it is the leading ones of all.
    """
    whole, dimension = large.shape[dimension], dimension % large.ndim
    if size == whole or whole % parts or size % parts:
        return large.narrow(dimension, 0, size)
    before, after = large.shape[:dimension], large.shape[dimension + 1 :]
    split = large.reshape(*before, parts, whole // parts, *after)
    return split.narrow(dimension + 1, 0, size // parts).reshape(*before, size, *after)
