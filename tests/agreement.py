"""How far records agree, on a shared machine where even undisturbed ones do not fully."""

import statistics
from collections import defaultdict
from collections.abc import Iterable

FEWEST = 2  # a single record is its own median, and would pass for one that agrees
MOST_OFF = 1.5  # our choice: a stopped clock or half a machine costs more


def off_median(records: Iterable[tuple[str, float, str]]) -> dict[str, dict[str, float]]:
    """How far records are from the median of their network's, as ratios from 1 up.

    Args:
        records: network and phase, latency in units of the canary (as the LUT takes it, since
            boards that share a core slow each other down), and of what kind the record is.

    Returns:
        By kind, of networks with FEWEST records or more: number of records, median and worst
        ratio, and how many are above MOST_OFF.
    """
    by_network = defaultdict(list)
    for network, canaries, kind in records:
        by_network[network].append((canaries, kind))
    off = defaultdict(list)
    for alike in by_network.values():
        if len(alike) < FEWEST:
            continue
        median = statistics.median(canaries for canaries, _ in alike)
        for canaries, kind in alike:
            off[kind].append(max(canaries / median, median / canaries))
    return {
        kind: {
            "records": len(ratios),
            "median": round(statistics.median(ratios), 3),
            "worst": round(max(ratios), 3),
            "far": sum(ratio > MOST_OFF for ratio in ratios),
        }
        for kind, ratios in off.items()
    }


def agree(off: dict[str, dict[str, float]], kind: str, others: str) -> bool:
    """Whether records of a kind are as near to the median as others, or one kind is missing."""
    if not {kind, others} <= off.keys():
        return True
    return all(off[kind][name] <= MOST_OFF * off[others][name] for name in ("median", "worst"))
