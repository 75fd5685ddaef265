"""The additive model on networks whose whole latency was measured: a value a choice and place.

With x[j] the columns of a network (a one for each choice in its place, and the context terms of
`choice_terms`), its latency y is taken to be the sum of x[j] b[j], and

    minimise over b   sum over networks of loss((y - x b) / y) + sum over j of ridge[j] (b[j] / m)^2

with m the mean latency. The relative error counts, as a budget is missed in per cent. The loss is
the square up to a few times the usual error and the absolute value beyond it (Huber, Robust
Estimation of a Location Parameter, 1964): measurements are disturbed upwards only, and rows that
were must not move the values of their choices. Plain least squares is one form of the family.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.linalg import solve

from nas.bench.tables.choice_terms import ChoiceRows, Floats, choice_columns, term_columns

Loss = Literal["plain squares", "squares", "Huber", "absolute"]

# All of these are our choice.
_CHOICE_RIDGE = 0.01  # of choices: only settles what no row tells
_COMMON_RIDGE = 1e-6  # of the value that all networks have
_ROUNDS = 12
_ROUNDING = 1e-12
_SETTLED = 1e-4  # of the mean latency
_KNEES = {"Huber": 3.0, "absolute": 0.3}  # where the loss turns straight, in usual errors
_CHUNK = 20_000  # rows of a prediction made at once


@dataclass(frozen=True)
class Form:
    """One member of the family.

    Attributes:
        views: readings of the networks whose choices have values; the first one bears the context.
        loss: of the relative error; "plain squares": of the error itself, without ridge.
        terms: context terms, see `choice_terms`.
        ridge: strength with which context terms are held near zero.
        lift: what the fitted latency is multiplied with.
    """

    views: tuple[str, ...]
    loss: Loss
    terms: tuple[str, ...] = ()
    ridge: float = 0.05
    lift: float = 1.0


@dataclass(frozen=True)
class AdditiveModel:
    """A form with its values; latencies are in the unit of those it was fitted to."""

    form: Form
    values: Floats
    mean: float
    base: "AdditiveModel | None" = None

    def predict(self, networks: ChoiceRows) -> Floats:
        """(n,) latencies; at least a hundredth of the mean of those fitted."""
        pieces = [
            self._columns(networks.take(slice(start, start + _CHUNK))) @ self.values
            for start in range(0, len(networks), _CHUNK)
        ]
        return np.maximum(np.concatenate(pieces), 0.01 * self.mean)

    def _columns(self, networks: ChoiceRows) -> Floats:
        return _columns(networks, self.form, self.base)


def fit_additive(networks: ChoiceRows, latency: Floats, form: Form) -> AdditiveModel:
    """The values of `form` for these networks.

    Args:
        networks: at least one.
        latency: (n,) measured, positive and finite, in any one unit.
        form: the member of the family.
    """
    base = None
    if "size" in form.terms:
        rest = tuple(term for term in form.terms if term != "size")
        base = fit_additive(networks, latency, replace(form, terms=rest, lift=1.0))
    columns, mean = _columns(networks, form, base), float(latency.mean())
    if form.loss == "plain squares":
        values: Floats = np.linalg.lstsq(columns, latency, rcond=None)[0].astype(np.float64)
        return AdditiveModel(form, values * form.lift, mean, base)
    relative = columns * (mean / latency)[:, None]
    values = _robust_ridge(relative, _ridge(networks, form, columns.shape[1]), form.loss)
    return AdditiveModel(form, values * (mean * form.lift), mean, base)


def _columns(networks: ChoiceRows, form: Form, base: AdditiveModel | None) -> Floats:
    blocks = [choice_columns(networks, form.views)]
    for term in form.terms:
        if term == "size" and base is not None:
            relative = base.predict(networks) / base.mean
            blocks.append((relative * np.log(relative))[:, None])
        elif term != "size":
            blocks.append(term_columns(networks, form.views[0], term))
    return np.hstack(blocks)


def _ridge(networks: ChoiceRows, form: Form, columns: int) -> Floats:
    """(columns,) strengths: next to none on the common value, little on choices."""
    ridge = np.full(columns, form.ridge, dtype=np.float64)
    places = sum(networks.views[view].shape[1] for view in form.views)
    ridge[: 1 + places * networks.choices] = _CHOICE_RIDGE
    ridge[0] = _COMMON_RIDGE
    return ridge


def _robust_ridge(columns: Floats, ridge: Floats, loss: Loss) -> Floats:
    """Values that bring every row of `columns` near 1; reweighted until they settle."""
    values, weights = np.zeros(columns.shape[1]), np.ones(len(columns))
    for _ in range(_ROUNDS if loss in _KNEES else 1):
        weighted = columns * weights[:, None]
        before = values
        gram = columns.T @ weighted
        # A latency far below the mean makes a row so long that rounding would eat the ridge.
        gram += np.diag(ridge + _ROUNDING * gram.diagonal().max())
        values = solve(gram, weighted.sum(axis=0), assume_a="pos")
        if np.allclose(values, before, rtol=0.0, atol=_SETTLED):
            break
        error = np.abs(columns @ values - 1.0)
        knee = _KNEES.get(loss, 1.0) * max(float(np.median(error)), 1e-6)
        weights = knee / np.maximum(error, knee)
        weights /= weights.mean()
    return values
