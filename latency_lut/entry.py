"""Entries: what a LUT holds for a segment key, fitted from the networks that it was seen in."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scipy.special import stdtrit

from latency_lut.records import FAILED, GOOD

# All of these are our choice.
_PRIOR_CONTEXTS = 4  # the pooled spread counts like so many contexts of the entry's own
_SPREAD_WITHOUT_PAIRS = 0.10  # relative, while too few segments were seen in two networks
_FEWEST_PAIRS = 5
_LEAST_SPREAD = 0.01  # relative; the agent stops measuring at one percent
_DOUBTFUL_WIDENING = 2.0
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation
_MEDIAN_VARIANCE = math.pi / 2  # variance of a median over that of a mean, many normal samples


@dataclass(frozen=True)
class Context:
    """A segment as timed in one network, its canary taken into account."""

    architecture_id: str
    latency_ns: float
    quality: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a segment costs in a network on this device; low to high holds 95 % of networks."""

    key: str
    latency_ns: int
    low_ns: int
    high_ns: int
    carriers: int
    """Different networks that it was fitted from; as many `samples_ns`."""
    quality: str
    """`good`, or the flag of most samples where none was good."""
    samples_ns: tuple[int, ...]
    set_aside: int = 0
    """Timings beyond these: flagged ones where there are good ones, and further ones of a network
    that was measured more than once."""


def usable(contexts: Iterable[Context]) -> list[Context]:
    """One context an architecture: of the good ones, or of all but failed ones if none is good.

    A network that was measured again shows nothing new of what context does, so its timings count
    as one, their median.
    """
    measured = [c for c in contexts if c.quality != FAILED]
    chosen = [c for c in measured if c.quality == GOOD] or measured
    by_architecture: dict[str, list[Context]] = {}
    for context in chosen:
        by_architecture.setdefault(context.architecture_id, []).append(context)
    return [
        replace(same[0], latency_ns=statistics.median(c.latency_ns for c in same))
        for same in by_architecture.values()
    ]


def fit_entries(contexts: Mapping[str, Sequence[Context]]) -> dict[str, Entry]:
    """An entry for each segment key that was measured at all; keys without a timing have none.

    The latency is the median m over networks. With relative deviations d_i = x_i / m - 1 of n
    networks, the spread between networks is estimated as

        s^2 = (4 s0^2 + sum d_i^2) / (4 + n - 1),

    s0 being the spread pooled over all segments that were seen in at least two networks (1.4826
    times the median of |d_i| sqrt(n / (n - 1))): the few networks of one segment say little of its
    spread, those of all a lot. What the segment takes in a network never seen then lies within

        m (1 ± t s sqrt(1 + c / n)),   t the 97.5 % point of Student's t at 4 + n - 1 degrees,

    the 1 being the new network's own deviation and c / n the median's error (c = 1 up to two
    networks, where it is the mean, else pi / 2). Entries without a good timing get twice the width.
    """
    kept = {key: found for key, seen in contexts.items() if (found := usable(seen))}
    pooled = _pooled_spread(kept.values())
    return {key: _fit(key, kept[key], len(contexts[key]), pooled) for key in kept}


def _fit(key: str, contexts: Sequence[Context], seen: int, pooled: float) -> Entry:
    samples = [c.latency_ns for c in contexts]
    median = statistics.median(samples)
    quality = statistics.mode(c.quality for c in contexts)
    half = _relative_half_width(samples, median, pooled)
    if quality != GOOD:
        half *= _DOUBTFUL_WIDENING
    return Entry(
        key=key,
        latency_ns=round(median),
        low_ns=round(median * max(1 - half, 0.0)),
        high_ns=round(median * (1 + half)),
        carriers=len(samples),
        quality=quality,
        samples_ns=tuple(round(sample) for sample in samples),
        set_aside=seen - len(samples),
    )


def _relative_half_width(samples: Sequence[float], median: float, pooled: float) -> float:
    n = len(samples)
    degrees = _PRIOR_CONTEXTS + n - 1
    squares = sum(d * d for d in _relative_deviations(samples, median))
    spread = math.sqrt((_PRIOR_CONTEXTS * pooled**2 + squares) / degrees)
    median_error = (1.0 if n <= 2 else _MEDIAN_VARIANCE) / n
    return float(stdtrit(degrees, 0.975)) * spread * math.sqrt(1 + median_error)


def _pooled_spread(contexts: Iterable[Sequence[Context]]) -> float:
    pairs = 0
    deviations: list[float] = []
    for seen in contexts:
        n = len(seen)
        if n < 2:
            continue
        pairs += 1
        samples = [c.latency_ns for c in seen]
        found = _relative_deviations(samples, statistics.median(samples))
        deviations += [abs(d) * math.sqrt(n / (n - 1)) for d in found]
    if pairs < _FEWEST_PAIRS:
        return _SPREAD_WITHOUT_PAIRS
    return max(_NORMAL_MAD * statistics.median(deviations), _LEAST_SPREAD)


def _relative_deviations(samples: Sequence[float], median: float) -> list[float]:
    """Zeros for a segment that takes no time: nothing is there to deviate from."""
    return [sample / median - 1 if median else 0.0 for sample in samples]
