"""What the pictures of a front show, before any of them is drawn: marks, ranges, agreement."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from nas.front_row import FrontRow, Report
from nas.report.wording import latency_title, ms_text, quality_text, quality_title

# Networks that take three times the slowest of the front would squeeze it into a corner.
_SLOWEST_SHOWN = 3.0  # our choice
# A budget far beyond the front would squeeze it as well; the legend tells it then.
_FARTHEST_BUDGET = 1.6  # our choice
_MARGIN = 0.04  # our choice: empty share of an axis beyond the outermost mark
CLOSE = 0.10
"""A prediction within 10 % counts as close, as in comparisons of latency predictors."""


@dataclass(frozen=True)
class Range:
    """Ends of an axis."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether the value can be drawn."""
        return self.low <= value <= self.high


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One network in a picture, with the interval of its place on each axis."""

    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    measured: bool
    trial: int
    text: str


@dataclass(frozen=True, kw_only=True)
class FrontChart:
    """Quality over latency; accuracy in percent."""

    title: str
    x_label: str
    y_label: str
    front: tuple[Mark, ...]
    cloud: tuple[Mark, ...]
    """Evaluated networks that are not on the front, as far as they lie in the picture."""
    steps: tuple[tuple[float, float], ...]
    """Corners of the best quality that each latency allows."""
    budget_ms: float | None
    x: Range
    y: Range
    outside: int
    """Evaluated networks beyond the ranges: counted, not drawn."""

    @property
    def budget_shown(self) -> bool:
        """Whether there is a latency budget that lies in the picture."""
        return self.budget_ms is not None and self.x.holds(self.budget_ms)


@dataclass(frozen=True, kw_only=True)
class AgreementChart:
    """Measured over predicted latency of the verified networks, the dropped ones among them."""

    marks: tuple[Mark, ...]
    both: Range
    median_ratio: float
    worst_ratio: float
    """The ratio of measured to predicted that is farthest from 1, by factor."""
    close: int
    """How many were measured within 10 % of their prediction."""

    @property
    def band(self) -> tuple[tuple[float, float], ...]:
        """Corners of the area within 10 %, inside the ranges."""
        low, high = self.both.low, self.both.high
        above, below = 1 + CLOSE, 1 - CLOSE
        return (
            (low, low),
            (low, low * above),
            (high / above, high),
            (high, high),
            (high, high * below),
            (low / below, low),
        )


def front_chart(report: Report) -> FrontChart:
    """The front before the evaluated networks, in ranges that show the front well."""
    front = sorted((_front_mark(row) for row in report.front), key=lambda mark: mark.x)
    on_front = {row.trial for row in report.front}
    others = [_front_mark(row) for row in report.evaluated if row.trial not in on_front]
    x = _latency_range(front, others, report.max_latency_ms)
    y = _quality_range(front, others, higher_is_better=report.quality_name == "accuracy")
    end = x.high if report.max_latency_ms is None else min(x.high, report.max_latency_ms)
    cloud = tuple(mark for mark in others if x.holds(mark.x) and y.holds(mark.y))
    return FrontChart(
        title=f"{report.space} on {report.device}, {report.precision}: {report.data}",
        x_label=latency_title(report),
        y_label=quality_title(report.quality_name),
        front=tuple(front),
        cloud=cloud,
        steps=_steps(front, end, higher_is_better=report.quality_name == "accuracy"),
        budget_ms=report.max_latency_ms,
        x=x,
        y=y,
        outside=len(others) - len(cloud),
    )


def agreement_chart(report: Report) -> AgreementChart | None:
    """Measured against predicted; None where nothing was measured."""
    rows = {row.trial: row for row in (*report.front, *(d.row for d in report.dropped))}
    measured = [row for row in rows.values() if row.ratio is not None]
    if not measured:
        return None
    marks = tuple(_agreement_mark(row) for row in measured)
    ratios = [row.ratio for row in measured if row.ratio is not None]
    ends = [end for m in marks for end in (m.x_low, m.x_high, m.y_low, m.y_high)]
    return AgreementChart(
        marks=marks,
        both=_padded(ends, floor=0.0),
        median_ratio=statistics.median(ratios),
        worst_ratio=max(ratios, key=lambda ratio: max(ratio, 1 / ratio)),
        close=sum(abs(ratio - 1) <= CLOSE for ratio in ratios),
    )


def _front_mark(row: FrontRow) -> Mark:
    scale = 100 if row.quality_name == "accuracy" else 1
    doubt = scale * (row.standard_error or 0.0)
    quality = quality_text(row.quality, row.quality_name, row.standard_error)
    how = "measured" if row.verified else "predicted"
    return Mark(
        x=row.shown_ms,
        x_low=row.shown_low_ms,
        x_high=row.shown_high_ms,
        y=scale * row.quality,
        y_low=scale * row.quality - doubt,
        y_high=scale * row.quality + doubt,
        measured=row.verified,
        trial=row.trial,
        text=f"trial {row.trial}: {quality}, {ms_text(row.shown_ms)} ms {how} "
        f"({ms_text(row.shown_low_ms)} to {ms_text(row.shown_high_ms)})",
    )


def _agreement_mark(row: FrontRow) -> Mark:
    return Mark(
        x=row.latency_ms,
        x_low=row.low_ms,
        x_high=row.high_ms,
        y=row.shown_ms,
        y_low=row.shown_low_ms,
        y_high=row.shown_high_ms,
        measured=True,
        trial=row.trial,
        text=f"trial {row.trial}: {ms_text(row.latency_ms)} ms predicted, "
        f"{ms_text(row.shown_ms)} ms measured",
    )


def _latency_range(front: Sequence[Mark], others: Sequence[Mark], budget: float | None) -> Range:
    ends = [end for mark in front for end in (mark.x_low, mark.x_high)]
    limit = _SLOWEST_SHOWN * max(ends) if front else float("inf")
    if budget is not None and (not front or budget <= _FARTHEST_BUDGET * max(ends)):
        ends.append(budget)
    return _padded([*ends, *(mark.x for mark in others if mark.x <= limit)], floor=0.0)


def _quality_range(
    front: Sequence[Mark], others: Sequence[Mark], *, higher_is_better: bool
) -> Range:
    """All of the front, and of the others those not much worse than its worst."""
    ends = [end for mark in front for end in (mark.y_low, mark.y_high)]
    values = [mark.y for mark in others]
    if ends and values:
        slack = max(max(ends) - min(ends), _middle_spread(values))
        low, high = min(ends) - slack, max(ends) + slack
        values = [v for v in values if (v >= low if higher_is_better else v <= high)]
    return _padded([*ends, *values])


def _middle_spread(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4)
    return third - first


def _padded(values: Sequence[float], floor: float | None = None) -> Range:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = _MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    low = low - margin if floor is None else max(floor, low - margin)
    return Range(low, high + margin)


def _steps(
    front: Sequence[Mark], end: float, *, higher_is_better: bool
) -> tuple[tuple[float, float], ...]:
    """Corners from the fastest network of the front to the budget or the edge of the picture."""
    if not front:
        return ()
    corners: list[tuple[float, float]] = []
    best: float | None = None
    for mark in front:
        better = best is None or (mark.y > best if higher_is_better else mark.y < best)
        if not better:
            continue
        if best is not None:
            corners.append((mark.x, best))
        best = mark.y
        corners.append((mark.x, best))
    return (*corners, (max(end, corners[-1][0]), corners[-1][1]))
