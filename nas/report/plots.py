"""The picture of a front as a PNG file."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nas.front_row import Report
from nas.report.chart_data import FrontChart, Mark, front_chart
from nas.report.wording import summary

# Okabe and Ito's palette, told apart with any colour vision; marks differ in shape as well.
MEASURED_COLOUR = "#0072B2"
PREDICTED_COLOUR = "#D55E00"
_BUDGET_COLOUR = "#333333"
_CLOUD_COLOUR = "#9AA0A6"
TEXT_COLOUR = "#222222"
LINE_COLOUR = "#56606B"
_SIZE_INCHES = (8.0, 5.0)
DPI = 200
_TITLE_CHARACTERS = 58  # as many as stand above the axes in one line
_PAD_INCHES = 0.12


def write_front_png(report: Report, path: Path) -> None:
    """Draws the front into a PNG file of 1600 by 1000 pixels."""
    draw_front(report).savefig(path, dpi=DPI)


def draw_front(report: Report) -> Figure:
    """Quality over latency: evaluated networks, the front with error bars, the budget."""
    chart = front_chart(report)
    figure = new_figure(_SIZE_INCHES)
    axes = figure.add_subplot()
    draw_titles(axes, chart.title, summary(report))
    draw_frame(axes, chart.x_label, chart.y_label)
    axes.set_xlim(chart.x.low, chart.x.high)
    axes.set_ylim(chart.y.low, chart.y.high)
    _cloud(axes, chart)
    _front(axes, chart)
    _budget(axes, chart)
    if not chart.front and not chart.cloud:
        axes.text(0.5, 0.6, "nothing evaluated yet", transform=axes.transAxes, ha="center")
    draw_legend(figure, axes)
    return figure


def new_figure(size_inches: tuple[float, float]) -> Figure:
    """An empty figure that makes room for what stands around its axes."""
    layout = ConstrainedLayoutEngine(w_pad=_PAD_INCHES, h_pad=_PAD_INCHES)
    figure = Figure(figsize=size_inches, layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def draw_titles(axes: Axes, title: str, subtitle: str) -> None:
    """What it is and what came out; names may hold a dollar, which is no formula here."""
    axes.set_title(
        title if len(title) <= _TITLE_CHARACTERS else f"{title[:_TITLE_CHARACTERS]}…",
        loc="left",
        pad=25,
        fontsize=13,
        fontweight="bold",
        color=TEXT_COLOUR,
        parse_math=False,
    )
    axes.annotate(
        subtitle,
        xy=(0, 1),
        xytext=(0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=10.5,
        color=LINE_COLOUR,
        parse_math=False,
    ).set_in_layout(False)  # a long line must not make the axes narrow


def draw_frame(axes: Axes, x_label: str, y_label: str) -> None:
    """A light grid, two axes and what they show."""
    axes.set_xlabel(x_label, fontsize=11, color=TEXT_COLOUR)
    axes.set_ylabel(y_label, fontsize=11, color=TEXT_COLOUR)
    axes.grid(color="#E6E8EB", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#8A8F98")
    axes.tick_params(colors=TEXT_COLOUR, labelsize=10)


def _cloud(axes: Axes, chart: FrontChart) -> None:
    if not chart.cloud:
        return
    outside = f" ({chart.outside} outside)" if chart.outside else ""
    axes.scatter(
        [mark.x for mark in chart.cloud],
        [mark.y for mark in chart.cloud],
        s=16,
        color=_CLOUD_COLOUR,
        alpha=0.45,
        linewidths=0,
        label=f"evaluated{outside}",
        zorder=2,
    )


def _front(axes: Axes, chart: FrontChart) -> None:
    if not chart.front:
        return
    xs, ys = zip(*chart.steps, strict=True)
    axes.plot(xs, ys, color=LINE_COLOUR, linewidth=1.4, label="front", zorder=3)
    predicted = [mark for mark in chart.front if not mark.measured]
    measured = [mark for mark in chart.front if mark.measured]
    _marks(axes, measured, MEASURED_COLOUR, filled=True, label="measured")
    _marks(axes, predicted, PREDICTED_COLOUR, filled=False, label="predicted")


def _budget(axes: Axes, chart: FrontChart) -> None:
    if chart.budget_ms is None:
        return
    hint = "" if chart.budget_shown else " (further right)"
    dashes = (0, (5, 3))
    label = f"budget {chart.budget_ms:g} ms{hint}"
    axes.axvline(
        chart.budget_ms, color=_BUDGET_COLOUR, linewidth=1.3, linestyle=dashes, label=label
    )
    if chart.budget_shown:
        axes.axvspan(chart.budget_ms, chart.x.high, color=_CLOUD_COLOUR, alpha=0.12, linewidth=0)


def _marks(axes: Axes, marks: list[Mark], colour: str, *, filled: bool, label: str) -> None:
    if not marks:
        return
    axes.errorbar(
        [mark.x for mark in marks],
        [mark.y for mark in marks],
        xerr=[[m.x - m.x_low for m in marks], [m.x_high - m.x for m in marks]],
        fmt="o" if filled else "D",
        markersize=6 if filled else 5.5,
        markerfacecolor=colour if filled else "white",
        markeredgecolor="white" if filled else colour,
        markeredgewidth=0.9 if filled else 1.5,
        ecolor=colour,
        elinewidth=1.4,
        capsize=3,
        linestyle="none",
        label=label,
        zorder=4 if filled else 3.5,
    )


def draw_legend(figure: Figure, axes: Axes) -> None:
    """One row below the axes, where nothing can lie under it."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i].startswith("budget"))
    if handles:
        figure.legend(
            [handles[i] for i in order],
            [labels[i] for i in order],
            loc="outside lower center",
            ncols=len(handles),
            frameon=False,
            fontsize=10,
        )
