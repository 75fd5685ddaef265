"""How far records agree, on a shared machine where even undisturbed ones do not fully."""

import statistics
from collections import defaultdict
from collections.abc import Iterable

FEWEST = 2  # a single record is its own median, and would pass for one that agrees
MOST_OFF = 1.5  # our choice: a stopped clock or half a machine costs more


def ratios(records: Iterable[tuple[str, float]]) -> list[float | None]:
    """How far each record is from the median of its network's, as a ratio from 1 up.

    Args:
        records: network and phase, and latency in units of the canary (as the LUT takes it, since
            boards that share a core slow each other down).

    Returns:
        A ratio for each; None for those of networks with fewer than FEWEST records.
    """
    records = list(records)
    by_network = defaultdict(list)
    for network, canaries in records:
        by_network[network].append(canaries)
    medians = {n: statistics.median(c) for n, c in by_network.items() if len(c) >= FEWEST}
    return [
        max(canaries / medians[network], medians[network] / canaries)
        if network in medians
        else None
        for network, canaries in records
    ]


def off_median(records: Iterable[tuple[str, float, str]]) -> dict[str, dict[str, float]]:
    """Of records as `ratios` takes them, each with its kind, what is off by how much.

    Returns:
        By kind: number of records that can be compared, median and worst ratio, and how many are
        above MOST_OFF.
    """
    records = list(records)
    off = defaultdict(list)
    compared = ratios((network, canaries) for network, canaries, _ in records)
    for (_, _, kind), ratio in zip(records, compared, strict=True):
        if ratio is not None:
            off[kind].append(ratio)
    return {
        kind: {
            "records": len(found),
            "median": round(statistics.median(found), 3),
            "worst": round(max(found), 3),
            "far": sum(ratio > MOST_OFF for ratio in found),
        }
        for kind, found in off.items()
    }


def agree(off: dict[str, dict[str, float]], kind: str, others: str) -> bool:
    """Whether records of a kind are as near to the median as others, or one kind is missing."""
    if not {kind, others} <= off.keys():
        return True
    return all(off[kind][name] <= MOST_OFF * off[others][name] for name in ("median", "worst"))
