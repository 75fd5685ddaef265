"""What a search may propose: networks as codes, and what is known of them before any is evaluated.

Codes are small whole numbers, one for each of C choices, canonical: networks that are one have one
code, and choices without effect are -1.
"""

import math
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

    def rows(self, kept: npt.NDArray[Any]) -> "Known":
        """These of them."""
        return Known(self.costs[kept], self.features[kept], self.violations[kept])


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


class TableCandidates(Candidates):
    """All rows of a table; of rows that are the same network the cheapest stands for all."""

    def __init__(
        self,
        params: Mapping[str, Sequence[Any]],
        costs: Floats,
        *,
        identity: Sequence[Sequence[Any]] = (),
        features: Floats | None = None,
    ) -> None:
        """Of n rows.

        Args:
            params: by name, the value of a choice in each row.
            costs: (n, m)
            identity: columns that are equal for rows which are the same network; the params if
                not given.
            features: (n, d) what else is known beforehand.

        Raises:
            ValueError: two rows have the same params.
        """
        values = {name: list(dict.fromkeys(column)) for name, column in params.items()}
        self._distributions = {n: CategoricalDistribution(v) for n, v in values.items()}
        self._values = [values[name] for name in params]
        rows = list(zip(*params.values(), strict=True))
        self._row = {row: number for number, row in enumerate(rows)}
        if len(self._row) < len(rows):
            raise ValueError("two rows of the table have the same choices")
        self._parameters = rows
        self._codes, self._sizes = _numbered(list(identity) or list(params.values()))
        known_costs = np.asarray(costs, dtype=np.float64).reshape(len(rows), -1)
        self._cheapest: dict[bytes, int] = {}
        for number in np.argsort(known_costs[:, 0], kind="stable").tolist():
            self._cheapest.setdefault(self._codes[number].tobytes(), number)
        self._known = Known(
            known_costs,
            np.empty((len(rows), 0)) if features is None else np.asarray(features, np.float64),
            np.zeros(len(rows)),
        )

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """The params, each with the values that it has in the table."""
        return self._distributions

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many values each column of the identity has."""
        return self._sizes

    def canonical(self, codes: Codes) -> Codes:
        """They are."""
        return codes

    def known(self, codes: Codes) -> Known:
        """Of the cheapest row of each network."""
        rows = [self._cheapest[row.tobytes()] for row in codes]
        return self._known.rows(np.array(rows, dtype=np.intp))

    def everything(self) -> Codes | None:
        """Each network once."""
        return self._codes[list(self._cheapest.values())]

    def encode(self, parameters: Mapping[str, Any]) -> Codes:
        """Codes of a row by its params; KeyError if there is no such row."""
        return np.asarray(self._codes[self.row(parameters)], dtype=np.int16)

    def decode(self, codes: Codes) -> dict[str, Any]:
        """Params of the network's cheapest row."""
        row = self._parameters[self._cheapest[codes.tobytes()]]
        return dict(zip(self._distributions, row, strict=True))

    def row(self, parameters: Mapping[str, Any]) -> int:
        """Its number; KeyError if the table has no such row."""
        return self._row[tuple(parameters[name] for name in self._distributions)]


def _numbered(columns: Sequence[Sequence[Any]]) -> tuple[Codes, tuple[int, ...]]:
    """(n, C) each value as the number of its first, and how many there are of each column."""
    numbered, sizes = [], []
    for column in columns:
        numbers: dict[Any, int] = {}
        numbered.append([numbers.setdefault(value, len(numbers)) for value in column])
        sizes.append(len(numbers))
    return np.array(numbered, dtype=np.int16).T.copy(), tuple(sizes)
