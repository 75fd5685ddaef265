"""How well networks that others measured are predicted from some of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from nas.bench.tables.additive import AdditiveModel, Form, fit_additive
from nas.bench.tables.choice_terms import ChoiceRows
from nas.bench.tables.form_choice import choose_form
from nas.bench.tables.latency_table import LatencyTable
from nas.errors import BadInput

# Our choice: fewer rows to fit say nothing of forms, fewer to test nothing of errors.
_FEWEST_FITTED = 20
_FEWEST_TESTED = 10

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """One split of the rows: the form and how far its predictions are off, as shares."""

    form: Form
    error: float
    within_5: float
    within_10: float
    spearman: float
    drift: float


@dataclass(frozen=True)
class _Split:
    additive: _Trial
    plain: _Trial


def compare_on_table(
    table: LatencyTable,
    train_rows: int,
    seeds: int,
    *,
    on_fit: Callable[[str, int], None] = lambda *_: None,
) -> list[dict[str, object]]:
    """Unseen networks of a table: the additive model, then least squares on the same rows.

    Two rows a latency column, of medians over seeds; a seed deals the networks out to rows fitted
    and rows tested. The form of the additive model is chosen on the fitted rows alone. `spread` is
    the largest mean error of a seed less the smallest. `drift` is the rank correlation of the
    errors of networks next to each other in the file: where a file stands in the order of
    measuring, that part of the error came from the device's state and no model can remove it.

    Args:
        table: see `read_latency_table`.
        train_rows: networks to fit to.
        seeds: how many splits.
        on_fit: told the latency column and the number of the split before each fit.

    Raises:
        BadInput: too few rows to fit or to test.
    """
    rows: list[dict[str, object]] = []
    for name, latency in table.latencies.items():
        known = int(np.count_nonzero(~np.isnan(latency)))
        _check_rows(f"{table.name}, {name}", known, train_rows)
        trials = []
        for seed in range(seeds):
            on_fit(name, seed + 1)
            trials.append(_split(table, latency, train_rows, seed))
        counts = {
            "fitted": train_rows,
            "tested": known - train_rows,
            "left out": table.left_out + len(latency) - known,
        }
        rows.append(_row(name, "additive", counts, [trial.additive for trial in trials]))
        rows.append(_row(name, "least squares", counts, [trial.plain for trial in trials]))
    return rows


def _split(table: LatencyTable, latency: Floats, train_rows: int, seed: int) -> _Split:
    """Both models on one split; the rows tested keep the order of the file."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(~np.isnan(latency)))
    fitted, tested = order[:train_rows], np.sort(order[train_rows:])
    networks, measured = table.networks.take(fitted), latency[fitted]
    chosen = choose_form(networks, measured, table.view_sets, rng)
    plain = Form(table.view_sets[0], "plain squares")
    unseen, truth = table.networks.take(tested), latency[tested]
    additive, simple = (
        _trial(fit_additive(networks, measured, form), unseen, truth) for form in (chosen, plain)
    )
    return _Split(additive, simple)


def _check_rows(what: str, known: int, train_rows: int) -> None:
    if train_rows < _FEWEST_FITTED:
        raise BadInput(f"--train-rows {train_rows}: at least {_FEWEST_FITTED} rows are needed")
    if known < train_rows + _FEWEST_TESTED:
        raise BadInput(
            f"{what}: of {known} rows with a latency, {train_rows} to fit leave fewer than "
            f"{_FEWEST_TESTED} to test. Give a smaller --train-rows"
        )


def _trial(model: AdditiveModel, networks: ChoiceRows, truth: Floats) -> _Trial:
    predicted = model.predict(networks)
    error = predicted / truth - 1.0
    return _Trial(
        form=model.form,
        error=float(np.mean(np.abs(error))),
        within_5=float(np.mean(np.abs(error) <= 0.05)),
        within_10=float(np.mean(np.abs(error) <= 0.10)),
        spearman=_rank_correlation(predicted, truth),
        drift=_rank_correlation(error[:-1], error[1:]),
    )


def _rank_correlation(one: Floats, other: Floats) -> float:
    """0 where one of them is all the same."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def _row(
    name: str, model: str, counts: dict[str, int], trials: Sequence[_Trial]
) -> dict[str, object]:
    errors = [trial.error for trial in trials]
    form, times = Counter(_words(trial.form) for trial in trials).most_common(1)[0]
    return {
        "latency": name,
        "model": model,
        **counts,
        "MAPE": float(np.median(errors)),
        "spread": max(errors) - min(errors),
        "within 5 %": float(np.median([trial.within_5 for trial in trials])),
        "within 10 %": float(np.median([trial.within_10 for trial in trials])),
        "Spearman": float(np.median([trial.spearman for trial in trials])),
        "drift": float(np.median([trial.drift for trial in trials])),
        "form": form if times == len(trials) else f"{form} ({times} of {len(trials)})",
    }


def _words(form: Form) -> str:
    """The form without its strengths; terms in one order, so that equal ones are counted so."""
    parts = (*form.views, *sorted(form.terms))
    return f"{' + '.join(parts)}, {form.loss}"
