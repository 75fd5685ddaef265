"""Benchmarks of our own parts: measured, never asserted."""

from nas.bench.drift import repeat_errors
from nas.bench.lut_accuracy import LutBench, compare
from nas.bench.speed import time_prediction

__all__ = ["LutBench", "compare", "repeat_errors", "time_prediction"]
