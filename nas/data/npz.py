"""NumPy archives with images `x` and labels `y`."""

import zipfile
from pathlib import Path

import numpy as np

from nas.data.dataset import Array, ImageData, split_images
from nas.errors import DataError

_CHANNELS = (1, 3, 4)
_LABEL_KINDS = "iubU"  # NumPy's letters for signed, unsigned, truth values and texts


def read_npz(path: Path) -> ImageData:
    """Images `x`, of shape (n, H, W), (n, C, H, W) or (n, H, W, C), and labels `y`, (n,).

    Raises:
        DataError: not such an archive, or arrays of other shapes or types.
    """
    arrays = _read(path)
    x, y = arrays["x"], arrays["y"]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in _LABEL_KINDS:
        raise DataError(f"{path}: y is {y.dtype} {y.shape}; whole numbers or texts (n,) needed.")
    if x.dtype.kind not in "iubf":
        raise DataError(f"{path}: x is of type {x.dtype}; numbers needed.")
    return split_images(f"npz:{path}", _channels_first(path, x), y)


def _read(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = {"x", "y"} - set(archive.files)
            if missing:
                raise DataError(f"{path}: no array {min(missing)!r}; it holds {archive.files}.")
            return {key: archive[key] for key in ("x", "y")}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as exc:
        raise DataError(f"{path}: not a readable .npz archive: {exc}") from exc


def _channels_first(path: Path, x: Array) -> Array:
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] in _CHANNELS:
        return x
    if x.ndim == 4 and x.shape[3] in _CHANNELS:
        return x.transpose(0, 3, 1, 2)
    raise DataError(
        f"{path}: x is of shape {x.shape}; (n, H, W), (n, C, H, W) or (n, H, W, C) needed."
    )
