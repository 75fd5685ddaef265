"""Numbers and sentences as people read them: in tables, pictures, the report and the dashboard."""

import math
from collections.abc import Mapping
from dataclasses import replace

from nas.front_row import FrontRow, QualityName, Report

_METRIC_STEPS = ((1e9, " G"), (1e6, " M"), (1e3, " k"))


def ms_text(value_ms: float) -> str:
    """Three significant digits, without a unit: 0.123, 4.21, 12.3, 1234."""
    if not math.isfinite(value_ms) or value_ms == 0:
        return f"{value_ms:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value_ms))))
    return f"{value_ms:.{decimals}f}"


def count_text(count: int) -> str:
    """Three significant digits with k, M or G: 980, 1.23 M."""
    for step, suffix in _METRIC_STEPS:
        if count >= step:
            return ms_text(count / step) + suffix
    return str(count)


def quality_text(value: float, name: QualityName, standard_error: float | None = None) -> str:
    """`96.14 %`, or `2.134 bits per byte`; with ± one standard error where there is one."""
    scale, decimals, unit = (100, 2, " %") if name == "accuracy" else (1, 3, " bits per byte")
    doubt = "" if standard_error is None else f" ± {scale * standard_error:.{decimals}f}"
    return f"{scale * value:.{decimals}f}{doubt}{unit}"


def quality_number(row: FrontRow) -> str:
    """The quality without its unit, for a column that names it."""
    text = quality_text(row.quality, row.quality_name, row.standard_error)
    return text.removesuffix(" %").removesuffix(" bits per byte")


def quality_title(name: QualityName) -> str:
    """Name of the objective for the head of a column or an axis, with its unit."""
    return "accuracy (%)" if name == "accuracy" else "bits per byte (lower is better)"


def latency_title(report: Report) -> str:
    """Name of the latency for an axis; of a language network it is that of one token."""
    return "latency of one token (ms)" if has_prefill(report) else "latency (ms)"


def has_prefill(report: Report) -> bool:
    """Whether the networks are language models, with a prefill time beside the decode time."""
    return any(row.prefill_ms is not None for row in (*report.front, *report.evaluated))


def budget_text(report: Report) -> str:
    """`10 ms and 64 MiB`; empty without budgets."""
    parts = []
    if report.max_latency_ms is not None:
        parts.append(f"{report.max_latency_ms:g} ms")
    if report.max_memory_mib is not None:
        parts.append(f"{report.max_memory_mib:g} MiB")
    return " and ".join(parts)


def headline(report: Report) -> str:
    """The result in one sentence."""
    if not report.evaluated and not report.front:
        return f"Nothing has been evaluated for {report.device} yet."
    if not report.front:
        return _empty_headline(report)
    budget = budget_text(report)
    within = f" within {budget}" if budget else ""
    number = len(report.front)
    what = "One network is" if number == 1 else f"{number} networks are"
    fastest, best = _ends(report)
    span = _row_text(report, best)
    if fastest is not best:
        span = f"from {_row_text(report, fastest)} to {span}"
    return f"{what} on the front for {report.device}{within}, {_proof(report)}: {span}."


def summary(report: Report) -> str:
    """The result in half a line, to stand under a title that names device and data."""
    if not report.front:
        return f"{len(report.evaluated)} evaluated, none on the front"
    number, measured = len(report.front), len(report.verified)
    proof = "all measured" if measured == number else f"{measured} measured"
    fastest, best = _ends(report)
    quality = quality_text(best.quality, best.quality_name)
    latency = f"{ms_text(best.shown_ms)} ms"
    if fastest is not best:
        quality = f"{quality_number(replace(fastest, standard_error=None))} to {quality}"
        latency = f"{ms_text(fastest.shown_ms)} to {latency}"
    return f"{number} on the front, {proof}: {quality} in {latency}"


def flat_facts(facts: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested facts as rows of text: `{"cpu": {"cores": 4}}` becomes `{"cpu cores": "4"}`."""
    rows: dict[str, str] = {}
    for name, value in facts.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            rows |= flat_facts(value, f"{label} ")
        elif isinstance(value, list | tuple):
            rows[label] = ", ".join(str(item) for item in value)
        elif value is not None:
            rows[label] = str(value)
    return rows


def _empty_headline(report: Report) -> str:
    number, budget = len(report.evaluated), budget_text(report)
    if not budget:
        return f"{number} evaluated on {report.device}, none of them on the front."
    fastest = min(report.evaluated, key=lambda row: row.shown_high_ms)
    smallest = min(report.evaluated, key=lambda row: row.shown_memory_mib)
    return (
        f"None of {number} evaluated networks holds {budget} on {report.device}: the fastest takes "
        f"up to {ms_text(fastest.shown_high_ms)} ms, the smallest "
        f"{ms_text(smallest.shown_memory_mib)} MiB."
    )


def _proof(report: Report) -> str:
    measured, number = len(report.verified), len(report.front)
    if measured == 0:
        return "predicted, not measured yet"
    if measured < number:
        return f"{measured} of them measured on it"
    return "measured on it" if number == 1 else "every one measured on it"


def _ends(report: Report) -> tuple[FrontRow, FrontRow]:
    """The fastest and the best of the front; a slow one may be there for its memory alone."""
    sign = 1 if report.quality_name == "accuracy" else -1
    fastest = min(report.front, key=lambda row: row.shown_ms)
    return fastest, max(report.front, key=lambda row: sign * row.quality)


def _row_text(report: Report, row: FrontRow) -> str:
    each = " a token" if has_prefill(report) else ""
    quality = quality_text(row.quality, row.quality_name)
    return f"{quality} in {ms_text(row.shown_ms)} ms{each}"
