"""Contexts: what each segment key took in each network that it was seen in."""

from collections.abc import Sequence

import pandas as pd

from latency_lut.fit.timed_table import Floats, TimedTable
from latency_lut.records import GOOD

COLUMNS = ("key", "architecture_id", "quality", "latency_ns", "nodes")


def sightings_of(table: TimedTable, share_ns: Floats) -> pd.DataFrame:
    """One row (`COLUMNS`) for each segment key of each measured network.

    Args:
        table: of measured networks, none of them failed.
        share_ns: (R,) what each segment took; the mean where a key stands at several places.
    """
    rows = pd.DataFrame(
        {"network": table.network, "key": table.key, "ns": share_ns, "nodes": table.nodes}
    )
    means = rows.groupby(["network", "key"], as_index=False).mean()
    networks = means["network"].to_numpy()
    return pd.DataFrame(
        {
            "key": [table.keys[k] for k in means["key"]],
            "architecture_id": [table.architecture_ids[n] for n in networks],
            "quality": [table.qualities[n] for n in networks],
            "latency_ns": means["ns"].to_numpy(),
            "nodes": means["nodes"].to_numpy(),
        }
    )


def contexts_of(sightings: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One row for each segment key and architecture, with `seen` sightings of the key in all.

    Of the good sightings of a key, or of all if none is good. A network that was measured again
    shows nothing new of what context does: its timings count as one, their median.
    """
    rows = pd.concat([frame for frame in sightings if len(frame)], ignore_index=True)
    rows["seen"] = rows.groupby("key")["key"].transform("size")
    good = rows["quality"] == GOOD
    has_good = good.groupby(rows["key"]).transform("any")
    kept = rows[good | ~has_good]
    return kept.groupby(["key", "architecture_id"], as_index=False, sort=False).agg(
        quality=("quality", "first"),
        latency_ns=("latency_ns", "median"),
        nodes=("nodes", "median"),
        seen=("seen", "first"),
    )
