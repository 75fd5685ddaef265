"""What the verified front has where each hand-made network is: pure arithmetic.

Of two networks the better has the higher accuracy, or the fewer bits per byte. A baseline is

- `dominated` where a network of the front is at least as good and at least as fast, and one of the
  two strictly, as measured;
- `matched` else where a network of the front takes no longer than the high end of the baseline's
  interval and is worse by no more than one combined standard error, the root of the sum of squares
  of both; so a baseline that is on the front itself is matched;
- `ahead` else.

Gains are differences of the values as they stand, intervals and errors left aside.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from nas.bench.baselines.hand_made import Member
from nas.front import Measured
from nas.front_row import FrontRow, QualityName

Verdict = Literal["dominated", "matched", "ahead"]
_SIGN: Mapping[QualityName, float] = MappingProxyType({"accuracy": 1.0, "bits_per_byte": -1.0})


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A hand-made network, scored and measured as those of the front are."""

    member: Member
    quality: float
    standard_error: float | None
    measured: Measured

    @property
    def latency_ms(self) -> float:
        """As measured."""
        return self.measured.latency_ms


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A baseline beside the front."""

    baseline: Baseline
    verdict: Verdict
    rival: FrontRow | None
    """The best network of the front that is not slower; None where all are."""
    gain: float | None
    """Of the rival over the baseline: percentage points of accuracy, or per cent of the baseline's
    bits per byte."""
    faster: FrontRow | None
    """The fastest network of the front that is not worse; None where all are."""
    latency_gain: float | None
    """Per cent of the baseline's latency that `faster` saves; below 0 where it takes longer."""


def compare_with_front(
    baselines: Sequence[Baseline], front: Sequence[FrontRow]
) -> tuple[Compared, ...]:
    """Each baseline beside a front of which every network is measured; fastest first."""
    ordered = sorted(baselines, key=lambda baseline: baseline.latency_ms)
    return tuple(_compared(baseline, front) for baseline in ordered)


def middle(compared: Sequence[Compared]) -> Compared:
    """The one of median latency; of an even number the faster of the two in the middle."""
    ordered = sorted(compared, key=lambda one: one.baseline.latency_ms)
    return ordered[(len(ordered) - 1) // 2]


def counts(compared: Sequence[Compared]) -> dict[Verdict, int]:
    """How many baselines got each verdict, those that none got among them."""
    return {
        verdict: sum(one.verdict == verdict for one in compared) for verdict in get_args(Verdict)
    }


def _compared(baseline: Baseline, front: Sequence[FrontRow]) -> Compared:
    in_time = [row for row in front if row.shown_ms <= baseline.latency_ms]
    as_good = [row for row in front if _better_by(row, baseline) >= 0]
    rival = max(in_time, key=lambda row: _better_by(row, baseline), default=None)
    faster = min(as_good, key=lambda row: row.shown_ms, default=None)
    return Compared(
        baseline=baseline,
        verdict=_verdict(baseline, front),
        rival=rival,
        gain=None if rival is None else _gain(rival, baseline),
        faster=faster,
        latency_gain=None if faster is None else 100 * (1 - faster.shown_ms / baseline.latency_ms),
    )


def _verdict(baseline: Baseline, front: Sequence[FrontRow]) -> Verdict:
    if any(_dominates(row, baseline) for row in front):
        return "dominated"
    return "matched" if any(_matches(row, baseline) for row in front) else "ahead"


def _dominates(row: FrontRow, baseline: Baseline) -> bool:
    better, saved_ms = _better_by(row, baseline), baseline.latency_ms - row.shown_ms
    return better >= 0 and saved_ms >= 0 and (better > 0 or saved_ms > 0)


def _matches(row: FrontRow, baseline: Baseline) -> bool:
    # A score without an error is taken as it stands.
    error = math.hypot(row.standard_error or 0.0, baseline.standard_error or 0.0)
    return row.shown_ms <= baseline.measured.high_ms and _better_by(row, baseline) >= -error


def _gain(row: FrontRow, baseline: Baseline) -> float:
    whole = 1.0 if row.quality_name == "accuracy" else baseline.quality
    return 100 * _better_by(row, baseline) / whole


def _better_by(row: FrontRow, baseline: Baseline) -> float:
    """In the unit of the quality; below 0 where the baseline is better."""
    return _SIGN[row.quality_name] * (row.quality - baseline.quality)
