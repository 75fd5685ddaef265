"""Geometry of the pictures in the report: values to pixels, and round numbers for the axes."""

import math
from dataclasses import dataclass

from nas.report.chart_data import Range

_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 48  # pixels for the labels of the axes
_PIXELS_A_TICK = 90  # our choice: labels stay apart even where twice as many are drawn


@dataclass(frozen=True, kw_only=True)
class SvgFrame:
    """The drawing area of one picture, `width` by `height` pixels with the labels."""

    width: int
    height: int
    x_range: Range
    y_range: Range

    @property
    def left(self) -> int:
        """Pixel of the low end of the x axis."""
        return _LEFT

    @property
    def right(self) -> int:
        """Pixel of the high end of the x axis."""
        return self.width - _RIGHT

    @property
    def top(self) -> int:
        """Pixel of the high end of the y axis."""
        return _TOP

    @property
    def bottom(self) -> int:
        """Pixel of the low end of the y axis."""
        return self.height - _BOTTOM

    def x(self, value: float) -> float:
        """Pixel of a value on the x axis; values beyond an end stand at the end."""
        return round(self.left + _share(value, self.x_range) * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Pixel of a value on the y axis; values beyond an end stand at the end."""
        return round(self.bottom - _share(value, self.y_range) * (self.bottom - self.top), 1)

    def path(self, corners: tuple[tuple[float, float], ...]) -> str:
        """The polyline through these values, for the attribute `points`."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in corners)

    @property
    def x_ticks(self) -> dict[str, float]:
        """Label and value of each tick."""
        return round_ticks(self.x_range, (self.right - self.left) // _PIXELS_A_TICK)

    @property
    def y_ticks(self) -> dict[str, float]:
        """Label and value of each tick."""
        return round_ticks(self.y_range, (self.bottom - self.top) // _PIXELS_A_TICK)


def round_ticks(ends: Range, wanted: int) -> dict[str, float]:
    """Multiples of 1, 2 or 5 times a power of ten between the ends, `wanted` or a few more."""
    raw = (ends.high - ends.low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (10, 5, 2, 1) if factor * power <= raw)
    decimals = max(0, -math.floor(math.log10(step)))
    first, last = math.ceil(ends.low / step), math.floor(ends.high / step)
    return {f"{n * step:.{decimals}f}": n * step for n in range(first, last + 1)}


def _share(value: float, ends: Range) -> float:
    return min(1.0, max(0.0, (value - ends.low) / (ends.high - ends.low)))
