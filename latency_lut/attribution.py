"""The runtime's node times shared out to segments, so that they add up to the unprofiled time."""

from collections.abc import Sequence
from dataclasses import dataclass

from latency_lut.errors import AttributionError
from latency_lut.records import NodeTiming
from search_spaces import place_of

_BELONGS_TO_NEXT = frozenset({"ReorderInput"})
"""Layout nodes that prepare what follows; other nodes without a name belong to what was before."""


@dataclass(frozen=True)
class Share:
    """What one place of a network took: `latency_ns` of the unprofiled run, `node_ns` profiled."""

    place: str
    nodes: int
    node_ns: int
    latency_ns: int


def attribute(
    nodes: Sequence[NodeTiming], latency_ns: int, places: Sequence[str]
) -> tuple[Share, ...]:
    """One share for each place, in the order given; the shares add up to `latency_ns` exactly.

    Profiling slows a network down, so node times only divide the time of the unprofiled run. A
    place without nodes of its own (the runtime fused them into another's, or folded them away)
    gets a share of 0.

    Args:
        nodes: in the order of execution.
        latency_ns: of the whole network, unprofiled.
        places: every place of the network.

    Raises:
        AttributionError: a node belongs to a place that the network does not have, no node
            belongs to any, or all took no time.
    """
    owners = _owners(nodes, frozenset(places))
    node_ns = dict.fromkeys(places, 0)
    counts = dict.fromkeys(places, 0)
    for node, owner in zip(nodes, owners, strict=True):
        node_ns[owner] += node.duration_ns
        counts[owner] += 1
    if sum(node_ns.values()) == 0:
        raise AttributionError("the profile has no node that took time; measure the network again")
    shares_ns = _apportion(latency_ns, list(node_ns.values()))
    return tuple(
        Share(place, counts[place], node_ns[place], share_ns)
        for place, share_ns in zip(places, shares_ns, strict=True)
    )


def _owners(nodes: Sequence[NodeTiming], places: frozenset[str]) -> list[str]:
    """The place of each node; nodes without one get that of a neighbour."""
    named = [place_of(node.name) for node in nodes]
    for node, place in zip(nodes, named, strict=True):
        if place is not None and place not in places:
            raise AttributionError(
                f"node {node.name!r} is of place {place!r}, which the network does not have: "
                "the profile is of another network"
            )
    before = _carried_on(named)
    after = _carried_on(named[::-1])[::-1]
    owners: list[str] = []
    for node, earlier, later in zip(nodes, before, after, strict=True):
        first, second = (later, earlier) if node.op_type in _BELONGS_TO_NEXT else (earlier, later)
        owner = first if first is not None else second
        if owner is None:
            raise AttributionError("no node of the profile has the name of a place")
        owners.append(owner)
    return owners


def _carried_on(named: Sequence[str | None]) -> list[str | None]:
    """Each None replaced by the last place before it."""
    last: str | None = None
    filled = []
    for place in named:
        last = place if place is not None else last
        filled.append(last)
    return filled


def _apportion(total: int, weights: Sequence[int]) -> list[int]:
    """`total` in proportion to `weights`, in integers that add up to it (largest remainders)."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: -(total * weights[i] % whole))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares
