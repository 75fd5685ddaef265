"""A sampler searches a table, seed by seed; evaluations until most of the front is there."""

import contextlib
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.study import StudyDirection

from nas.bench.search.search_table import REFERENCE, SearchTable
from nas.errors import BadInput
from nas.samplers import ParetoSampler, built_in

LEVELS = (0.95, 0.98, 0.99)
COMPARED = ("nsga2", "tpe", "gp", "random")
"""Optuna's own, as they are set up for `--compare`."""

_POPULATION = 50  # Optuna's own default for NSGA-II


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """One seed of one sampler."""

    sampler: str
    seed: int
    rows: tuple[int, ...]
    """Of the table, in the order in which they were evaluated."""
    accuracies: tuple[float, ...]
    reached: tuple[int | None, ...]
    """Evaluations until each of `LEVELS`; None where it was not reached."""
    share: float
    """Of the exact hypervolume, in the end."""
    seconds: float


def search_table(
    table: SearchTable,
    sampler: str,
    trials: int,
    seed: int,
    on_trial: Callable[[int], None] = lambda _: None,
) -> SearchRun:
    """Evaluates rows of the table as the sampler proposes them; each trial is an evaluation.

    Args:
        table: to be searched.
        sampler: `pareto`, or one of Optuna's by its name.
        trials: at most; fewer where all networks were evaluated.
        seed: of the sampler.
        on_trial: told the number of each.

    Raises:
        BadInput: the table lacks networks that a sampler of Optuna's may propose.
    """
    check_whole(table, sampler)
    judge, candidates = table.judge(), table.candidates
    reached: dict[float, int] = {}
    start, share = time.monotonic(), 0.0
    up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
    with _quiet():
        study = optuna.create_study(
            directions=[up, *[down] * len(table.cost_names)],
            sampler=_sampler(table, sampler, seed),
        )
        known = candidates.everything()
        most = trials if known is None or sampler != "pareto" else min(trials, len(known))
        for number in range(1, most + 1):
            trial = study.ask(dict(candidates.distributions))
            row = candidates.row(trial.params)
            study.tell(trial, [judge.evaluate(row), *table.costs[row].tolist()])
            share = judge.share()
            for level in LEVELS:
                if share >= level:
                    reached.setdefault(level, number)
            on_trial(number)
    return SearchRun(
        sampler=sampler,
        seed=seed,
        rows=tuple(judge.rows),
        accuracies=tuple(judge.accuracies()),
        reached=tuple(reached.get(level) for level in LEVELS),
        share=share,
        seconds=time.monotonic() - start,
    )


def median_reached(runs: Sequence[SearchRun]) -> tuple[float | None, ...]:
    """Of the runs' evaluations until each level; None where most did not reach it."""
    found = np.array([[np.inf if n is None else n for n in run.reached] for run in runs])
    return tuple(float(n) if np.isfinite(n) else None for n in np.median(found, axis=0))


def check_whole(table: SearchTable, sampler: str) -> None:
    """Raises BadInput where the table lacks networks that the sampler may propose."""
    if sampler != "pareto" and not table.candidates.is_whole:
        raise BadInput(
            f"table {table.name} lacks combinations of its choices, which {sampler} may propose; "
            "search it with --sampler pareto, without --compare"
        )


def _sampler(table: SearchTable, name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name != "pareto":
        return built_in(name, seed, _POPULATION)
    return ParetoSampler(table.candidates, best=table.best, reference=REFERENCE, seed=seed)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells each trial, and warns of samplers that may change; neither is news here."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
