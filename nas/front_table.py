"""The front as rows for a table or JSON, and the verdict when nothing meets the budgets."""

from collections.abc import Mapping

from nas.errors import NothingMeetsBudget
from nas.front import Front
from nas.front_row import FrontRow
from nas.shortfall import shortfall
from nas.study import StudySettings
from search_spaces import Architecture


def front_documents(front: Front) -> list[dict[str, object]]:
    """The contract's fields, a mapping a network, fastest first."""
    return [_document(row) for row in front.rows]


def front_cells(front: Front) -> list[dict[str, object]]:
    """What fits on a screen, a mapping a network, fastest first."""
    return [_cells(row) for row in front.rows]


def require_feasible(
    study: str, front: Front, settings: StudySettings, smallest: Architecture
) -> None:
    """Raises `NothingMeetsBudget`, telling what would have to give, when there is no front."""
    if not front.rows:
        raise NothingMeetsBudget(shortfall(study, front, settings, smallest))


def _document(row: FrontRow) -> dict[str, object]:
    return {
        "trial": row.trial,
        "arch": {"id": row.architecture.id, **_choices(row)},
        row.quality_name: row.quality,
        "standard_error": row.standard_error,
        "latency_ms": row.latency_ms,
        "low_ms": row.low_ms,
        "high_ms": row.high_ms,
        "memory_mib": row.memory_mib,
        "prefill_ms": row.prefill_ms,
        "params": row.params,
        "macs": row.macs,
        "verified": row.verified,
        "measured_ms": row.measured_ms,
        "measured_low_ms": row.measured_low_ms,
        "measured_high_ms": row.measured_high_ms,
        "measured_memory_mib": row.measured_memory_mib,
        "measured_prefill_ms": row.measured_prefill_ms,
    }


def _choices(row: FrontRow) -> Mapping[str, object]:
    architecture = row.architecture
    return {"space": architecture.space, "choices": dict(architecture.choices)}


def _cells(row: FrontRow) -> dict[str, object]:
    cells: dict[str, object] = {
        "trial": row.trial,
        "arch": row.architecture.id,
        row.quality_name: row.quality,
        "predicted ms": f"{row.latency_ms:.3g} ({row.low_ms:.3g} to {row.high_ms:.3g})",
        "measured ms": row.measured_ms,
        "memory MiB": row.shown_memory_mib,
        "params": row.params,
        "verified": row.verified,
    }
    return cells | ({} if row.prefill_ms is None else {"prefill ms": row.shown_prefill_ms})
