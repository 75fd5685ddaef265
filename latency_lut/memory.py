"""Peak memory of a network on one device, from what is known of its segments without running it.

Letters: n networks, F phases, S summed traits, L largest traits.

    peak = max(loading, running_f of every phase f)
    loading   = l_0 + l . (traits that segments add up to) + l' . (traits of the largest segment)
    running_f = r_0 + r . (the same)                       + r' . (the same)

While a model loads, its weights are there more than once, those of convolutions longest; each
operator takes some bytes for itself. While it runs, weights and operators stay, and the arena
holds what is alive at the worst moment. That is the largest segment's peak and a little of all
others', as freed buffers leave holes; and the largest workspace beside it, wherever that is
needed: from the second run on all tensors lie in one block, which stays as large throughout. All
coefficients are 0 or more, so that no network needs less than a smaller one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from search_spaces import SegmentCost

FEWEST_RECORDS = 8
SUMMED = (
    "weight_bytes",
    "convolution_bytes",
    "operators",
    "state_bytes",
    "peak_bytes",
    "lasting_bytes",
)
LARGEST = ("peak_bytes", "workspace_bytes", "operator_kinds")

# What is expected before anything was measured: bytes of the offset, of SUMMED and of LARGEST.
# Rounded from 270 networks of the spaces `mobile`, `hybrid` and `language` on ONNX Runtime 1.31,
# x86. A 0 says that a trait plays no part.
_LOADING = np.array([0.8e6, 1.1, 1.1, 8e3, 0.0, 0.0, 0.0, 0.0, 0.0, 30e3])
_RUNNING = np.array([1.0e6, 1.0, 0.0, 10e3, 2.0, 0.05, 0.0, 1.0, 0.8, 40e3])
_SPREAD = 0.7  # relative, of these expectations from space to space and device to device
_NOISE = 0.03  # relative, of one record: what the traits cannot say
_TURNS = 30  # our choice: the split into loading and running stands after ten at most
_HUBER = 1.5  # records further off, in units of the usual error, count less
_FOLDS = 10

Floats = npt.NDArray[np.float64]
MemoryKind = Literal["static", "calibrated"]


@dataclass(frozen=True, kw_only=True)
class MemoryPredictions:
    """(n,) bytes each; low to high holds 95 % of networks; NaN where a trait is not known."""

    peak_bytes: Floats
    low_bytes: Floats
    high_bytes: Floats


@dataclass(frozen=True, kw_only=True)
class MemoryModel:
    """Coefficients of one device profile, space and precision."""

    loading: tuple[float, ...]
    """Bytes: the offset, then for one unit of each of SUMMED and LARGEST."""
    running: tuple[float, ...]
    half_width: float
    """Of the 95 % interval, relative to the prediction; NaN where nothing was measured."""
    records: int
    """Networks that it was fitted to; 0: calculated, not calibrated."""

    @property
    def kind(self) -> MemoryKind:
        """Whether measurements stand behind it."""
        return "calibrated" if self.records else "static"

    def added(self, summed: Floats) -> Floats:
        """What the summed traits come to.

        A segment's share in it adds up over the segments of a network, so that a table needs two
        columns instead of one for each trait.

        Args:
            summed: (..., S) of segments or of networks.

        Returns:
            (..., 2) bytes: while loading, while running.
        """
        both = np.array([self.loading, self.running])[:, 1 : 1 + len(SUMMED)]
        added: Floats = summed @ both.T
        return added

    def predict(self, added: Floats, largest: Floats) -> MemoryPredictions:
        """Peaks of n networks.

        Args:
            added: (F, n, 2), what `added` gives, summed over the segments.
            largest: (F, n, L) largest traits of any segment.
        """
        both = np.array([self.loading, self.running])
        peaks = both[:, 0] + added + largest @ both[:, 1 + len(SUMMED) :].T  # (F, n, 2)
        peak = peaks.max(axis=(0, 2))
        margin = self.half_width * peak
        return MemoryPredictions(
            peak_bytes=peak, low_bytes=np.maximum(peak - margin, 0.0), high_bytes=peak + margin
        )


STATIC = MemoryModel(
    loading=(0.0,) * 10,
    running=(0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 1.0, 1.0, 0.0, 0.0),
    half_width=np.nan,
    records=0,
)
"""As `NetworkCost.memory_bytes` calculates: where too few networks were measured."""


def summed_traits(cost: SegmentCost) -> Floats:
    """(S,) traits of a segment that add up."""
    return _traits(cost, SUMMED)


def largest_traits(cost: SegmentCost) -> Floats:
    """(L,) traits of a segment of which a network has the largest."""
    return _traits(cost, LARGEST)


def network_traits(costs: Iterable[SegmentCost]) -> Floats:
    """(S + L,) traits of a network in one phase, from its segments."""
    costs = tuple(costs)
    summed = np.sum([summed_traits(cost) for cost in costs], axis=0)
    return np.concatenate([summed, np.max([largest_traits(cost) for cost in costs], axis=0)])


@dataclass(frozen=True)
class MemoryRecord:
    """What a network took at most, and its segment keys in each phase."""

    peak_bytes: int
    keys: tuple[tuple[str, ...], ...]


def fit_memory(
    records: Sequence[MemoryRecord], costs: Mapping[str, SegmentCost]
) -> MemoryModel | None:
    """The model through the measured networks of one space; None for fewer than eight.

    Args:
        records: of one space, all with the same phases.
        costs: of every segment key in them.
    """
    if len(records) < FEWEST_RECORDS:
        return None
    traits = np.array(
        [[network_traits(costs[k] for k in keys) for keys in r.keys] for r in records]
    )
    return fit_memory_model(traits, np.array([float(r.peak_bytes) for r in records]))


def fit_memory_model(traits: Floats, peak_bytes: Floats) -> MemoryModel | None:
    """The model through measured networks; None below FEWEST_RECORDS of them.

    Few records move the coefficients little from what is expected of any device, many move them
    freely. A record far off counts less. The interval is the error on networks left out.

    Args:
        traits: (n, F, S + L), `network_traits` of each network and phase; records with NaN are
            left out.
        peak_bytes: (n,) measured.
    """
    known = np.isfinite(traits).all(axis=(1, 2)) & np.isfinite(peak_bytes) & (peak_bytes > 0)
    traits, measured = traits[known], peak_bytes[known]
    if len(measured) < FEWEST_RECORDS:
        return None
    loading, running = _fit(traits, measured)
    return MemoryModel(
        loading=tuple(loading.tolist()),
        running=tuple(running.tolist()),
        half_width=_half_width(traits, measured),
        records=len(measured),
    )


def _fit(traits: Floats, measured: Floats) -> Floats:
    """(2, 1 + S + L) coefficients of loading and running."""
    columns = np.concatenate([np.ones((*traits.shape[:2], 1)), traits], axis=2)  # (n, F, 1 + S + L)
    expected = np.array([_LOADING, _RUNNING])
    found = expected
    trust = np.ones(len(measured))
    for _ in range(_TURNS):
        parts = columns @ found.T  # (n, F, 2)
        phase = parts[:, :, 1].argmax(axis=1)
        worst = columns[np.arange(len(measured)), phase]  # (n, 1 + S + L), in its hungriest phase
        at_load = parts[:, :, 0].max(axis=1) > parts[:, :, 1].max(axis=1)
        before = found
        found = np.stack(
            [
                _fit_part(worst[which], measured[which], trust[which], start)
                for which, start in zip((at_load, ~at_load), expected, strict=True)
            ]
        )
        error = np.abs(_peaks(traits, found) / measured - 1)
        usual = _HUBER * max(float(np.median(error)) / 0.6745, 1e-6)
        trust = np.minimum(1.0, usual / np.maximum(error, usual))
        if np.allclose(found, before, rtol=1e-6):
            break
    return found


def _fit_part(columns: Floats, measured: Floats, trust: Floats, expected: Floats) -> Floats:
    """Least squares of relative errors, drawn to what is expected; coefficients 0 or more."""
    used = expected > 0
    weight = np.sqrt(trust) / measured
    scaled = columns[:, used] * expected[used]  # so that every coefficient is expected to be 1
    pull = _NOISE / _SPREAD * np.eye(int(used.sum()))
    rows = np.concatenate([scaled * weight[:, None], pull])
    share, _ = nnls(rows, np.concatenate([measured * weight, pull.sum(axis=1)]))
    found = np.zeros_like(expected)
    found[used] = share * expected[used]
    return found


def _peaks(traits: Floats, found: Floats) -> Floats:
    """(n,) bytes."""
    peaks: Floats = (found[:, 0] + traits @ found[:, 1:].T).max(axis=(1, 2))
    return peaks


def _half_width(traits: Floats, measured: Floats) -> float:
    """Relative error that 95 % of networks stay below that the fit has not seen.

    The order statistic that holds for one more network (conformal prediction, arXiv 1604.04173);
    below 19 networks there is none, and the largest error stands for it.
    """
    n = len(measured)
    fold = np.arange(n) % min(_FOLDS, n)
    error = np.empty(n)
    for k in range(fold.max() + 1):
        out = fold == k
        peaks = _peaks(traits[out], _fit(traits[~out], measured[~out]))
        error[out] = np.abs(measured[out] / peaks - 1)
    rank = min(int(np.ceil(0.95 * (n + 1))), n)
    return float(np.sort(error)[rank - 1])


def _traits(cost: SegmentCost, names: tuple[str, ...]) -> Floats:
    return np.array([float(getattr(cost, name)) for name in names])
