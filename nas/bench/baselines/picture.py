"""The picture of a front beside what people would have picked."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from nas.bench.baselines.comparison import Compared, counts, middle
from nas.bench.baselines.label_places import Label, place_labels
from nas.front_row import FrontRow
from nas.report.plots import (
    DPI,
    LINE_COLOUR,
    MEASURED_COLOUR,
    TEXT_COLOUR,
    draw_frame,
    draw_legend,
    draw_titles,
    new_figure,
)
from nas.report.wording import quality_title

_SIZE_INCHES = (9.0, 6.0)
_LARGE_INCHES = (12.0, 8.0)
_MANY = 30  # our choice: more names than that want the large picture
# Of Okabe and Ito's palette, as the front's colour; families differ in shape as well.
_FAMILY_STYLES = (("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"))
_LOG_FROM = 5.0  # our choice: beyond such a ratio the fast ones would be squeezed into a corner
_MARGIN = 0.05  # our choice: empty share of an axis beyond the outermost mark


@dataclass(frozen=True, kw_only=True)
class Spot:
    """A network in the picture, with its interval and one standard error."""

    x: float
    x_low: float
    x_high: float
    y: float
    doubt: float


def write_picture(
    title: str, front: Sequence[FrontRow], compared: Sequence[Compared], path: Path
) -> None:
    """Draws the picture into a PNG file of 1800 by 1200 pixels; of 2400 by 1600 for many."""
    draw_picture(title, front, compared).savefig(path, dpi=DPI)


def draw_picture(title: str, front: Sequence[FrontRow], compared: Sequence[Compared]) -> Figure:
    """Quality over measured latency: the verified front, and the baselines with their names.

    Args:
        title: what was searched, and where.
        front: of which every network is measured, fastest first.
        compared: one at least.
    """
    on_front = [_of_row(row) for row in front]
    baselines = [_of_baseline(one, _scale(front[0])) for one in compared]
    styles = _styles(compared)
    figure = new_figure(_LARGE_INCHES if len(compared) > _MANY else _SIZE_INCHES)
    axes = figure.add_subplot()
    token = any(row.prefill_ms is not None for row in front)
    latency = "measured latency of one token (ms)" if token else "measured latency (ms)"
    draw_frame(axes, latency, quality_title(front[0].quality_name))
    _ranges(axes, [*on_front, *baselines])
    corners = _corners(on_front, axes.get_xlim()[1], front[0].quality_name == "accuracy")
    axes.plot(*zip(*corners, strict=True), color=LINE_COLOUR, linewidth=1.4, zorder=2.5)
    _draw(axes, on_front, MEASURED_COLOUR, "o", "verified front")
    for family, (colour, marker) in styles.items():
        chosen = [b for b, c in zip(baselines, compared, strict=True) if _family(c) == family]
        _draw(axes, chosen, colour, marker, family)
    _ring(axes, baselines[compared.index(middle(compared))])
    draw_titles(axes, title, _subtitle(compared))
    draw_legend(figure, axes)
    labels = [
        Label(b.x, b.y, c.baseline.member.size, styles[_family(c)][0])
        for b, c in zip(baselines, compared, strict=True)
    ]
    free = [(spot.x, spot.y, spot.x, spot.y) for spot in on_front]
    free += [(*start, *end) for start, end in itertools.pairwise(corners)]
    unplaced = place_labels(figure, axes, labels, free)
    if unplaced:
        note = f"{len(unplaced)} names had no room; the table has them all"
        figure.text(0.99, 0.99, note, ha="right", va="top", fontsize=7.5, color=LINE_COLOUR)
    return figure


def _of_row(row: FrontRow) -> Spot:
    scale = _scale(row)
    return Spot(
        x=row.shown_ms,
        x_low=row.shown_low_ms,
        x_high=row.shown_high_ms,
        y=scale * row.quality,
        doubt=scale * (row.standard_error or 0.0),
    )


def _of_baseline(one: Compared, scale: float) -> Spot:
    measured = one.baseline.measured
    return Spot(
        x=measured.latency_ms,
        x_low=measured.low_ms,
        x_high=measured.high_ms,
        y=scale * one.baseline.quality,
        doubt=scale * (one.baseline.standard_error or 0.0),
    )


def _scale(row: FrontRow) -> float:
    """Accuracy is drawn in percent."""
    return 100 if row.quality_name == "accuracy" else 1


def _styles(compared: Sequence[Compared]) -> dict[str, tuple[str, str]]:
    families = sorted({_family(one) for one in compared})
    return dict(zip(families, _FAMILY_STYLES, strict=False))


def _family(one: Compared) -> str:
    return one.baseline.member.family


def _ranges(axes: Axes, spots: Sequence[Spot]) -> None:
    """All points with room around them; latency by its logarithm where it spans much."""
    low, high = min(spot.x_low for spot in spots), max(spot.x_high for spot in spots)
    if high > _LOG_FROM * low:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        margin = (high / low) ** _MARGIN
        axes.set_xlim(low / margin, high * margin)
    else:
        margin = _MARGIN * (high - low)
        axes.set_xlim(low - margin, high + margin)
    worst = min(spot.y - spot.doubt for spot in spots)
    best = max(spot.y + spot.doubt for spot in spots)
    margin = _MARGIN * (best - worst)
    axes.set_ylim(worst - margin, best + margin)


def _corners(
    front: Sequence[Spot], end: float, higher_is_better: bool
) -> list[tuple[float, float]]:
    """Of the best quality that each latency allows, up to the edge of the picture."""
    corners = [(front[0].x, front[0].y)]
    for spot in front[1:]:
        best = corners[-1][1]
        # A slower network that is worse is on the front for the memory that it takes.
        if spot.y > best if higher_is_better else spot.y < best:
            corners += [(spot.x, best), (spot.x, spot.y)]
    return [*corners, (end, corners[-1][1])]


def _draw(axes: Axes, spots: Sequence[Spot], colour: str, marker: str, label: str) -> None:
    axes.errorbar(
        [spot.x for spot in spots],
        [spot.y for spot in spots],
        xerr=[[s.x - s.x_low for s in spots], [s.x_high - s.x for s in spots]],
        yerr=[spot.doubt for spot in spots],
        fmt=marker,
        markersize=6,
        markerfacecolor=colour,
        markeredgecolor="white",
        markeredgewidth=0.8,
        ecolor=(colour, 0.35),
        elinewidth=1.0,
        linestyle="none",
        label=label,
        zorder=4,
    )


def _ring(axes: Axes, spot: Spot) -> None:
    axes.errorbar(
        [spot.x],
        [spot.y],
        fmt="o",
        markersize=13,
        markerfacecolor="none",
        markeredgecolor=TEXT_COLOUR,
        markeredgewidth=1.2,
        label="middle",
        zorder=3.5,
    )


def _subtitle(compared: Sequence[Compared]) -> str:
    words = ", ".join(f"{number} {word}" for word, number in counts(compared).items())
    return f"{len(compared)} hand-made networks beside the verified front: {words}"
