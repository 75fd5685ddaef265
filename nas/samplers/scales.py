"""The scales in which networks are compared: where a per cent is worth the same everywhere."""

import numpy as np
from optuna.study import StudyDirection

from nas.samplers.additive import fit_additive
from nas.samplers.candidates import Candidates, Codes, Floats, Known
from nas.samplers.covariance import Points

_LEAST_DISTANCE = 1e-6  # to the best value, relative to it: of what is said to be perfect
_BY_COST = 0.5  # our choice; results/LOG.md compares
_RIDGE = 1e-3  # of the effects on cost: decides between choices that always change together


class ErrorScale:
    """What is modelled of the first objective: its distance to the best value, by the logarithm."""

    def __init__(self, best: float | None) -> None:
        """The best value that there may be; None: the objective is modelled as it is."""
        self._best = best

    def error(self, value: float, direction: StudyDirection) -> float:
        """Lower is better.

        Raises:
            ValueError: the value is better than the best there may be.
        """
        sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
        if self._best is None:
            return sign * value
        if sign * value < sign * self._best and np.isfinite(value):
            raise ValueError(
                f"a trial has the value {value:g}, which is better than best={self._best:g}. "
                "Say what a perfect network would have, or leave it out"
            )
        return float(np.log(self._distance(value)))

    def deviation(self, value: float, deviation: float) -> float:
        """What a standard deviation of the value is in this scale."""
        return deviation if self._best is None else deviation / self._distance(value)

    def _distance(self, value: float) -> float:
        assert self._best is not None
        return max(abs(self._best - value), _LEAST_DISTANCE * max(abs(self._best), 1.0))


class PointScale:
    """Networks as the model sees them: around 0 and of spread 1 over what is usual in the space.

    The features are the costs, what else is known, and for each choice what its value adds to the
    first cost, by least squares: so that it is known which values are alike before any network is
    evaluated, and a large kernel is farther from a small one than from the one between.

    Attributes:
        importance: (C,) of the choices, 1 in all. Where networks are too many to be listed, what
            changes the cost most is taken to change the error most: of sixty choices that are all
            alike to a model, the width would be one.
    """

    importance: Floats

    def __init__(self, candidates: Candidates, codes: Codes, known: Known) -> None:
        """Of usual networks of a space, (n, C) and n."""
        self._sizes = candidates.sizes
        self._positive = np.array([(column > 0).all() for column in known.costs.T])
        nothing, first = np.empty((len(codes), 0)), self.costs(known)[:, 0]
        penalty = _RIDGE * len(codes)
        self._effects = fit_additive(nothing, codes, self._sizes, first, penalty).of_values
        self.importance = self._importance(codes, even=candidates.everything() is not None)
        raw = self._raw(codes, known)
        self._middle, self._spread = raw.mean(axis=0), raw.std(axis=0)
        self._spread[self._spread == 0] = 1.0

    def costs(self, known: Known) -> Floats:
        """(n, m) logarithms, of costs that are above 0 everywhere."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self._positive, np.log(known.costs), known.costs)

    def points(self, codes: Codes, known: Known) -> Points:
        """What the model sees of them."""
        return Points((self._raw(codes, known) - self._middle) / self._spread, codes)

    def told(self, known: Known) -> Floats:
        """(n, m + d) costs and features alone, around 0 and of spread 1."""
        raw = np.column_stack([self.costs(known), known.features])
        width = raw.shape[1]
        told: Floats = (raw - self._middle[:width]) / self._spread[:width]
        return told

    def _importance(self, codes: Codes, *, even: bool) -> Floats:
        """The same for all, or half of it by the spread of what a choice adds to the cost."""
        variances = np.array([of[codes[:, i] + 1].var() for i, of in enumerate(self._effects)])
        same = np.full(len(variances), 1 / max(len(variances), 1))
        if even or variances.sum() <= 0:
            return same
        mixed: Floats = (1 - _BY_COST) * same + _BY_COST * variances / variances.sum()
        return mixed

    def _raw(self, codes: Codes, known: Known) -> Floats:
        effects = [of[codes[:, i] + 1] for i, of in enumerate(self._effects)]
        return np.column_stack([self.costs(known), known.features, *effects])
