"""Benchmarks of our own parts: measured, never asserted."""

from nas.bench.drift import repeat_errors
from nas.bench.lut_accuracy import LutBench, compare
from nas.bench.speed import time_prediction
from nas.bench.unseen import measure_unseen, read_unseen

__all__ = [
    "LutBench",
    "compare",
    "measure_unseen",
    "read_unseen",
    "repeat_errors",
    "time_prediction",
]
