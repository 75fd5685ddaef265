"""The rows of a table, as `ParetoSampler` sees them."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from nas.samplers.candidates import Candidates, Codes, Floats, Known

_MOST_VALUES = 64  # our choice: where a column has more, a value says little of a network


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
                not given. They describe the network in place of the params, where they are no mere
                names: where each has 64 values at most.
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
        known_costs = np.asarray(costs, dtype=np.float64).reshape(len(rows), -1)
        same = list(zip(*identity, strict=True)) or rows
        cheapest: dict[Any, int] = {}
        for number in np.argsort(known_costs[:, 0], kind="stable").tolist():
            cheapest.setdefault(same[number], number)
        told = list(identity) if identity and _describe(identity) else list(params.values())
        codes, self._sizes = _numbered(told)
        self._codes = codes[[cheapest[network] for network in same]]
        self._cheapest = {codes[number].tobytes(): number for number in cheapest.values()}
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


def _describe(columns: Sequence[Sequence[Any]]) -> bool:
    return all(len(set(column)) <= _MOST_VALUES for column in columns)


def _numbered(columns: Sequence[Sequence[Any]]) -> tuple[Codes, tuple[int, ...]]:
    """(n, C) each value by the order of appearance, and how many there may be in each column.

    A column of very many values becomes several: the digits of that number.
    """
    numbered, sizes = list[Any](), list[int]()
    for column in columns:
        order = dict.fromkeys(column)
        numbers = dict(zip(order, range(len(order)), strict=True))
        rest, count = np.array([numbers[value] for value in column]), len(order)
        while count > _MOST_VALUES:
            numbered.append(rest % _MOST_VALUES)
            sizes.append(_MOST_VALUES)
            rest, count = rest // _MOST_VALUES, -(-count // _MOST_VALUES)
        numbered.append(rest)
        sizes.append(count)
    return np.stack(numbered, axis=1).astype(np.int16), tuple(sizes)
