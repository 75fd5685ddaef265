"""Which columns of somebody's table are choices and which are latencies: described, or named so."""

import difflib
import fnmatch
import logging
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nas.errors import BadInput

logger = logging.getLogger(__name__)

# A kind of columns is a name and a number; of several kinds the first in this order is meant.
_CHOICE_KINDS = ("op", "layer", "block", "choice", "stage", "place", "edge", "net")
_CANONICAL_KIND = "net"
_LATENCY = re.compile(r"(^|_)(lat|latency|time)(_|$)|_(ns|us|ms)$", re.IGNORECASE)
_SHARED_KEYS = ("params", "identity", "features")


@dataclass(frozen=True, kw_only=True)
class TableColumns:
    """Names of columns by what they are.

    Attributes:
        params: the choices, in the order of their places.
        identity: the canonical form of the choices; may be empty.
        features: numbers known of a network beforehand; may be empty.
        latency: measured latencies, at least one.
    """

    params: tuple[str, ...]
    identity: tuple[str, ...]
    features: tuple[str, ...]
    latency: tuple[str, ...]


@dataclass(frozen=True)
class TableFile:
    """A table and what TOML files say of it; the description is empty where none does."""

    path: Path
    description: Mapping[str, object]


def find_table(path: Path) -> TableFile:
    """The table that `path` is, or that the TOML file `path` describes.

    Beside a table, every TOML file whose `table` names it describes it.

    Raises:
        BadInput: no such file, no TOML, or descriptions that contradict each other.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such file. Name a .parquet or .csv table, or its .toml")
    if path.suffix == ".toml":
        described = _toml(path)
        table = described.get("table")
        if not isinstance(table, str):
            raise BadInput(f'{path}: no line table = "FILE" that names the table it describes')
        return TableFile(path.parent / table, described)
    naming = _naming_it(path)
    if len({str([text.get(key) for key in _SHARED_KEYS]) for text in naming.values()}) > 1:
        raise BadInput(
            f"{path}: {', '.join(naming)} describe it differently. Give one of them as --table"
        )
    return TableFile(path, _merged(list(naming.values())) if naming else {})


def tell_columns(
    file: TableFile, frame: pd.DataFrame, params: Sequence[str], latency: Sequence[str]
) -> TableColumns:
    """What each column is: as asked for, else as described, else by its name.

    Args:
        file: where the table comes from.
        frame: the table.
        params: choice columns asked for, `*` for any letters; empty: not asked.
        latency: latency columns, in the same manner.

    Raises:
        BadInput: a name that is no column, or no choices or latencies to be found.
    """
    described = {key: described_names(file, frame, key) for key in _SHARED_KEYS}
    asked = _matching(file.path, frame, params)
    found = asked or described["params"] or _choices_by_name(frame)
    if not found:
        raise BadInput(f"{file.path}: no column looks like a choice. {_naming('params', frame)}")
    identity = described["identity"] or (() if asked else _canonical_by_name(frame, found))
    features = described["features"]
    taken = {*found, *identity, *features}
    latencies = _matching(file.path, frame, latency) or _latencies(file, frame, taken)
    if not latencies:
        raise BadInput(f"{file.path}: no column looks measured. {_naming('latency', frame)}")
    if both := taken & set(latencies):
        raise BadInput(f"{file.path}: {sorted(both)[0]} cannot be a choice and a latency at once")
    return TableColumns(params=found, identity=identity, features=features, latency=latencies)


def _naming_it(table: Path) -> dict[str, dict[str, object]]:
    """The descriptions beside `table` that name it, by file name."""
    naming = {}
    for path in sorted(table.parent.glob("*.toml")):
        try:
            described = _toml(path)
        except BadInput as exc:  # somebody else's file, of which nobody asked us anything
            logger.warning("not used: %s", exc)
            continue
        if described.get("table") == table.name:
            naming[path.name] = described
    return naming


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise BadInput(f"{path}: not a TOML file that can be read: {exc}") from exc


def _merged(descriptions: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """What descriptions agree on, and the costs of all of them."""
    merged = {key: value for each in descriptions for key, value in each.items()}
    lists = [costs for each in descriptions if isinstance(costs := each.get("costs"), list)]
    return {**merged, "costs": [name for costs in lists for name in costs]}


def described_names(file: TableFile, frame: pd.DataFrame, key: str) -> tuple[str, ...]:
    """The columns that the description lists under `key`."""
    listed = file.description.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise BadInput(f"{file.path}: its description's `{key}` is no list of column names")
    for name in listed:
        if name not in frame.columns:
            raise BadInput(f"{file.path}: `{key}` names {name}, which is no column of it")
    return tuple(listed)


def _matching(path: Path, frame: pd.DataFrame, patterns: Sequence[str]) -> tuple[str, ...]:
    """The columns that any pattern fits, in the order of the patterns, then of the table."""
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in frame.columns if fnmatch.fnmatchcase(name, pattern)]
        if not fitting:
            near = difflib.get_close_matches(pattern, frame.columns, n=1, cutoff=0.0)
            raise BadInput(f"{path}: no column {pattern}; the nearest is {near[0]}")
        found.update(dict.fromkeys(fitting))
    return tuple(found)


def _choices_by_name(frame: pd.DataFrame) -> tuple[str, ...]:
    kinds = (_of_kind(frame, kind) for kind in _CHOICE_KINDS)
    return next((columns for columns in kinds if columns), ())


def _canonical_by_name(frame: pd.DataFrame, params: Sequence[str]) -> tuple[str, ...]:
    """net_01 for op_01 and so on, where every one of them is there."""
    wanted = tuple(f"{_CANONICAL_KIND}_{name.rpartition('_')[2]}" for name in params)
    whole = set(wanted) <= set(frame.columns) and not set(wanted) & set(params)
    return wanted if whole else ()


def _of_kind(frame: pd.DataFrame, kind: str) -> tuple[str, ...]:
    pattern = re.compile(rf"{kind}_?\d+", re.IGNORECASE)
    return tuple(str(name) for name in frame.columns if pattern.fullmatch(str(name)))


def _latencies(file: TableFile, frame: pd.DataFrame, taken: set[str]) -> tuple[str, ...]:
    """Described costs that are latencies by their names, else all columns that are."""
    described = described_names(file, frame, "latency") or described_names(file, frame, "costs")
    names = [name for name in described or frame.columns if name not in taken]
    numeric = [name for name in names if pd.api.types.is_numeric_dtype(frame[name])]
    return tuple(name for name in numeric if _LATENCY.search(name))


def _naming(option: str, frame: pd.DataFrame) -> str:
    some = ", ".join(map(str, frame.columns[:8]))
    return f"Name them with --{option}; its columns are {some}{' …' * (frame.shape[1] > 8)}"
