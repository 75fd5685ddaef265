"""How well a LUT predicts the networks that it was made from, each left out in turn."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from latency_lut.entry import Entry
from latency_lut.records import GOOD
from latency_lut.timed_table import Floats, TimedTable

# All of these are our choice.
_FEWEST_NETWORKS = 5
_ERROR_UNCHECKED = 0.10  # relative, until so many networks could be checked
_LEAST_PART = 0.5  # of a network's time must be known from other networks
_COVERAGE = 0.95  # of networks never seen, by the interval
_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations


@dataclass(frozen=True)
class CommonError:
    """Relative error that the segments of a network share; the half width of a 95 % interval."""

    half_width: float
    networks: int
    """How many networks it was estimated from; 0: it is assumed."""


def check_itself(
    table: TimedTable,
    contexts: pd.DataFrame,
    entries: dict[str, Entry],
    added_ns: Floats,
    canary_spread: float,
) -> CommonError:
    """The error of the networks themselves, each predicted from the others (`common_error`).

    Each network is predicted from the other architectures only (the median over their contexts,
    plus what the network's term adds), as far as they know its segments, and compared with what it
    took. Networks that were flagged count only where fewer than five good ones can be checked.
    """
    rows = _left_out(table, contexts, entries)
    known = rows["others_ns"].notna()
    known_ns = table.by_network((rows["own_ns"] * known).to_numpy())
    total_ns = table.by_network(rows["own_ns"].to_numpy())
    others_ns = table.by_network(rows["others_ns"].fillna(0.0).to_numpy())
    part = np.divide(known_ns, total_ns, out=np.zeros_like(total_ns), where=total_ns > 0)
    checkable = (part >= _LEAST_PART) & (others_ns > 0)
    good = checkable & (np.array(table.qualities) == GOOD)
    kept = good if good.sum() >= _FEWEST_NETWORKS else checkable
    half_ns = np.sqrt(table.by_network(rows["half_ns"].to_numpy() ** 2))
    predicted_ns = others_ns[kept] / part[kept] + added_ns[kept]
    return common_error(table.latency_ns[kept], predicted_ns, half_ns[kept], canary_spread)


def common_error(
    measured_ns: Floats, predicted_ns: Floats, half_ns: Floats, canary_spread: float
) -> CommonError:
    """The error of predicted networks beyond what their entries' own intervals explain.

    Of the absolute relative errors of m networks, q is the one of rank 0.95 (m + 1) from below,
    on the line between its neighbours (split conformal prediction: V. Vovk, A. Gammerman,
    G. Shafer, Algorithmic Learning in a Random World, 2005, which takes the next whole rank; with
    fewer than forty networks that is the largest of all, and covers more than it says). The errors
    of entries alone would make it h = sqrt(sum (half width)^2) / latency. The common error is sqrt(q^2 - h^2), h being the root
    mean square over networks, and at least 1.96 times the canary's spread.

    Args:
        measured_ns: (m,) assumed to be off by a tenth where m is below five.
        predicted_ns: (m,) without knowledge of the measurement.
        half_ns: (m,) half width of the prediction's interval by the entries alone.
        canary_spread: relative standard deviation.
    """
    floor = _SIGMAS * canary_spread
    if len(measured_ns) < _FEWEST_NETWORKS:
        return CommonError(max(_ERROR_UNCHECKED, floor), 0)
    errors = np.abs(measured_ns / predicted_ns - 1)
    largest = float(np.quantile(errors, _COVERAGE, method="weibull"))
    beyond = largest**2 - float(((half_ns / predicted_ns) ** 2).mean())
    return CommonError(max(math.sqrt(max(beyond, 0.0)), floor), len(errors))


def _left_out(table: TimedTable, contexts: pd.DataFrame, entries: dict[str, Entry]) -> pd.DataFrame:
    """(R,) of each segment: its entry, the entry's half width, and what other networks say."""
    others = contexts[["key", "architecture_id"]].assign(others_ns=_median_of_others(contexts))
    found = [entries[key] for key in table.keys]
    keys = np.array(table.keys, dtype=object)[table.key]
    rows = pd.DataFrame(
        {
            "key": keys,
            "architecture_id": np.array(table.architecture_ids, dtype=object)[table.network],
            "own_ns": np.array([e.latency_ns for e in found], dtype=float)[table.key],
            "half_ns": np.array([e.high_ns - e.latency_ns for e in found], dtype=float)[table.key],
        }
    )
    merged = rows.merge(others, on=["key", "architecture_id"], how="left")
    # A network whose own sighting was set aside is predicted by the entry as it is.
    in_contexts = merged["key"] + merged["architecture_id"]
    own = set(contexts["key"] + contexts["architecture_id"])
    absent = ~in_contexts.isin(own)
    merged.loc[absent, "others_ns"] = merged.loc[absent, "own_ns"]
    return merged


def _median_of_others(contexts: pd.DataFrame) -> Floats:
    """For each context the median of the other contexts of its key; NaN for the only one."""
    order = np.lexsort((contexts["latency_ns"], contexts["key"].astype("category").cat.codes))
    ordered = contexts["latency_ns"].to_numpy()[order]
    codes = contexts["key"].astype("category").cat.codes.to_numpy()[order]
    start = np.searchsorted(codes, codes, side="left")
    size = np.searchsorted(codes, codes, side="right") - start
    rank = np.arange(len(codes)) - start
    left = size - 1  # contexts without this one
    lower, upper = np.maximum(left - 1, 0) // 2, left // 2
    last = len(ordered) - 1
    low = ordered[np.minimum(start + lower + (lower >= rank), last)]
    high = ordered[np.minimum(start + upper + (upper >= rank), last)]
    found = np.empty(len(contexts))
    found[order] = np.where(left > 0, (low + high) / 2, np.nan)
    return found
