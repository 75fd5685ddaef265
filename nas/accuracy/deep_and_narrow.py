"""Which networks a supernet of texts learns in: deep and narrow ones more often than by chance.

Drawn uniformly, the last layers of a decoder take part in few steps, as few networks are so deep,
and the numbers that all widths share follow the wide ones. So a network is drawn in proportion to
how rare the places are at which it has a block, and to how narrow it is.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from search_spaces import Architecture, Segment, Space

_UNIFORM = 1000  # networks, our choice: a place of 4 % of them is known within a sixth


class DeepAndNarrow:
    """Draws architectures of a space. Which ones follows from the random numbers given alone."""

    def __init__(self, space: Space) -> None:
        self._space = space
        rng = np.random.default_rng(0)
        networks = [space.segments(space.sample(rng)) for _ in range(_UNIFORM)]
        standing = Counter(s.place for network in networks for s in network)
        self._rarity = {place: len(networks) / count for place, count in standing.items()}
        self._most = max(map(self._weight, networks))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """One network, by rejection; more weight than any uniform one had counts as that one's."""
        while True:
            architecture = self._space.sample(rng)
            weight = self._weight(self._space.segments(architecture))
            if rng.random() * self._most < weight:
                return architecture

    def _weight(self, network: Sequence[Segment]) -> float:
        rarity = sum(self._rarity.get(segment.place, _UNIFORM) for segment in network)
        return rarity / (sum(map(_numbers_in, network)) / len(network))


def _numbers_in(segment: Segment) -> int:
    """That its block takes in for each token: a measure of width that all families have."""
    return sum(
        math.prod(size for size in spec.shape if isinstance(size, int))
        for spec in segment.block.specs().values()
    )
