"""IDX files, the format of MNIST and of the data sets made in its likeness."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from nas.data.dataset import Array, ImageData, split_images
from nas.errors import DataError

_UNSIGNED_BYTE = 0x08  # third byte of the magic number; the fourth is the number of dimensions
_SUFFIXES = ("", ".gz")
_SEPARATORS = ("-", ".")  # `train-images-idx3-ubyte`, or `train-images.idx3-ubyte` in some copies


def read_idx_folder(folder: Path) -> ImageData:
    """Grey images of `train-images-idx3-ubyte` and its labels; `t10k-*` is the test part.

    Files may be gzipped. Without `t10k-*` there is no test part.

    Raises:
        DataError: a file is missing, truncated or of another format, or labels do not match.
    """
    if not folder.is_dir():
        raise DataError(f"idx:{folder}: there is no such folder.")
    x, y = _read_part(folder, "train")
    has_test = _find(folder, "t10k-images", 3) is not None
    return split_images(
        f"idx:{folder}", x, y, test=_read_part(folder, "t10k") if has_test else None
    )


def read_idx(path: Path, dimensions: int) -> Array:
    """The unsigned bytes of one IDX file, in its own shape.

    Raises:
        DataError: wrong magic number, truncated, too long, or not readable.
    """
    content = _read_bytes(path)
    header_bytes = 4 + 4 * dimensions
    if len(content) < header_bytes:
        raise DataError(f"{path}: {len(content)} bytes are too few for an IDX file; truncated?")
    zeros, kind, found = struct.unpack_from(">HBB", content)
    if zeros != 0 or kind != _UNSIGNED_BYTE or found != dimensions:
        raise DataError(
            f"{path}: wrong magic number 0x{content[:4].hex()}; unsigned bytes in {dimensions} "
            f"dimensions start with 0x0000{_UNSIGNED_BYTE:02x}{dimensions:02x}."
        )
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    expected = header_bytes + math.prod(shape)
    if len(content) != expected:
        raise DataError(
            f"{path}: {len(content)} bytes, but its header promises {expected}; fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _read_part(folder: Path, part: str) -> tuple[Array, Array]:
    images, labels = _need(folder, f"{part}-images", 3), _need(folder, f"{part}-labels", 1)
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if len(x) != len(y):
        raise DataError(f"{images} has {len(x)} images, but {labels.name} {len(y)} labels.")
    return x[:, None], y


def _need(folder: Path, stem: str, dimensions: int) -> Path:
    path = _find(folder, stem, dimensions)
    if path is None:
        raise DataError(f"idx:{folder}: there is no {stem}-idx{dimensions}-ubyte (plain or .gz).")
    return path


def _find(folder: Path, stem: str, dimensions: int) -> Path | None:
    for separator in _SEPARATORS:
        for suffix in _SUFFIXES:
            path = folder / f"{stem}{separator}idx{dimensions}-ubyte{suffix}"
            if path.is_file():
                return path
    return None


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"{path}: cannot be read: {exc}") from exc
