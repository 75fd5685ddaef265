"""The note that a study carries in the dashboard: what was searched and the front as a table."""

import re

from nas.front_row import FrontRow, Report
from nas.report.wording import (
    budget_text,
    has_prefill,
    headline,
    ms_text,
    quality_number,
    quality_title,
)

_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$-])")


def study_note(report: Report) -> str:
    """Markdown; names and reasons in it are escaped, so that they show as they are."""
    parts = [
        f"## {escaped(report.study)}",
        f"**{escaped(headline(report))}**",
        _searched(report),
        _front_table(report) if report.front else "",
        _dropped_list(report) if report.dropped else "",
        "How it was made:",
        "\n".join(f"    {_one_line(command)}" for command in report.commands),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """The text as one line of Markdown that shows it literally."""
    return _MARKDOWN_SIGNS.sub(r"\\\1", _one_line(text))


def _searched(report: Report) -> str:
    facts = {
        "space": report.space,
        "device": report.device,
        "precision": report.precision,
        "data": report.data,
        "sampler": report.sampler,
        "accuracy by": report.accuracy,
        "budget": budget_text(report) or "none",
        "evaluated": str(len(report.evaluated)),
    }
    return ", ".join(f"{name}: {escaped(value)}" for name, value in facts.items()) + "."


def _front_table(report: Report) -> str:
    names = ["trial", quality_title(report.quality_name), "predicted (ms)", "measured (ms)"]
    names += ["prefill (ms)"] if has_prefill(report) else []
    names += ["memory (MiB)", "architecture"]
    lines = [names, ["---:"] * len(names)]
    lines += [_cells(row, prefill=has_prefill(report)) for row in report.front]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cells(row: FrontRow, *, prefill: bool) -> list[str]:
    predicted = f"{ms_text(row.latency_ms)} ({ms_text(row.low_ms)} to {ms_text(row.high_ms)})"
    measured = "not yet" if row.ratio is None else f"**{ms_text(row.shown_ms)}**"
    cells = [str(row.trial), quality_number(row), predicted, measured]
    if prefill:
        cells.append("" if row.shown_prefill_ms is None else ms_text(row.shown_prefill_ms))
    return [*cells, ms_text(row.shown_memory_mib), row.architecture.id]


def _dropped_list(report: Report) -> str:
    lines = [f"- trial {item.row.trial}: {escaped(item.reason)}" for item in report.dropped]
    return "Dropped when measured:\n\n" + "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
