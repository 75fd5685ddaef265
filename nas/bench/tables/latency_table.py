"""Tables of networks with latencies that somebody measured.

A table is a Parquet or CSV file. A TOML file beside it may say which columns are which:

    table = "cells.parquet"
    params = ["op_01", "op_02", "op_12"]        # the choices, a column a place
    identity = ["net_01", "net_02", "net_12"]   # optional: equal in all means the same network
    features = ["depth"]                        # optional: numbers known beforehand
    costs = ["lat_ms_board"]                    # or latency = [...]

Without one, choices are columns such as op_00 or layer_0, a canonical form of them net_00, and
latencies are numbers with lat, latency or time in their names, or a unit of time at their end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from nas.bench.tables.cell_edges import edges_of_cell, feeding_output, no_operation, on_path
from nas.bench.tables.choice_terms import ChoiceRows
from nas.bench.tables.table_cells import numbers_of, read_frame, texts_of
from nas.bench.tables.table_columns import TableColumns, find_table, tell_columns
from nas.errors import BadInput

_MOST_CHOICES = 256  # of all places together; our choice: more is a number, not a choice

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LatencyTable:
    """Networks and their latencies.

    Attributes:
        name: of the file.
        networks: the rows that are a network, in the order of the file.
        view_sets: readings of the choices worth trying; the first is as written.
        latencies: (n,) by column, in the file's unit; NaN where there is no positive number.
        left_out: rows without a path from input to output, which are no networks.
    """

    name: str
    networks: ChoiceRows
    view_sets: tuple[tuple[str, ...], ...]
    latencies: Mapping[str, Floats]
    left_out: int


@dataclass(frozen=True)
class _Views:
    readings: Mapping[str, Codes]
    choices: int
    connected: Mask


def read_latency_table(
    path: Path, params: Sequence[str] = (), latency: Sequence[str] = ()
) -> LatencyTable:
    """The table at `path`, or the one that the TOML file at `path` describes.

    Args:
        path: .parquet, .csv or .toml.
        params: names of choice columns, `*` for any letters; empty: as described, or by name.
        latency: names of latency columns, in the same manner.

    Raises:
        BadInput: the file cannot be read, or it cannot be told what its columns are.
    """
    file = find_table(path)
    frame = read_frame(file.path)
    columns = tell_columns(file, frame, params, latency)
    views = _views(file.path, frame, columns)
    features = _scaled(numbers_of(file.path, frame, columns.features))
    if np.isnan(features).any():
        raise BadInput(f"{file.path}: a feature of {', '.join(columns.features)} is empty")
    networks = ChoiceRows(views.readings, views.choices, features)
    measured = numbers_of(file.path, frame, columns.latency)[views.connected]
    measured[~(np.isfinite(measured) & (measured > 0))] = np.nan
    return LatencyTable(
        name=file.path.name,
        networks=networks.take(np.flatnonzero(views.connected)),
        view_sets=_view_sets(views.readings),
        latencies=dict(zip(columns.latency, measured.T, strict=True)),
        left_out=int((~views.connected).sum()),
    )


def _views(path: Path, frame: pd.DataFrame, columns: TableColumns) -> _Views:
    """The readings of the choices; a canonical form counts where it has a column a place."""
    p = len(columns.params)
    canonical = columns.identity if len(columns.identity) == p else ()
    texts = texts_of(path, frame, (*columns.params, *canonical))
    values, flat = np.unique(texts, return_inverse=True)
    if len(values) > _MOST_CHOICES:
        raise BadInput(
            f"{path}: {len(values)} different choices in {columns.params[0]} and the others; over "
            f"{_MOST_CHOICES} are numbers, not choices. Name the columns of choices with --params"
        )
    codes = flat.reshape(texts.shape).astype(np.int64)
    readings = {"choices": codes[:, :p]}
    edges, none = edges_of_cell(columns.params), no_operation(values)
    if edges is not None and none is not None:
        readings["feeding"] = feeding_output(codes[:, :p], edges, none)
        readings["canonical"] = on_path(codes[:, :p], edges, none)
    connected = _connected(readings.get("canonical"), none, len(frame))
    if canonical:
        readings["canonical"] = codes[:, p:]
    return _Views(readings, len(values), connected)


def _connected(canonical: Codes | None, none: int | None, rows: int) -> Mask:
    """(n,) bool: cells with a path from input to output; all rows where there are no cells."""
    if canonical is None or none is None:
        return np.ones(rows, dtype=bool)
    connected: Mask = np.any(canonical != none, axis=1)
    return connected


def _view_sets(readings: Mapping[str, Codes]) -> tuple[tuple[str, ...], ...]:
    """Each reading alone, then as written with the canonical one; as written comes first."""
    alone = [(name,) for name in readings]
    both = [("choices", "canonical")] if "canonical" in readings else []
    return (*alone, *both)


def _scaled(numbers: Floats) -> Floats:
    """Each column from 0 to 1."""
    if not numbers.size:
        return numbers
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    scaled: Floats = (numbers - low) / np.where(high > low, high - low, 1.0)
    return scaled
