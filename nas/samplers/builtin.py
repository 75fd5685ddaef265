"""Samplers by the names of the command line."""

import difflib
from collections.abc import Callable

import optuna
from optuna.samplers import BaseSampler

from nas.errors import BadInput

POPULATION = 24  # our choice: searches here have a hundred trials or so, Optuna's 50 is half


def _nsga2(seed: int | None, population: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(population_size=population, seed=seed)


def _tpe(seed: int | None, _: int) -> BaseSampler:
    return optuna.samplers.TPESampler(multivariate=True, seed=seed)


def _gp(seed: int | None, _: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _random(seed: int | None, _: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


_BUILT_IN: dict[str, Callable[[int | None, int], BaseSampler]] = {
    "nsga2": _nsga2,
    "tpe": _tpe,
    "gp": _gp,
    "random": _random,
}
SAMPLER_NAMES = ("pareto", *_BUILT_IN)


def check_sampler(name: str) -> None:
    """Raises BadInput, telling the nearest name, where there is no such sampler."""
    if name not in SAMPLER_NAMES:
        near = difflib.get_close_matches(name, SAMPLER_NAMES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BadInput(f"no sampler {name!r}; {hint}There are: {', '.join(SAMPLER_NAMES)}")


def built_in(name: str, seed: int | None, population: int = POPULATION) -> BaseSampler:
    """One of Optuna's samplers, for a study with several objectives and constraints.

    Args:
        name: any but `pareto`.
        seed: repeats a run exactly.
        population: of `nsga2`.
    """
    return _BUILT_IN[name](seed, population)
