"""What people would have picked, measured beside a study's front."""

from nas.bench.baselines.comparison import (
    Baseline,
    Compared,
    Verdict,
    compare_with_front,
    counts,
    middle,
)
from nas.bench.baselines.documents import cells, document, middle_line, records
from nas.bench.baselines.hand_made import HandMade, Member, hand_made
from nas.bench.baselines.measuring import BaselineBench, bench_baselines
from nas.bench.baselines.picture import write_picture

__all__ = [
    "Baseline",
    "BaselineBench",
    "Compared",
    "HandMade",
    "Member",
    "Verdict",
    "bench_baselines",
    "cells",
    "compare_with_front",
    "counts",
    "document",
    "hand_made",
    "middle",
    "middle_line",
    "records",
    "write_picture",
]
