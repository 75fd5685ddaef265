"""Tables in which the accuracy of every network stands, so that the exact front is known.

A TOML file says which columns are which:

    table = "cells.parquet"
    params = ["op_01", "op_02", "op_12"]        # the choices
    accuracy = "test_accuracy"                  # per cent, or shares of 1; higher is better
    costs = ["lat_ms_board"]                    # lower is better; known beforehand
    identity = ["net_01", "net_02", "net_12"]   # optional: equal in all means the same network
    features = ["depth"]                        # optional: numbers known beforehand

Where the params are all edges of one cell and no features are named, the features are how many of
each operation lie on a path from input to output.

Accuracies leave the table one by one, through a `Judge` that writes down which: what proposes
networks never holds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from nas.bench.tables.cell_edges import edges_of_cell, no_operation, on_path
from nas.bench.tables.table_cells import numbers_of, read_frame, texts_of
from nas.bench.tables.table_columns import TableFile, described_names, find_table
from nas.errors import BadInput
from nas.samplers import TableCandidates
from nas.samplers.expected_gain import Reference, hypervolume

REFERENCE = 0.75  # quantile of errors and of costs; what is worse is no front

_LEAST_ERROR = 1e-6  # of the whole scale: a perfect network's error has no logarithm

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SearchTable:
    """A table as a sampler may see it, and the judge that knows the rest."""

    name: str
    candidates: TableCandidates
    cost_names: tuple[str, ...]
    costs: Floats
    """(n, m)"""
    best: float
    """A perfect network's accuracy: 100 or 1."""
    _accuracies: Floats = field(repr=False)

    def judge(self) -> "Judge":
        """A fresh one, that has told nothing yet."""
        return Judge(self._accuracies, self.costs, self.best)


class Judge:
    """Tells the accuracy of rows, writes down which, and how much of the exact front they hold.

    Errors and costs count by their logarithms, up to the 75 % quantile of each.
    """

    def __init__(self, accuracies: Floats, costs: Floats, best: float) -> None:
        """Of (n,) accuracies and (n, m) costs."""
        self._accuracies = accuracies
        self._errors = np.log(np.maximum(best - accuracies, _LEAST_ERROR * best))
        self._log_costs = np.log(costs)
        worst = np.quantile(self._log_costs, REFERENCE, axis=0)
        self._reference = Reference(float(np.quantile(self._errors, REFERENCE)), worst)
        self.whole = hypervolume(self._errors, self._log_costs, self._reference)
        self.rows: list[int] = []

    def evaluate(self, row: int) -> float:
        """Its accuracy, which counts as one evaluation."""
        self.rows.append(row)
        return float(self._accuracies[row])

    def accuracies(self) -> list[float]:
        """Of the rows that were evaluated, in that order."""
        return [float(self._accuracies[row]) for row in self.rows]

    def share(self) -> float:
        """Of the exact front's hypervolume, what the evaluated rows have."""
        errors, costs = self._errors[self.rows], self._log_costs[self.rows]
        return hypervolume(errors, costs, self._reference) / self.whole


def read_search_table(path: Path) -> SearchTable:
    """The table that the TOML file at `path` describes.

    Raises:
        BadInput: it cannot be read, a column is missing or empty, two rows are the same choices,
            or it has no front.
    """
    file = find_table(path)
    frame = read_frame(file.path)
    params = _columns(file, frame, "params")
    names = _columns(file, frame, "costs")
    accuracies = _accuracies(file, frame)
    costs = _full(file.path, numbers_of(file.path, frame, names), names)
    if not (costs > 0).all():
        worst = names[int(np.argmax((costs <= 0).any(axis=0)))]
        raise BadInput(f"{file.path}: cost {worst} is not above 0 in every row")
    features = described_names(file, frame, "features")
    best = 1.0 if accuracies.max() <= 1.0 else 100.0
    table = SearchTable(
        name=path.stem,
        candidates=_candidates(file, frame, params, costs, features),
        cost_names=names,
        costs=costs,
        best=best,
        _accuracies=accuracies,
    )
    _check_front(file.path, accuracies, costs, names, best)
    return table


def _columns(file: TableFile, frame: pd.DataFrame, key: str) -> tuple[str, ...]:
    found = described_names(file, frame, key)
    if not found:
        raise BadInput(f"{file.path}: its description has no line {key} = [...]")
    return found


def _accuracies(file: TableFile, frame: pd.DataFrame) -> Floats:
    name = file.description.get("accuracy")
    if not isinstance(name, str) or name not in frame.columns:
        raise BadInput(f'{file.path}: its description names no column as accuracy = "NAME"')
    found = _full(file.path, numbers_of(file.path, frame, [name]), [name])[:, 0]
    if found.min() < 0 or found.max() > 100:
        raise BadInput(f"{file.path}: {name} is neither per cent nor a share of 1")
    return found


def _full(path: Path, numbers: Floats, names: Sequence[str]) -> Floats:
    for name, column in zip(names, numbers.T, strict=True):
        empty = int((~np.isfinite(column)).sum())
        if empty:
            raise BadInput(f"{path}: {name} is missing or infinite in {empty} rows")
    return numbers


def _candidates(
    file: TableFile,
    frame: pd.DataFrame,
    params: Sequence[str],
    costs: Floats,
    features: Sequence[str],
) -> TableCandidates:
    identity = described_names(file, frame, "identity")
    cells = texts_of(file.path, frame, params)
    same = texts_of(file.path, frame, identity) if identity else np.empty((len(frame), 0))
    try:
        return TableCandidates(
            dict(zip(params, cells.T.tolist(), strict=True)),
            costs,
            identity=same.T.tolist(),
            features=_full(file.path, numbers_of(file.path, frame, features), features)
            if features
            else _operations_on_path(params, cells),
        )
    except ValueError as exc:
        twice = pd.DataFrame(cells).duplicated()
        raise BadInput(
            f"{file.path}: {exc}: row {int(twice.to_numpy().argmax())} and an earlier one"
        ) from exc


def _operations_on_path(params: Sequence[str], cells: npt.NDArray[np.str_]) -> Floats | None:
    """(n, operations) how many of each are on a path; None where the params are no cell's edges."""
    edges = edges_of_cell(params)
    operations, codes = np.unique(cells, return_inverse=True)
    none = no_operation(operations)
    if edges is None or none is None:
        return None
    live = on_path(codes.reshape(cells.shape), edges, none)
    numbers = [number for number in range(len(operations)) if number != none]
    return np.stack([(live == number).sum(axis=1) for number in numbers], axis=1).astype(np.float64)


def _check_front(
    path: Path, accuracies: Floats, costs: Floats, names: Sequence[str], best: float
) -> None:
    for name, column in zip(names, costs.T, strict=True):
        if np.ptp(column) == 0:
            raise BadInput(f"{path}: {name} is the same in all rows, so that there is no front")
    if Judge(accuracies, costs, best).whole <= 0:
        raise BadInput(f"{path}: no network is better than most in everything: there is no front")
