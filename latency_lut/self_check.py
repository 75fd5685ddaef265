"""How well a LUT predicts the networks that it was made from, each left out in turn."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latency_lut.entry import Context, Entry, usable
from latency_lut.records import GOOD

# All of these are our choice.
_FEWEST_NETWORKS = 5
_ERROR_UNCHECKED = 0.10  # relative, until so many networks could be checked
_LEAST_PART = 0.5  # of a network's time must be known from other networks
_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations


@dataclass(frozen=True)
class TimedNetwork:
    """One phase of a measured network: how long each segment took, canary taken into account."""

    network: int
    architecture_id: str
    quality: str
    segments: tuple[tuple[str, float], ...]
    """Segment key and nanoseconds, in the order of execution."""


@dataclass(frozen=True)
class CommonError:
    """Relative error that the segments of a network share; the half width of a 95 % interval."""

    half_width: float
    networks: int
    """How many networks it was estimated from; 0: it is assumed."""


def contexts_by_key(networks: Sequence[TimedNetwork]) -> dict[str, list[Context]]:
    """For each segment key one context a network: the mean over the places where it stood."""
    found: dict[str, list[Context]] = {}
    for timed in networks:
        times: dict[str, list[float]] = {}
        for key, latency_ns in timed.segments:
            times.setdefault(key, []).append(latency_ns)
        for key, latencies_ns in times.items():
            context = Context(
                timed.network,
                timed.architecture_id,
                sum(latencies_ns) / len(latencies_ns),
                timed.quality,
            )
            found.setdefault(key, []).append(context)
    return found


def check_itself(
    networks: Sequence[TimedNetwork],
    contexts: Mapping[str, Sequence[Context]],
    entries: Mapping[str, Entry],
    canary_spread: float,
) -> CommonError:
    """The error of predicted networks beyond what their entries' own intervals explain.

    Each network is predicted from the other architectures only (the median over their contexts),
    as far as they know its segments, and compared with what it took there. Of the relative
    errors, the 95 % point of the absolute values is q; the errors of entries alone would make it
    h = sqrt(sum (half width)^2) / sum latency. The common error is sqrt(q^2 - h^2), h being the
    root mean square over networks, and at least 1.96 times the canary's spread. Networks that
    were flagged count only where fewer than five good ones can be checked.
    """
    usable_contexts = {key: usable(seen) for key, seen in contexts.items()}
    checked = [
        _Checked(timed.quality, abs(error), _explained_share(timed, entries))
        for timed in networks
        if (error := _left_out_error(timed, usable_contexts)) is not None
    ]
    good = [network for network in checked if network.quality == GOOD]
    kept = good if len(good) >= _FEWEST_NETWORKS else checked
    floor = _SIGMAS * canary_spread
    if len(kept) < _FEWEST_NETWORKS:
        return CommonError(max(_ERROR_UNCHECKED, floor), 0)
    beyond = float(np.quantile([c.error for c in kept], 0.95)) ** 2
    beyond -= statistics.fmean(c.explained**2 for c in kept)
    return CommonError(max(math.sqrt(max(beyond, 0.0)), floor), len(kept))


@dataclass(frozen=True)
class _Checked:
    """A network's relative error, and the one that its entries alone explain."""

    quality: str
    error: float
    explained: float


def _left_out_error(timed: TimedNetwork, good: Mapping[str, Sequence[Context]]) -> float | None:
    """Measured over predicted, less 1; None where others know less than half of the network."""
    predicted_ns = known_ns = total_ns = 0.0
    for key, latency_ns in timed.segments:
        total_ns += latency_ns
        others = [
            c.latency_ns for c in good.get(key, ()) if c.architecture_id != timed.architecture_id
        ]
        if others:
            predicted_ns += statistics.median(others)
            known_ns += latency_ns
    if predicted_ns == 0 or known_ns < _LEAST_PART * total_ns:
        return None
    return known_ns / predicted_ns - 1


def _explained_share(timed: TimedNetwork, entries: Mapping[str, Entry]) -> float:
    found = [entries[key] for key, _ in timed.segments if key in entries]
    total_ns = sum(e.latency_ns for e in found)
    squares = sum((e.high_ns - e.latency_ns) ** 2 for e in found)
    return math.sqrt(squares) / total_ns if total_ns else 0.0
