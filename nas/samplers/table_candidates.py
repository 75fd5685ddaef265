"""The rows of a table, as `ParetoSampler` sees them."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from nas.samplers.candidates import Candidates, Codes, Floats, Known


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

    @property
    def is_whole(self) -> bool:
        """Whether every combination of the params is a row."""
        return len(self._row) == math.prod(len(d.choices) for d in self._distributions.values())

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
