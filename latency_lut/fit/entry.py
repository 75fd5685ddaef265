"""Entries: what a LUT holds for a segment key, fitted from the networks that it was seen in."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from latency_lut.fit.timed_table import Floats, Ids
from latency_lut.records import GOOD

# All of these are our choice.
_PRIOR_CONTEXTS = 4  # the pooled spread counts like so many contexts of the entry's own
_SPREAD_WITHOUT_PAIRS = 0.10  # relative, while too few segments were seen in two networks
_FEWEST_PAIRS = 5
_LEAST_SPREAD = 0.01  # relative; the agent stops measuring at one percent
_DOUBTFUL_WIDENING = 2.0
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation
_MEDIAN_VARIANCE = math.pi / 2  # variance of a median over that of a mean, many normal samples


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a segment costs in a network on this device; low to high holds 95 % of networks."""

    key: str
    latency_ns: int
    low_ns: int
    high_ns: int
    carriers: int
    """Different networks that it was fitted from; as many `samples_ns`."""
    nodes: float
    """Of the runtime's graph, usually; a half where it is even."""
    quality: str
    """`good`, or the flag of most samples where none was good."""
    samples_ns: tuple[int, ...]
    set_aside: int = 0
    """Timings beyond these: flagged ones where there are good ones, and further ones of a network
    that was measured more than once."""


def fit_entries(contexts: pd.DataFrame, latencies_ns: Mapping[str, float]) -> dict[str, Entry]:
    """An entry for each segment key of `contexts` (as `contexts_of` gives them).

    The latency e is that of `latencies_ns`. With x_i what the segment took in n networks, m their
    median and d_i = x_i / m - 1, the spread between networks is estimated as

        s^2 = (4 s0^2 + sum d_i^2) / (4 + n - 1),

    s0 being the spread pooled over all segments that were seen in at least two networks (1.4826
    times the median of |d_i| sqrt(n / (n - 1))): the few networks of one segment say little of its
    spread, those of all a lot. What the segment takes in a network never seen then lies within

        e (1 ± t s sqrt(1 + c / n)),   t the 97.5 % point of Student's t at 4 + n - 1 degrees,

    the 1 being the new network's own deviation and c / n the median's error (c = 1 up to two
    networks, where it is the mean, else pi / 2). Entries without a good timing get twice the width.
    """
    by_key = contexts.groupby("key", sort=False)
    median_ns = by_key["latency_ns"].transform("median").to_numpy()
    latency_ns = contexts["latency_ns"].to_numpy()
    # A segment that takes no time has nothing to deviate from.
    deviations = (
        np.divide(latency_ns, median_ns, out=np.ones_like(median_ns), where=median_ns > 0) - 1.0
    )
    pooled = _pooled_spread(deviations, by_key["key"].transform("size").to_numpy())
    columns = {str(name): contexts[name].to_numpy() for name in contexts}
    entries = {}
    for key, rows in by_key.indices.items():
        half = _relative_half_width(len(rows), float((deviations[rows] ** 2).sum()), pooled)
        values = {name: column[rows] for name, column in columns.items()}
        entries[str(key)] = _entry(str(key), latencies_ns[str(key)], values, half)
    return entries


def _entry(key: str, latency_ns: float, contexts: Mapping[str, Any], half: float) -> Entry:
    """Of one key, with the half width of its interval as a share of its latency."""
    samples = contexts["latency_ns"]
    quality = statistics.mode(contexts["quality"])
    if quality != GOOD:
        half *= _DOUBTFUL_WIDENING
    return Entry(
        key=key,
        latency_ns=round(latency_ns),
        low_ns=round(latency_ns * max(1 - half, 0.0)),
        high_ns=round(latency_ns * (1 + half)),
        carriers=len(samples),
        nodes=float(np.median(contexts["nodes"])),
        quality=quality,
        samples_ns=tuple(round(sample) for sample in samples.tolist()),
        set_aside=int(contexts["seen"][0]) - len(samples),
    )


def _relative_half_width(n: int, squares: float, pooled: float) -> float:
    degrees = _PRIOR_CONTEXTS + n - 1
    spread = math.sqrt((_PRIOR_CONTEXTS * pooled**2 + squares) / degrees)
    median_error = (1.0 if n <= 2 else _MEDIAN_VARIANCE) / n
    return float(stdtrit(degrees, 0.975)) * spread * math.sqrt(1 + median_error)


def _pooled_spread(deviations: Floats, n: Ids) -> float:
    """Over the contexts of keys that were seen in n networks each, n given for each context."""
    paired = n > 1
    if (1 / n[paired]).sum() < _FEWEST_PAIRS - 0.5:  # each key counts as one
        return _SPREAD_WITHOUT_PAIRS
    found = np.abs(deviations[paired]) * np.sqrt(n[paired] / (n[paired] - 1))
    return max(_NORMAL_MAD * float(np.median(found)), _LEAST_SPREAD)
