"""From a reference, as typed on the command line, to a data set."""

import difflib
from collections.abc import Callable
from pathlib import Path

from nas.data.bundled import digits, kjv, mnist5k
from nas.data.dataset import Data
from nas.data.idx import read_idx_folder
from nas.data.image_folder import read_image_folder
from nas.data.npz import read_npz
from nas.data.text_file import read_text
from nas.errors import DataError

_DEFAULT_CONTEXT = 256  # our choice, bytes

_BY_NAME: dict[str, Callable[[int], Data]] = {
    "digits": lambda _: digits(),
    "mnist5k": lambda _: mnist5k(),
    "kjv": kjv,
}
_BY_PATH: dict[str, Callable[[Path, int], Data]] = {
    "idx": lambda path, _: read_idx_folder(path),
    "images": lambda path, _: read_image_folder(path),
    "npz": lambda path, _: read_npz(path),
    "text": read_text,
}


def load_data(reference: str, *, context: int = _DEFAULT_CONTEXT) -> Data:
    """The data set that a reference names, its held-out share already set apart.

    Args:
        reference: `digits`, `mnist5k` or `kjv`, or `idx:DIR`, `images:DIR`, `npz:FILE`,
            `text:FILE`.
        context: bytes that a network sees before the one it predicts; for text only.

    Raises:
        DataError: unknown reference, or data that is missing, unreadable or unfit.
    """
    kind, colon, place = reference.partition(":")
    if not colon and kind in _BY_NAME:
        return _BY_NAME[kind](context)
    if kind in _BY_PATH and place:
        return _BY_PATH[kind](_path(place), context)
    raise DataError(f"unknown data {reference!r}; {_advice(kind)}")


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as exc:
        raise DataError(f"{text}: there is no such home folder; write the path in full") from exc


def _advice(kind: str) -> str:
    offered = [*_BY_NAME, *(f"{kind}:PATH" for kind in _BY_PATH)]
    if kind in _BY_PATH:
        return f"a path must follow: {kind}:PATH."
    near = difflib.get_close_matches(kind.lower(), [*_BY_NAME, *_BY_PATH], n=1)
    if near:
        full = near[0] if near[0] in _BY_NAME else f"{near[0]}:PATH"
        return f"did you mean {full}?"
    return f"there are {', '.join(offered)}."
