"""A LUT that knows every segment of a space, its numbers made up by the test."""

from collections.abc import Callable
from dataclasses import replace

from latency_lut import Entry, Lut, Store
from latency_lut.block_index import block_index
from search_spaces import Block, Phase, SegmentCost, Space
from tests.latency_lut.networks import PROFILE

Latency = Callable[[Block, Phase], int]
COST = SegmentCost(
    params=10,
    active_params=10,
    macs=20,
    weight_bytes=40,
    peak_bytes=8,
    state_bytes=0,
    lasting_bytes=0,
)


def filled(
    store: Store,
    space: Space,
    latency_ns: Latency,
    *,
    cost: Callable[[Block], SegmentCost] = lambda _: COST,
    quality: Callable[[Block], str] = lambda _: "good",
    spread: float = 0.01,
) -> Lut:
    """A LUT that knows every segment of the space, its intervals so wide to either side."""
    entries, costs = {}, {}
    index = block_index(space, "fp32")
    for block, keys in zip(index.blocks, index.keys, strict=True):
        for key, phase in zip(keys, space.phases, strict=True):
            ns = latency_ns(block, phase)
            entries[key] = Entry(
                key=key,
                latency_ns=ns,
                low_ns=round(ns * (1 - spread)),
                high_ns=round(ns * (1 + spread)),
                carriers=2,
                nodes=1.0,
                quality=quality(block),
                samples_ns=(ns, ns),
            )
            costs[key] = cost(block)
    return replace(store.lut(PROFILE.id), entries=entries, costs=costs)
