"""Spaces whose networks are arithmetic: what a sampler may know of them, and the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from nas.samplers import Candidates, Codes, Known, ParetoSampler, TableCandidates


class Layers(Candidates):
    """So many layers, each with a value from 0 on; the later half counts only in deep networks.

    A layer costs its value, and gains accuracy by the root of it, early layers more.
    """

    def __init__(self, layers: int, *, values: int = 3, costs: int = 1, budget: float = np.inf):
        self.layers, self.values, self.costs, self.budget = layers, values, costs, budget
        self.looked_at = 0

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        layers = {
            f"layer{n}": CategoricalDistribution(range(self.values)) for n in range(self.layers)
        }
        return {"deep": CategoricalDistribution([False, True]), **layers}

    def canonical(self, codes: Codes) -> Codes:
        found = np.maximum(codes, 0)
        found[found[:, 0] == 0, 1 + self.layers // 2 :] = -1
        return found

    def known(self, codes: Codes) -> Known:
        self.looked_at += len(codes)
        sizes = np.maximum(codes[:, 1:], 0).sum(axis=1) + 2.0 + codes[:, 0]
        memory = 1.0 + np.maximum(codes[:, 1:], 0).max(axis=1) * np.arange(1, 2)
        costs = np.column_stack([sizes, memory, sizes * memory])[:, : self.costs]
        return Known(costs, np.log(sizes)[:, None], sizes / self.budget - 1)

    def accuracy(self, codes: Codes) -> float:
        worth = np.linspace(1.0, 0.2, self.layers)
        gained = worth @ np.sqrt(np.maximum(codes[1:], 0)) / worth.sum()
        return float(1 - 0.5 * np.exp(-2 * gained))


@dataclass(frozen=True)
class Grid:
    """A table of all networks of so many layers, and by row what a sampler does not see."""

    table: TableCandidates
    accuracies: list[float]
    costs: list[float]


def grid(layers: int = 5, values: int = 3) -> Grid:
    """Accuracy grows with the layers' values, less and less, and with early layers more."""
    codes = np.indices((values,) * layers).reshape(layers, -1).T
    worth = np.linspace(1.0, 0.2, layers)
    gained = np.sqrt(codes) @ worth / worth.sum()
    accuracies = 100 * (1 - 0.5 * np.exp(-2 * gained))
    params = {f"layer{n}": codes[:, n].tolist() for n in range(layers)}
    costs = codes.sum(axis=1) + 2.0
    return Grid(TableCandidates(params, costs[:, None]), accuracies.tolist(), costs.tolist())


def study_of(sampler: ParetoSampler, costs: int = 1, accuracy: str = "maximize") -> optuna.Study:
    return optuna.create_study(directions=[accuracy] + ["minimize"] * costs, sampler=sampler)


def evaluate(
    study: optuna.Study,
    space: Candidates,
    trials: int,
    value: Callable[[Codes], float] | None = None,
) -> list[Codes]:
    """The networks proposed, evaluated one after the other: by `Layers.accuracy` unless told."""
    value = space.accuracy if value is None and isinstance(space, Layers) else value
    assert value is not None
    found = []
    for _ in range(trials):
        trial = study.ask(dict(space.distributions))
        codes = space.encode(trial.params)
        found.append(codes)
        study.tell(trial, [value(codes), *space.known(codes[None]).costs[0].tolist()])
    return found


class Decoders(Candidates):
    """Layers of a better kind, which is worthless where the network is narrow, and of small sizes.

    Cheap networks are narrow: who looks at those alone never learns what the better kind is worth.
    """

    LAYERS, SIZES = 6, 24
    _DEPTHS, _WIDTHS = np.array([2, 3, 4, 6]), np.array([96.0, 128.0, 192.0, 256.0])

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        each = {f"layer{n}.kind": CategoricalDistribution([0, 1]) for n in range(self.LAYERS)}
        sizes = {
            f"layer{n}.size_{letter}": CategoricalDistribution([1, 2, 3])
            for n in range(self.LAYERS)
            for letter in "abcd"
        }
        roots = {name: CategoricalDistribution(range(4)) for name in ("depth", "width")}
        return {**roots, **each, **sizes}

    def canonical(self, codes: Codes) -> Codes:
        found = np.maximum(codes, 0)
        asleep = np.arange(self.LAYERS) >= self._DEPTHS[found[:, 0]][:, None]
        found[:, 2:8][asleep] = -1
        found[:, 8:][np.repeat(asleep, self.SIZES // self.LAYERS, axis=1)] = -1
        return found

    def known(self, codes: Codes) -> Known:
        depth, width = self._DEPTHS[codes[:, 0]], self._WIDTHS[codes[:, 1]]
        sizes = np.maximum(codes[:, 8:], 0).sum(axis=1)
        costs = (depth + 0.05 * sizes + 0.5 * np.maximum(codes[:, 2:8], 0).sum(axis=1)) * width
        return Known(costs[:, None], np.log(width * depth)[:, None], np.zeros(len(codes)))

    def error(self, codes: Codes) -> float:
        depth, width = self._DEPTHS[codes[0]], self._WIDTHS[codes[1]]
        better = np.maximum(codes[2:8], 0).sum() / depth
        sizes = np.maximum(codes[8:], 0).sum() / (2 * depth)
        worth = 0.15 if width > 96 else -0.08
        return float(
            2.95 * np.exp(-worth * better) * (depth * width / 192) ** -0.02 - 0.001 * sizes
        )
