"""Which form of the additive model a table calls for, told by its fitting rows alone.

Forms are tried from the plainest on. Each is fitted to four fifths of the rows and judged on the
rest, five times; a richer form takes the place of a plainer one only where its gain is larger than
the gain's own standard error. Plain least squares stays where nothing is clearly better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nas.bench.tables.additive import Form, Loss, fit_additive
from nas.bench.tables.choice_terms import CONTEXT_TERMS, ChoiceRows, Codes, Floats, num_columns

# All of these are our choice.
_FOLDS = 5
_FAR = 0.10  # of the truth; a prediction beyond it is of little use to a budget
_FAR_COST = 0.2  # what one such network costs above its relative error
_LOSSES: tuple[Loss, ...] = ("squares", "Huber", "absolute")
_RIDGES = (0.05, 5.0)
_MOST_TERMS = 2
_LIFTS = tuple(float(lift) for lift in np.arange(0.98, 1.0301, 0.0025).round(4))


@dataclass(frozen=True)
class _Judge:
    """Fitting rows with their folds; tells what a form costs on rows that it has not seen."""

    networks: ChoiceRows
    latency: Floats
    fold: Codes

    def costs(self, form: Form) -> Floats:
        """(n,) what each network costs, fitted without it."""
        return self.price(self.predict(form))

    def price(self, predicted: Floats) -> Floats:
        """(n,) the relative error of each prediction, and more where it is far off."""
        price: Floats = np.abs(predicted / self.latency - 1.0) + _FAR_COST * self.far(predicted)
        return price

    def far(self, predicted: Floats) -> npt.NDArray[np.bool_]:
        """(n,) which predictions are of little use."""
        return np.abs(predicted / self.latency - 1.0) > _FAR

    def predict(self, form: Form) -> Floats:
        """(n,) latencies, each by a model fitted without it."""
        predicted = np.empty_like(self.latency)
        for fold in range(_FOLDS):
            seen, unseen = np.flatnonzero(self.fold != fold), np.flatnonzero(self.fold == fold)
            model = fit_additive(self.networks.take(seen), self.latency[seen], form)
            predicted[unseen] = model.predict(self.networks.take(unseen))
        return predicted


def choose_form(
    networks: ChoiceRows,
    latency: Floats,
    view_sets: Sequence[tuple[str, ...]],
    rng: np.random.Generator,
) -> Form:
    """The plainest form that no other predicts unseen rows clearly better than.

    Args:
        networks: at least ten.
        latency: (n,) measured, positive and finite.
        view_sets: readings to try; the first is that of plain least squares.
        rng: deals the rows out to folds.
    """
    judge = _Judge(networks, latency, rng.permutation(len(latency)) % _FOLDS)
    plain = best = Form(view_sets[0], "plain squares")
    costs = judge.costs(plain)
    readings = [Form(views, loss) for views in view_sets for loss in _LOSSES]
    best, costs = _better(judge, best, costs, readings)
    for _ in range(_MOST_TERMS):
        before = best
        best, costs = _better(judge, best, costs, _richer(best, networks))
        if best == before:
            break
    return _lifted(judge, best, plain)


def _better(judge: _Judge, best: Form, costs: Floats, forms: Sequence[Form]) -> tuple[Form, Floats]:
    """The cheapest of `forms` with its costs, where it beats `best` by over a standard error."""
    tried = [(form, judge.costs(form)) for form in forms]
    form, new = min(tried, key=lambda pair: float(pair[1].mean()), default=(best, costs))
    gain = costs - new
    clear = gain.mean() > gain.std() / np.sqrt(len(gain))
    return (form, new) if clear else (best, costs)


def _lifted(judge: _Judge, form: Form, plain: Form) -> Form:
    """`form` with the cheapest lift of those that are no more often far off than `plain`.

    A robust loss fits the undisturbed rows; a little above them lies where fewest rows are far.
    """
    if form.loss == "plain squares":
        return form
    predicted, most_far = judge.predict(form), judge.far(judge.predict(plain)).sum()
    lifts = [lift for lift in _LIFTS if judge.far(predicted * lift).sum() <= most_far]
    costs = {lift: float(judge.price(predicted * lift).mean()) for lift in lifts or _LIFTS}
    return replace(form, lift=min(costs, key=lambda lift: (costs[lift], abs(lift - 1.0))))


def _richer(form: Form, networks: ChoiceRows) -> list[Form]:
    """`form` with one more context term, of those that have fewer columns than there are rows."""
    loss: Loss = "squares" if form.loss == "plain squares" else form.loss
    return [
        replace(form, loss=loss, terms=(*form.terms, term), ridge=ridge)
        for term in CONTEXT_TERMS
        for ridge in _RIDGES
        if term not in form.terms and num_columns(networks, term) < len(networks)
    ]
