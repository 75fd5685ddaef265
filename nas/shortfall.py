"""Why a study has no front: its least violating network, and which budget would have to give."""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Context

from nas.front import Front, excesses
from nas.front_row import FrontRow
from nas.study import StudySettings
from search_spaces import Architecture

_ROUND_UP = Context(prec=3, rounding=ROUND_CEILING)  # so that the budget told does let it in
_OPTIONS = {"latency": "--max-latency-ms", "memory": "--max-memory-mib"}


def shortfall(study: str, front: Front, settings: StudySettings, smallest: Architecture) -> str:
    """Two lines; the second is the least violating network.

    Args:
        study: its name.
        front: without rows.
        settings: with the budgets.
        smallest: network of the space; told of where it was evaluated.
    """
    nearest = front.least_violating
    if nearest is None:
        return f"study {study!r} has evaluated no network yet"
    told = [
        f"{nearest.architecture.id}, {_taken(nearest)}, {nearest.quality_name} "
        f"{nearest.quality:.4f}{_misses(nearest, settings)}"
    ]
    if nearest.trial in front.failed:
        told.append(front.failed[nearest.trial])
    told += _ways(front, settings)
    for row in front.evaluated:
        if row.architecture == smallest:
            taken = "is the nearest" if row == nearest else f"takes {_taken(row)}"
            told.append(f"the smallest network of the space {taken}")
    return (
        f"none of {len(front.evaluated)} networks of study {study!r} meets the budget. Nearest: "
        f"{'; '.join(told)}\n{nearest.architecture.to_json()}"
    )


def _taken(row: FrontRow) -> str:
    source = "measured" if row.verified else "predicted"
    return f"up to {row.shown_high_ms:.4g} ms, {row.shown_memory_mib:.4g} MiB {source}"


def _misses(row: FrontRow, settings: StudySettings) -> str:
    budgets = {"latency": settings.max_latency_ms, "memory": settings.max_memory_mib}
    return "".join(
        f", {100 * share:.3g} % over {_OPTIONS[name]} {budgets[name]:g}"
        for name, share in excesses(row, settings).items()
        if share > 0
    )


def _ways(front: Front, settings: StudySettings) -> list[str]:
    """Budgets that would let a network in: the least of each kind alone, else both."""
    runs = [row for row in front.evaluated if row.trial not in front.failed]
    if not runs:
        return []
    names = excesses(runs[0], settings).keys()
    ways = [_alone(name, runs, settings) for name in names]
    found = [way for way in ways if way] or [_let_in(runs[0], *names)]
    return [f"{' or '.join(found)}, under another --study name"]


def _alone(name: str, rows: Sequence[FrontRow], settings: StudySettings) -> str:
    """The least of one budget that lets a network in with the other one unchanged; maybe none."""
    within = [
        row
        for row in rows
        if all(over <= 0 for other, over in excesses(row, settings).items() if other != name)
    ]
    return _let_in(min(within, key=lambda row: _amount(name, row)), name) if within else ""


def _let_in(row: FrontRow, *names: str) -> str:
    amounts = [(name, _ROUND_UP.create_decimal_from_float(_amount(name, row))) for name in names]
    told = " with ".join(f"{_OPTIONS[name]} {amount:f}" for name, amount in amounts)
    return f"{told} would let {row.architecture.id} in"


def _amount(name: str, row: FrontRow) -> float:
    return row.shown_high_ms if name == "latency" else row.shown_memory_mib
