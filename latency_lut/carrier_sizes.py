"""Which networks carriers lack, whatever their segments: all sizes, and the corners of the space.

What belongs to a whole network (`fit.network_term`) is learnt from networks as small and as large
as those that are predicted by it.
"""

import math
from collections.abc import Sequence

import numpy as np

from latency_lut.fit.network_line import FEWEST_NETWORKS
from search_spaces import Architecture, Space, Value

# All of these are our choice.
_SIZE_DRAWS = 200  # random networks that tell which sizes a space has
_LEAST_SIZE_SHARE = 0.5  # of the share that a size has among them
_EVEN_NETWORKS = 5  # of the largest size
_EVEN_DRAWS = 50  # a small space may not have so many


def balancing_carriers(
    space: Space, ran: Sequence[Architecture], rng: np.random.Generator
) -> list[Architecture]:
    """Random networks of the sizes, in segments, that carriers lack; none where all are there.

    None either while carriers are so few that nothing of whole networks is learnt from them.

    Large networks cover most, but what a network costs as a whole must be learnt from small ones
    too. Of each quarter of the space's random networks, by size, carriers shall hold at least half
    as large a share.

    Args:
        space: whose networks they are.
        ran: carriers so far.
        rng: draws the networks.
    """
    if len(ran) < FEWEST_NETWORKS:
        return []
    drawn = [space.sample(rng) for _ in range(_SIZE_DRAWS)]
    sizes = np.array([len(space.segments(architecture)) for architecture in drawn])
    bounds = np.unique(np.quantile(sizes, [0.25, 0.5, 0.75], method="higher"))
    quarters = np.searchsorted(bounds, sizes)
    had = np.searchsorted(bounds, [len(space.segments(a)) for a in ran])
    found = []
    for quarter in np.unique(quarters):
        share = float(np.mean(quarters == quarter))
        lacking = math.ceil(_LEAST_SIZE_SHARE * share * len(ran)) - int((had == quarter).sum())
        fresh = {drawn[i].id: drawn[i] for i in np.flatnonzero(quarters == quarter)}
        for architecture in ran:
            fresh.pop(architecture.id, None)
        found += list(fresh.values())[: max(lacking, 0)]
    return found


def corner_carriers(
    space: Space, ran: Sequence[Architecture], rng: np.random.Generator
) -> list[Architecture]:
    """Networks at the ends of the space that carriers lack; none where all are there.

    None either while carriers are so few that nothing of whole networks is learnt from them.

    A search ends at the corners of a space, where random networks hardly are: with the same block
    everywhere, and as large as can be, so that no cache holds them. Carriers shall have the
    smallest network, the largest, and others of the largest size in which choices that offer the
    same values have the same one.

    Args:
        space: whose networks they are.
        ran: carriers so far.
        rng: draws the networks.
    """
    if len(ran) < FEWEST_NETWORKS:
        return []
    had = {architecture.id for architecture in ran}
    wanted = {a.id: a for a in (space.smallest(), space.largest())}
    even = sum(_is_even(space, architecture) for architecture in ran)
    for _ in range(_EVEN_DRAWS):
        if even >= _EVEN_NETWORKS:
            break
        drawn = _even_network(space, rng)
        even += drawn.id not in had | wanted.keys()
        wanted[drawn.id] = drawn
    return [architecture for architecture in wanted.values() if architecture.id not in had]


def _alike(space: Space) -> dict[tuple[Value, ...], list[str]]:
    """Names of the choices that offer the same values."""
    alike: dict[tuple[Value, ...], list[str]] = {}
    for choice in space.choices:
        alike.setdefault(choice.values, []).append(choice.name)
    return alike


def _even_network(space: Space, rng: np.random.Generator) -> Architecture:
    """One value for all choices that offer the same ones; the last, where only one offers them."""
    choices: dict[str, Value] = {}
    for values, names in _alike(space).items():
        value = values[-1] if len(names) == 1 else values[rng.integers(len(values))]
        choices |= dict.fromkeys(names, value)
    return space.architecture(choices)


def _is_even(space: Space, architecture: Architecture) -> bool:
    for values, names in _alike(space).items():
        chosen = {architecture.choices[name] for name in names if name in architecture.choices}
        if len(chosen) > 1 or (len(names) == 1 and chosen and chosen != {values[-1]}):
            return False
    return True
