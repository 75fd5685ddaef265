"""Cells of somebody's table, as text or as numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from nas.errors import BadInput

Floats = npt.NDArray[np.float64]


def read_frame(path: Path) -> pd.DataFrame:
    """All rows of a table.

    Raises:
        BadInput: it is no .parquet or .csv file that can be read, or has no rows.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise BadInput(f"{path}: a table is a .parquet or a .csv file")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else _csv(path)
    except (OSError, ValueError) as exc:  # what pyarrow and the CSV parser raise are ValueErrors
        reason = str(exc).partition("\n")[0]
        raise BadInput(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from exc
    if frame.empty:
        raise BadInput(f"{path}: a table without rows")
    return frame


def _csv(path: Path) -> pd.DataFrame:
    # By default "None" and "NA" would be empty cells, and both are choices that tables have.
    return pd.read_csv(path, keep_default_na=False, na_values=["", "nan", "NaN"])


def texts_of(path: Path, frame: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[np.str_]:
    """(n, names) the cells as text; 1 and 1.0 are the same choice."""
    columns = []
    for name in names:
        column = frame[name]
        if column.isna().any():
            raise BadInput(f"{path}: {name} is empty in {int(column.isna().sum())} rows")
        if pd.api.types.is_float_dtype(column) and (column % 1 == 0).all():
            column = column.astype(np.int64)
        columns.append(column.astype(str).to_numpy(dtype=np.str_))
    return np.stack(columns, axis=1)


def numbers_of(path: Path, frame: pd.DataFrame, names: Sequence[str]) -> Floats:
    """(n, names) as numbers; NaN for empty cells."""
    for name in names:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise BadInput(f"{path}: {name} holds no numbers")
    columns = [frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((len(frame), 0))
