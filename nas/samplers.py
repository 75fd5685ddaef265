"""Optuna's samplers by the names of the command line."""

import difflib
from collections.abc import Callable

import optuna

from nas.errors import BadInput

_POPULATION = 24  # our choice: searches here have a hundred trials or so, Optuna's 50 is half


def _nsga2(seed: int | None) -> optuna.samplers.BaseSampler:
    return optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=seed)


def _tpe(seed: int | None) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(multivariate=True, seed=seed)


def _gp(seed: int | None) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _random(seed: int | None) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


_SAMPLERS: dict[str, Callable[[int | None], optuna.samplers.BaseSampler]] = {
    "nsga2": _nsga2,
    "tpe": _tpe,
    "gp": _gp,
    "random": _random,
}
SAMPLER_NAMES = tuple(_SAMPLERS)


def make_sampler(name: str, seed: int | None) -> optuna.samplers.BaseSampler:
    """A sampler for a study with several objectives and constraints.

    Raises:
        BadInput: no such sampler; the nearest name is told.
    """
    if name not in _SAMPLERS:
        near = difflib.get_close_matches(name, _SAMPLERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise BadInput(f"no sampler {name!r}; {hint}There are: {', '.join(_SAMPLERS)}")
    return _SAMPLERS[name](seed)
