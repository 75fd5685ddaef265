"""Memory as calculated brought to memory as measured on one device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

MemoryKind = Literal["static", "calibrated"]

FEWEST_RECORDS = 8
_MOST_RECORDS = 400  # 80,000 pairs; our choice: more change nothing and cost time

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MemoryLine:
    """Measured bytes = `offset_bytes` + `slope` * static bytes; never falls as networks grow."""

    offset_bytes: float
    slope: float
    records: int

    def calibrate(self, static_bytes: Floats) -> Floats:
        """Bytes to expect on the device; NaN stays NaN."""
        return np.maximum(self.offset_bytes + self.slope * static_bytes, 0.0)


def fit_memory(static_bytes: Sequence[int], peak_bytes: Sequence[int]) -> MemoryLine | None:
    """The line through measured networks; None below 8 of them, or all of one size.

    Theil and Sen's estimator: the median of the slopes of all pairs, then the median offset, so
    that up to a quarter of wild records do no harm.

    Args:
        static_bytes: calculated, one for each record.
        peak_bytes: measured, in the same order.
    """
    if len(static_bytes) < FEWEST_RECORDS or len(set(static_bytes)) < 2:
        return None
    step = -(-len(static_bytes) // _MOST_RECORDS)
    x = np.asarray(static_bytes[::step], dtype=np.float64)
    y = np.asarray(peak_bytes[::step], dtype=np.float64)
    first, second = np.triu_indices(len(x), k=1)
    run, rise = x[second] - x[first], y[second] - y[first]
    apart = run != 0
    slope = max(float(np.median(rise[apart] / run[apart])), 0.0)
    return MemoryLine(float(np.median(y - slope * x)), slope, len(static_bytes))
