"""How well one score of networks stands for another, and what trusting it loses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap, kendalltau, spearmanr

from nas.accuracy.estimator import Quality
from nas.front_row import QualityName
from search_spaces import Architecture

Floats = npt.NDArray[np.float64]

_RESAMPLES = 2000  # our choice
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class RankedNetwork:
    """One network, scored both ways."""

    architecture: Architecture
    shared: Quality
    """With the supernet's weights."""
    alone: Quality
    """After a training of its own."""
    alone_s: float
    """Seconds that this training took."""


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Of the two scores, with its 95 % interval over networks drawn again."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well one score stands for the other; qualities are oriented by their direction."""

    networks: tuple[RankedNetwork, ...]
    kendall: Correlation
    spearman: Correlation
    regret: float
    """What the network that the supernet puts first lacks of the best of all, trained alone; in
    the unit of the quality, 0 or more."""

    @property
    def quality_name(self) -> QualityName:
        """Of both scores."""
        return self.networks[0].alone.name


def compared(networks: Sequence[RankedNetwork]) -> Ranking:
    """The correlations of both scores, and what trusting the supernet loses."""
    sign = 1.0 if networks[0].alone.direction == "maximize" else -1.0
    shared = sign * np.array([network.shared.value for network in networks])
    alone = sign * np.array([network.alone.value for network in networks])
    return Ranking(
        networks=tuple(networks),
        kendall=_correlation(lambda a, b: kendalltau(a, b).statistic, shared, alone),
        spearman=_correlation(lambda a, b: spearmanr(a, b).statistic, shared, alone),
        regret=float(alone.max() - alone[shared.argmax()]),
    )


def _correlation(
    statistic: Callable[[Floats, Floats], float], shared: Floats, alone: Floats
) -> Correlation:
    def of(a: Floats, b: Floats) -> float:
        """0 where all networks drawn are equally good, which says nothing of their order."""
        return float(statistic(a, b)) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0

    found = bootstrap(
        (shared, alone),
        of,
        paired=True,
        vectorized=False,
        n_resamples=_RESAMPLES,
        confidence_level=_LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Correlation(value=of(shared, alone), low=float(found.low), high=float(found.high))
