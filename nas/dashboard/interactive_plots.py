"""The pictures of a front as Plotly figures, for the dashboard."""

from collections.abc import Iterable, Sequence
from html import escape

import plotly.graph_objects as go

from nas.front_row import Report
from nas.report.chart_data import AgreementChart, FrontChart, Mark, agreement_chart, front_chart
from nas.report.plots import MEASURED_COLOUR, PREDICTED_COLOUR

_DIGITS = 5  # significant; what is stored with a study stays small


def front_figure(report: Report) -> go.Figure:
    """Quality over latency with error bars, before the evaluated networks."""
    chart = front_chart(report)
    figure = go.Figure(layout=_layout(chart.title, chart.x_label, chart.y_label))
    figure.add_trace(_cloud(chart))
    figure.add_trace(
        go.Scatter(
            x=_short(x for x, _ in chart.steps),
            y=_short(y for _, y in chart.steps),
            mode="lines",
            line={"color": "#56606B", "width": 1.5},
            name="front",
            hoverinfo="skip",
        )
    )
    for measured in (True, False):
        marks = [mark for mark in chart.front if mark.measured is measured]
        if marks:
            figure.add_trace(_marks(marks, measured=measured, vertical=False))
    if chart.budget_ms is not None:
        figure.add_vline(
            x=chart.budget_ms,
            line={"dash": "dash", "width": 1.5},
            annotation_text=f"budget {chart.budget_ms:g} ms",
        )
    return figure


def agreement_figure(report: Report) -> go.Figure:
    """Measured over predicted latency with the identity; says so where nothing was measured."""
    chart = agreement_chart(report)
    title = "Nothing measured yet" if chart is None else _agreement_title(chart)
    figure = go.Figure(layout=_layout(title, "predicted (ms)", "measured (ms)"))
    if chart is None:
        return figure
    ends = _short((chart.both.low, chart.both.high))
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"color": "#56606B", "dash": "dash", "width": 1.2},
            name="as predicted",
            hoverinfo="skip",
        )
    )
    figure.add_trace(_marks(chart.marks, measured=True, vertical=True))
    return figure


def _agreement_title(chart: AgreementChart) -> str:
    number = len(chart.marks)
    return f"Measured against predicted: {chart.close} of {number} within 10 %"


def _layout(title: str, x_label: str, y_label: str) -> dict[str, object]:
    """Without Plotly's own theme, which the dashboard replaces by its own and is 7 kB long."""
    return {
        "template": "none",
        "title": {"text": escape(title)},  # Plotly takes its texts for HTML
        "xaxis": {"title": {"text": x_label}},
        "yaxis": {"title": {"text": y_label}},
        "hovermode": "closest",
    }


def _cloud(chart: FrontChart) -> go.Scatter:
    return go.Scatter(
        x=_short(mark.x for mark in chart.cloud),
        y=_short(mark.y for mark in chart.cloud),
        text=[mark.trial for mark in chart.cloud],
        hovertemplate="trial %{text}<extra></extra>",
        mode="markers",
        marker={"color": "#9AA0A6", "size": 5, "opacity": 0.5},
        name="evaluated",
    )


def _marks(marks: Sequence[Mark], *, measured: bool, vertical: bool) -> go.Scatter:
    colour = MEASURED_COLOUR if measured else PREDICTED_COLOUR
    return go.Scatter(
        x=_short(mark.x for mark in marks),
        y=_short(mark.y for mark in marks),
        error_x={
            "type": "data",
            "symmetric": False,
            "array": _short(mark.x_high - mark.x for mark in marks),
            "arrayminus": _short(mark.x - mark.x_low for mark in marks),
        },
        error_y={
            "type": "data",
            "symmetric": False,
            "array": _short(mark.y_high - mark.y for mark in marks),
            "arrayminus": _short(mark.y - mark.y_low for mark in marks),
            "visible": vertical,
        },
        text=[mark.text for mark in marks],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker={"color": colour, "size": 9, "symbol": "circle" if measured else "diamond-open"},
        name="measured" if measured else "predicted",
    )


def _short(values: Iterable[float]) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in values]
