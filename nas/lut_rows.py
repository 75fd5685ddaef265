"""What `nas lut show` tells of segments and choices: rows for programs, cells for people."""

from collections.abc import Iterable, Sequence

from latency_lut import GOOD, Ceilings, DominatedChoice, Entry, Lut, domination, roofline
from nas.campaign.ledger import space_keys
from nas.units import MS
from search_spaces import Space

Row = dict[str, object]

_GIGA = 1e-9


def segment_rows(space: Space, lut: Lut, ceilings: Ceilings | None) -> list[Row]:
    """A row for each segment of the space that the LUT knows, dearest first.

    `spread` is half the interval's width over the latency. `ceiling_gflop_s` and `ceiling_gb_s` are
    the device's, the same in all rows, and `ceiling_quality` is their flag. `bound` and what comes
    after it is None where the ceilings are not known; `dominated_by` is the segment key that makes
    this one pointless, or None.
    """
    keys = space_keys(space, lut.precision)
    entries = [entry for key, entry in lut.entries.items() if key in keys]
    dominating = domination(space, lut).by_key
    return [
        {
            **_cost_fields(e),
            **_roofline_fields(e, lut, ceilings),
            "dominated_by": dominating.get(e.key),
        }
        for e in sorted(entries, key=lambda entry: -entry.latency_ns)
    ]


def _cost_fields(entry: Entry) -> Row:
    half_ns = (entry.high_ns - entry.low_ns) / 2
    return {
        "segment": entry.key,
        "latency_ms": entry.latency_ns * MS,
        "low_ms": entry.low_ns * MS,
        "high_ms": entry.high_ns * MS,
        "spread": half_ns / entry.latency_ns if entry.latency_ns else None,
        "carriers": entry.carriers,
        "quality": entry.quality,
    }


def _roofline_fields(entry: Entry, lut: Lut, ceilings: Ceilings | None) -> Row:
    found = roofline(entry, lut.costs[entry.key], ceilings)
    return {
        "gflop_s": _giga(found.flops_per_s),
        "gb_s": _giga(found.bytes_per_s),
        "flop_per_byte": found.flops_per_byte,
        "ceiling_gflop_s": _giga(None if ceilings is None else ceilings.flops_per_s),
        "ceiling_gb_s": _giga(None if ceilings is None else ceilings.bytes_per_s),
        "ceiling_quality": None if ceilings is None else ceilings.quality,
        "bound": found.bound,
        "ceiling_share": found.ceiling_share,
        "wastes_bandwidth": found.wastes_bandwidth if found.bound else None,
    }


def _giga(rate: float | None) -> float | None:
    return None if rate is None else rate * _GIGA


SEGMENT_COLUMNS = ("segment", "ms", "±", "nets", "GFLOP/s", "GB/s", "of ceiling", "remarks")


def segment_cells(rows: Sequence[Row]) -> list[list[object]]:
    """Cells under `SEGMENT_COLUMNS`; what the keys of all rows end in is for the title."""
    ending = common_ending(rows)
    return [
        [
            str(row["segment"]).removesuffix(ending),
            row["latency_ms"],
            _percent(row["spread"]),
            row["carriers"],
            row["gflop_s"],
            row["gb_s"],
            f"{_percent(row['ceiling_share'])} {row['bound']}" if row["bound"] else None,
            _remarks(row),
        ]
        for row in rows
    ]


def common_ending(rows: Sequence[Row]) -> str:
    """Phase and precision, for example `@infer/fp32`, if all segment keys end in the same ones."""
    endings = {"@" + str(row["segment"]).rpartition("@")[2] for row in rows}
    return endings.pop() if len(endings) == 1 else ""


def ceiling_words(ceilings: Ceilings | None) -> str:
    """What the device does at its best, for a title; says so where it is not known."""
    if ceilings is None:
        return "ceilings not measured yet: the next nas profile does"
    flops, bytes_ = ceilings.flops_per_s * _GIGA, ceilings.bytes_per_s * _GIGA
    doubt = "" if ceilings.quality == GOOD else f" ({ceilings.quality})"
    return f"ceilings {flops:.3g} GFLOP/s and {bytes_:.3g} GB/s{doubt}"


def _remarks(row: Row) -> str:
    remarks = (
        (row["quality"] != GOOD, str(row["quality"])),
        (row["wastes_bandwidth"], "wastes bandwidth"),
        (row["dominated_by"], "dominated"),
    )
    return ", ".join(words for holds, words in remarks if holds)


def _percent(share: object) -> str | None:
    return f"{share:.0%}" if isinstance(share, float) else None


def dominated_rows(choices: Iterable[DominatedChoice]) -> list[Row]:
    """A row for each dominated choice, in the same order."""
    return [
        {
            "places": list(found.places),
            "choice": found.choice,
            "dominated_by": found.by,
            "contexts": found.contexts,
            "compared": found.compared,
            "faster_share": found.faster_share,
        }
        for found in choices
    ]


DOMINATED_COLUMNS = ("places", "choice", "dominated by", "faster by", "in contexts")


def dominated_cells(choices: Iterable[DominatedChoice]) -> list[list[object]]:
    """Cells under `DOMINATED_COLUMNS`."""
    return [
        [
            ", ".join(found.places),
            found.choice,
            found.by,
            _percent(found.faster_share),
            f"{found.contexts} of {found.compared}",
        ]
        for found in choices
    ]
