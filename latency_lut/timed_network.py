"""A measured network as the LUT sees it: how long each of its segments took."""

from collections.abc import Sequence
from dataclasses import dataclass

from latency_lut.entry import Context


@dataclass(frozen=True)
class TimedNetwork:
    """One phase of a measured network: how long each segment took, canary taken into account."""

    architecture_id: str
    quality: str
    group: str
    """Space and phase: networks of one group are compared with each other."""
    segments: tuple[tuple[str, float], ...]
    """Segment key and nanoseconds, in the order of execution."""


def contexts_by_key(networks: Sequence[TimedNetwork]) -> dict[str, list[Context]]:
    """For each segment key one context a network: the mean over the places where it stood."""
    found: dict[str, list[Context]] = {}
    for timed in networks:
        times: dict[str, list[float]] = {}
        for key, latency_ns in timed.segments:
            times.setdefault(key, []).append(latency_ns)
        for key, latencies_ns in times.items():
            mean_ns = sum(latencies_ns) / len(latencies_ns)
            context = Context(timed.architecture_id, mean_ns, timed.quality)
            found.setdefault(key, []).append(context)
    return found


def group_of(space: str, phase: str) -> str:
    """The group of a space's networks in a phase, given by its key."""
    return f"{space}/{phase}"
