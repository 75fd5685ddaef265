"""How well a LUT predicts the networks that it was made from, each left out in turn."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latency_lut.entry import Context, Entry, usable
from latency_lut.leveling import NetworkTerm
from latency_lut.records import GOOD
from latency_lut.timed_network import TimedNetwork

# All of these are our choice.
_FEWEST_NETWORKS = 5
_ERROR_UNCHECKED = 0.10  # relative, until so many networks could be checked
_LEAST_PART = 0.5  # of a network's time must be known from other networks
_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations


@dataclass(frozen=True)
class CommonError:
    """Relative error that the segments of a network share; the half width of a 95 % interval."""

    half_width: float
    networks: int
    """How many networks it was estimated from; 0: it is assumed."""


def check_itself(
    networks: Sequence[TimedNetwork],
    contexts: Mapping[str, Sequence[Context]],
    entries: Mapping[str, Entry],
    term: NetworkTerm,
    canary_spread: float,
) -> CommonError:
    """The error of predicted networks beyond what their entries' own intervals explain.

    Each network is predicted from the other architectures only (the median over their contexts,
    levels taken out, times the network's term), as far as they know its segments, and compared
    with what it took there. Of the relative
    errors, the 95 % point of the absolute values is q; the errors of entries alone would make it
    h = sqrt(sum (half width)^2) / sum latency. The common error is sqrt(q^2 - h^2), h being the
    root mean square over networks, and at least 1.96 times the canary's spread. Networks that
    were flagged count only where fewer than five good ones can be checked.
    """
    usable_contexts = {key: usable(seen) for key, seen in contexts.items()}
    checked = [
        _Checked(timed.quality, abs(error), _explained_share(timed, entries))
        for timed in networks
        if (error := _left_out_error(timed, usable_contexts, term)) is not None
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


def _left_out_error(
    timed: TimedNetwork, good: Mapping[str, Sequence[Context]], term: NetworkTerm
) -> float | None:
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
    whole_ns = np.array([predicted_ns * total_ns / known_ns])
    return known_ns / (predicted_ns * float(term.factor(whole_ns)[0])) - 1


def _explained_share(timed: TimedNetwork, entries: Mapping[str, Entry]) -> float:
    found = [entries[key] for key, _ in timed.segments if key in entries]
    total_ns = sum(e.latency_ns for e in found)
    squares = sum((e.high_ns - e.latency_ns) ** 2 for e in found)
    return math.sqrt(squares) / total_ns if total_ns else 0.0
