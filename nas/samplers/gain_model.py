"""Which of many networks is expected to add most to the front."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.samplers.additive import AdditiveModel, fit_additive
from nas.samplers.candidates import Candidates, Codes, Floats, Known
from nas.samplers.covariance import Choices
from nas.samplers.evaluated import Evaluated
from nas.samplers.expected_gain import Front, Reference, hypervolume
from nas.samplers.gaussian_process import GaussianProcess
from nas.samplers.scales import PointScale

# All of these are our choice; results/LOG.md compares.
# Networks that the Gaussian process looks at, those of which an additive model expects most: so
# many pairs of them with evaluated ones, as each takes time, but not more nor less of them.
_PAIRS, _FEWEST, _MOST = 1_000_000, 1_500, 10_000
_BY_LUCK = 0.25  # of these are drawn, as the additive model may be wrong
_RIDGE = 1.0  # of the additive model, whose columns are of spread 1 or less
_ASKED = 2_000  # usual networks whose expected errors say what is a bad one, at most
_ASKED_PAIRS = 400_000  # of them with evaluated ones, at most
_OWN = 2.0  # times the deviation that a network has to itself: what is odd is worth a look
# Where networks are too many to be listed, every second one is chosen as if deviations were so much
# more: a model that saw a kind of layer in narrow networks only is sure of it, and may be wrong.
_DARING = 8.0
_DISASTER = 1.5  # times as far above the median as the best is below
_LEAST_DEVIATION = 1e-9
_MARGIN = 0.01  # beyond the dearest network within the budgets, so that it gains something too

Ids = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Choice:
    """The number of a network among those given."""

    number: int
    gain: float | None
    """Hypervolume that one of them is expected to add at most, as a share of the front's; None
    while it has none."""


@dataclass(frozen=True, eq=False)
class _Guess:
    """Of errors, rough but fast: of many networks it tells those worth a closer look."""

    model: AdditiveModel
    deviation: float


class GainModel:
    """Learns errors from what was evaluated; keeps its parameters from one network to the next."""

    def __init__(
        self, candidates: Candidates, usual: Codes, known: Known, reference: float
    ) -> None:
        """Of a space, with usual networks of it and the quantile of them that is the reference."""
        self._candidates = candidates
        self._sizes = candidates.sizes
        self.scale = PointScale(candidates, usual, known)
        choices = Choices(self._sizes, self.scale.importance, candidates.families)
        self._daring = candidates.everything() is None
        self._process = GaussianProcess(choices)
        self._quantile = reference
        asked = np.arange(0, len(usual), math.ceil(len(usual) / _ASKED))  # they may be sorted
        self._usual = self.scale.points(usual[asked], known.rows(asked))
        self._worst_costs = self._reference_costs(known)
        self._has_budgets = bool((known.violations > 0).any())
        self._cheapest = self.scale.costs(known).min(axis=0)

    def best(self, codes: Codes, known: Known, seen: Evaluated, rng: np.random.Generator) -> Choice:
        """The one of these networks that is expected to add most to those seen.

        Networks that are running are taken to turn out as predicted.

        Args:
            codes: (n, C)
            known: of them.
            seen: two finished ones at least.
            rng: draws those that are looked at beside the promising ones.
        """
        self._reach(known)
        done, running = np.flatnonzero(seen.done), np.flatnonzero(~seen.done)
        theirs = self._candidates.known(seen.codes)
        points, costs = self.scale.points(seen.codes, theirs), self.scale.costs(theirs)
        learnt = _without_disasters(seen.errors[done])
        self._process.fit(points.rows(done), learnt, seen.variances[done], seed=len(done))
        reference = self._reference(learnt)
        errors = seen.errors.copy()
        if len(running):
            believed = self._process.expect(points.rows(running))
            errors[running] = believed
            order = np.concatenate([done, running])
            values = np.concatenate([learnt, believed])
            self._process.learn(points.rows(order), values, seen.variances[order])
        # What is over the budget takes no place on the front, unless what is proposed is over too.
        counted = theirs.violations <= max(float(known.violations.max()), 0.0)
        front = Front(errors[counted], costs[counted], reference)
        told = self.scale.told(theirs.rows(done))
        additive = fit_additive(told, seen.codes[done], self._sizes, learnt, _RIDGE)
        guess = _Guess(additive, max(float(learnt.std()), _LEAST_DEVIATION))
        kept = self._promising(codes, known, front, guess, len(seen), rng)
        looked_at = known.rows(kept)
        mean, deviation = self._process.predict(self.scale.points(codes[kept], looked_at))
        deviation = np.hypot(deviation, _OWN * self._process.own_deviation)
        of_each = self.scale.costs(looked_at)
        gains = front.expected_gain(mean, deviation, of_each)
        have = hypervolume(errors[counted], costs[counted], reference)
        left = float(gains.max() / have) if have > 0 else None
        if self._daring and len(seen) % 2:
            gains = front.expected_gain(mean, _DARING * deviation, of_each)
        return Choice(int(kept[gains.argmax()]), left)

    def _reference_costs(self, known: Known) -> Floats:
        """Without budgets a quantile of usual costs; with them, that of the dearest within."""
        costs, within = self.scale.costs(known), known.violations <= 0
        if not within.any():
            within[:] = True
        spread, dearest = np.ptp(costs[within], axis=0), costs[within].max(axis=0)
        beyond = dearest + np.where(spread > 0, _MARGIN * spread, 1.0)  # all may cost the same
        if not within.all():
            return np.asarray(beyond)
        usual = np.quantile(costs, self._quantile, axis=0)
        return np.asarray(np.where(usual < dearest, usual, beyond))

    def _reach(self, known: Known) -> None:
        """Under a tight budget hardly a random network is near it; what is made nearer counts."""
        within = known.violations <= 0
        if self._has_budgets and within.any():
            dearest = self.scale.costs(known)[within].max(axis=0)
            spread = np.maximum(dearest - self._cheapest, 0.0)
            self._worst_costs = np.maximum(self._worst_costs, dearest + _MARGIN * spread)

    def _reference(self, learnt: Floats) -> Reference:
        step = math.ceil(len(self._usual) * len(learnt) / _ASKED_PAIRS)
        expected = self._process.expect(self._usual.rows(np.arange(0, len(self._usual), step)))
        errors = np.quantile(np.concatenate([expected, learnt]), self._quantile)
        return Reference(float(errors), self._worst_costs)

    def _promising(
        self,
        codes: Codes,
        known: Known,
        front: Front,
        guess: _Guess,
        evaluated: int,
        rng: np.random.Generator,
    ) -> Ids:
        """Numbers of the networks that are worth the Gaussian process's time."""
        looked_at = min(max(_PAIRS // evaluated, _FEWEST), _MOST)
        if len(codes) <= looked_at:
            return np.arange(len(codes))
        mean = guess.model.predict(self.scale.told(known), codes)
        deviation = np.full(len(codes), guess.deviation)
        gains = front.expected_gain(mean, deviation, self.scale.costs(known))
        drawn = round(_BY_LUCK * looked_at)
        most = np.argpartition(-gains, looked_at - drawn)[: looked_at - drawn]
        return np.union1d(most, rng.choice(len(codes), drawn, replace=False))


def _without_disasters(errors: Floats) -> Floats:
    """Errors far above the median grow by their logarithm only.

    How badly a network failed to learn says little of good ones, and would bend all; that it did,
    and more so than another, says where not to look.
    """
    middle = float(np.median(errors))
    width = max(middle - float(errors.min()), 1e-9)
    knee = middle + _DISASTER * width
    beyond = np.maximum(errors - knee, 0.0)
    return np.minimum(errors, knee) + width * np.log1p(beyond / width)
