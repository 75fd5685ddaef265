"""What a search may propose: networks as codes, and what is known of them before any is evaluated.

Codes are small whole numbers, one for each of C choices, canonical: networks that are one have one
code, and choices without effect are -1.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int16]

INACTIVE = -1

_FEW = 20_000  # our choice: of so many networks all are looked at, each time


@dataclass(frozen=True, eq=False)
class Known:
    """Of n networks, exactly and beforehand."""

    costs: Floats
    """(n, m) the study's objectives but the first, minimised; NaN where one is not known."""
    features: Floats
    """(n, d) what else may tell how good a network is; d may be 0."""
    violations: Floats
    """(n,) by how much budgets are exceeded, relative; 0 or less where none is."""
    promise: Floats | None = None
    """(n,) a guess of how good they are before any is evaluated, more is better."""

    def rows(self, kept: npt.NDArray[Any]) -> "Known":
        """These of them."""
        promise = None if self.promise is None else self.promise[kept]
        return Known(self.costs[kept], self.features[kept], self.violations[kept], promise)


class Candidates(ABC):
    """A space as `ParetoSampler` sees it. Codes count the values of each choice from 0."""

    @property
    @abstractmethod
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """The study's parameters; one for each choice, in the order of the codes."""

    @abstractmethod
    def canonical(self, codes: Codes) -> Codes:
        """(n, C) the same networks, choices without effect set to -1; `codes` may hold -1 too."""

    @abstractmethod
    def known(self, codes: Codes) -> Known:
        """What is known of (n, C) canonical codes."""

    def everything(self) -> Codes | None:
        """(n, C) all networks there are, where they are few enough to be looked at one by one."""
        return self._everything

    @cached_property
    def _everything(self) -> Codes | None:
        if math.prod(self.sizes) > _FEW:
            return None
        combinations = np.indices(self.sizes).reshape(len(self.sizes), -1).T
        return np.unique(self.canonical(combinations.astype(np.int16)), axis=0)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """(C,) how many values each choice has."""
        return tuple(len(d.choices) for d in self.distributions.values())

    @cached_property
    def families(self) -> tuple[tuple[int, ...], ...]:
        """Numbers of the choices that ask the same of several places, such as of each layer.

        Their values are the same, and so are their names but for numbers that count places: each
        of them 1, 2, 3 and so on in a family, from anywhere on, which sizes of kernels do not.
        There are no families where all networks can be listed, and each be told from the others by
        its own choices.
        """
        if self.everything() is not None:
            return ()
        found: dict[tuple[str, str], list[int]] = {}
        names = list(self.distributions)
        for number, distribution in enumerate(self.distributions.values()):
            alike = re.sub(r"\d+", "#", names[number]), repr(distribution.choices)
            found.setdefault(alike, []).append(number)
        return tuple(
            tuple(family)
            for family in found.values()
            if len(family) > 1 and _count_places([names[number] for number in family])
        )

    def encode(self, parameters: Mapping[str, Any]) -> Codes:
        """(C,) canonical codes of parameters as a trial has them.

        Raises:
            KeyError: one is missing.
            ValueError: one has a value that is none of its choices.
        """
        raw = [d.to_internal_repr(parameters[name]) for name, d in self.distributions.items()]
        (codes,) = self.canonical(np.array([raw], dtype=np.int16))
        return np.asarray(codes, dtype=np.int16)

    def decode(self, codes: Codes) -> dict[str, Any]:
        """Parameters of one network; choices without effect at their first value."""
        named = zip(self.distributions.items(), codes.tolist(), strict=True)
        return {name: d.choices[max(code, 0)] for (name, d), code in named}


def _count_places(names: Sequence[str]) -> bool:
    """Whether the numbers in these names, which are alike otherwise, go up by ones."""
    numbers = [[int(found) for found in re.findall(r"\d+", name)] for name in names]
    return all(
        max(column) - min(column) < len(set(column)) for column in zip(*numbers, strict=True)
    )
