"""A study as files for people: `front.csv`, `front.png` and one self-contained `report.html`."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nas.front_row import FrontRow, Report
from nas.report.chart_data import AgreementChart, FrontChart, agreement_chart, front_chart
from nas.report.plots import write_front_png
from nas.report.svg_frame import SvgFrame
from nas.report.time_shares import time_shares
from nas.report.wording import (
    count_text,
    flat_facts,
    has_prefill,
    headline,
    ms_text,
    quality_number,
    quality_text,
    quality_title,
)

_TEMPLATES = Path(__file__).parent / "templates"
_WIDE = (760, 430)
_NARROW = (380, 340)  # the width of a phone, so that its text is not shrunk
_SQUARE = (380, 380)


@dataclass(frozen=True)
class ReportFiles:
    """Where `write_report` put the report."""

    csv: Path
    png: Path
    html: Path


def write_report(report: Report, folder: Path) -> ReportFiles:
    """Writes `front.csv`, `front.png` and `report.html`; an older report there is replaced.

    Raises:
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(folder / "front.csv", folder / "front.png", folder / "report.html")
    front_frame(report).to_csv(files.csv, index=False)
    write_front_png(report, files.png)
    files.html.write_text(render_html(report), encoding="utf-8")
    return files


def front_frame(report: Report) -> pd.DataFrame:
    """The front, a row a network, sorted by latency.

    The first nine columns are fixed: trial, arch (canonical JSON), accuracy or bits_per_byte,
    latency_ms, low_ms, high_ms, memory_mib, verified, measured_ms. More may follow them.
    """
    columns = list(_frame_row(report.front[0])) if report.front else _columns(report)
    return pd.DataFrame([_frame_row(row) for row in report.front], columns=columns)


def render_html(report: Report) -> str:
    """One HTML page that needs nothing else: no network, no script."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ms": ms_text, "count": count_text}
    front, agreement = front_chart(report), agreement_chart(report)
    return environment.get_template("report.html.j2").render(
        report=report,
        chips=_chips(report),
        headline=_unbroken(headline(report)),
        quality_title=quality_title(report.quality_name),
        quality=quality_text,
        quality_cell=quality_number,
        coverage_percent=100 * report.coverage_known / max(report.coverage_total, 1),
        prefill=has_prefill(report),
        front=front,
        front_frames=_front_frames(front),
        agreement=agreement,
        agreement_frame=_agreement_frame(agreement),
        shares=time_shares(report),
        facts=flat_facts(report.device_facts),
        commands=report.commands,
    )


def _unbroken(sentence: str) -> str:
    """Numbers stay on one line with their units."""
    return sentence.replace(" ms", "\u00a0ms").replace(" %", "\u00a0%").replace(" MiB", "\u00a0MiB")


def _chips(report: Report) -> dict[str, str]:
    return {
        "space": report.space,
        "device": report.device,
        "precision": report.precision,
        "data": report.data,
        "sampler": report.sampler,
        "accuracy by": report.accuracy,
        "evaluated": str(len(report.evaluated)),
        "begun": report.created,
    }


def _frame_row(row: FrontRow) -> dict[str, object]:
    return {
        "trial": row.trial,
        "arch": row.architecture.to_json(),
        row.quality_name: row.quality,
        "latency_ms": row.latency_ms,
        "low_ms": row.low_ms,
        "high_ms": row.high_ms,
        "memory_mib": row.memory_mib,
        "verified": row.verified,
        "measured_ms": row.measured_ms if row.verified else None,
        "measured_low_ms": row.measured_low_ms if row.verified else None,
        "measured_high_ms": row.measured_high_ms if row.verified else None,
        "measured_memory_mib": row.measured_memory_mib if row.verified else None,
        "prefill_ms": row.prefill_ms,
        "measured_prefill_ms": row.measured_prefill_ms if row.verified else None,
        "standard_error": row.standard_error,
        "params": row.params,
        "macs": row.macs,
        "id": row.architecture.id,
    }


def _columns(report: Report) -> list[str]:
    """Those of a row, for a front that has none."""
    fixed = "latency_ms low_ms high_ms memory_mib verified measured_ms".split()
    more = "measured_low_ms measured_high_ms measured_memory_mib".split()
    more += "prefill_ms measured_prefill_ms standard_error".split()
    return ["trial", "arch", report.quality_name, *fixed, *more, "params", "macs", "id"]


def _front_frames(chart: FrontChart) -> dict[str, SvgFrame]:
    """The same picture for wide and for narrow screens, by CSS class."""
    return {
        name: SvgFrame(width=width, height=height, x_range=chart.x, y_range=chart.y)
        for name, (width, height) in {"wide": _WIDE, "narrow": _NARROW}.items()
    }


def _agreement_frame(chart: AgreementChart | None) -> SvgFrame | None:
    if chart is None:
        return None
    width, height = _SQUARE
    return SvgFrame(width=width, height=height, x_range=chart.both, y_range=chart.both)
