"""How far two measurements of one network are apart: the floor under any prediction's error."""

from dataclasses import dataclass

import numpy as np

from latency_lut.fit.timed_table import TimedTable


@dataclass(frozen=True)
class RepeatError:
    """Median of |first / second - 1| over networks measured more than once."""

    median: float
    networks: int


def repeat_error(table: TimedTable) -> RepeatError | None:
    """Of the first two measurements of each network; None where none was measured twice."""
    first: dict[tuple[str, bytes], float] = {}
    errors: dict[tuple[str, bytes], float] = {}
    for model, latency_ns in zip(table.models, table.latency_ns, strict=True):
        if model in first:
            errors.setdefault(model, abs(first[model] / latency_ns - 1))
        first.setdefault(model, float(latency_ns))
    return RepeatError(float(np.median(list(errors.values()))), len(errors)) if errors else None
