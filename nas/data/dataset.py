"""A data set in memory: what a network trains on, and what it is scored on.

A fixed share of the training part is held out: architectures are compared on it. A data set's own
test part is never trained on nor compared on, so that it stays good for a last, honest number.

Shapes: n images or bytes, C channels, H x W pixels.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nas.errors import DataError
from search_spaces import ImageTask, TextTask

Array = npt.NDArray[Any]

_SPLIT_SEED = 20  # our choice; fixed, so that all studies on one data set hold out the same part
_HELD_OUT_SHARE = 0.2  # our choice
_MOST_HELD_OUT = 5000  # our choice: 0.3 % standard error at 95 % accuracy
_TEXT_HELD_OUT_SHARE = 0.05  # our choice
_TEXT_PIECES = 200  # our choice: the held-out share is drawn from all over the text
_FINGERPRINT_HEX_DIGITS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """Labelled images at their own resolution; grey ones have one channel.

    Images are (n, C, H, W), uint8 or float32; labels (n,) int64, an index into `class_names`.
    """

    name: str
    train_x: torch.Tensor
    train_y: torch.Tensor
    held_out_x: torch.Tensor
    held_out_y: torch.Tensor
    class_names: tuple[str, ...]
    test_x: torch.Tensor | None = None
    test_y: torch.Tensor | None = None

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for coloured ones."""
        return int(self.train_x.shape[1])

    @property
    def task(self) -> ImageTask:
        """What a network must do; images that are not square are squeezed into their short side."""
        side = int(min(self.train_x.shape[2:]))
        return ImageTask(channels=self.channels, classes=self.classes, resolution_px=side)

    @cached_property
    def mean(self) -> torch.Tensor:
        """(C,) float32: mean pixel of each channel over the training part."""
        return self._moments[0]

    @cached_property
    def std(self) -> torch.Tensor:
        """(C,) float32: standard deviation of each channel; 1 where all pixels are equal."""
        return self._moments[1]

    @cached_property
    def fingerprint(self) -> str:
        """Stable short hash of everything that training and scoring see."""
        return _fingerprint((self.train_x, self.train_y, self.held_out_x, self.held_out_y))

    @cached_property
    def _moments(self) -> tuple[torch.Tensor, torch.Tensor]:
        # Channel by channel and in chunks, as a float64 copy of all images may not fit in memory.
        total = torch.zeros(self.channels, dtype=torch.float64)
        squares = torch.zeros_like(total)
        for start in range(0, len(self.train_x), 1024):
            values = self.train_x[start : start + 1024].double()
            total += values.sum((0, 2, 3))
            squares += values.square().sum((0, 2, 3))
        count = self.train_x.numel() / self.channels
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt()
        return mean.float(), torch.where(std > 0, std, torch.ones_like(std)).float()


@dataclass(frozen=True, kw_only=True, eq=False)
class TextData:
    """Text as bytes: `train` and `held_out` are (n,) uint8."""

    name: str
    train: torch.Tensor
    held_out: torch.Tensor
    context: int = 256
    vocabulary: int = 256

    @property
    def task(self) -> TextTask:
        """What a network must do: predict each next byte from up to `context` before it."""
        return TextTask(vocabulary=self.vocabulary, context=self.context)

    @cached_property
    def fingerprint(self) -> str:
        """Stable short hash of everything that training and scoring see."""
        return _fingerprint((self.train, self.held_out, torch.tensor(self.context)))


Data = ImageData | TextData


def split_images(
    name: str, x: Array, labels: Sequence[Any] | Array, *, test: tuple[Array, Array] | None = None
) -> ImageData:
    """Image data with a stratified share held out.

    Args:
        name: the reference, for messages.
        x: (n, C, H, W), uint8 or a float type.
        labels: (n,) class of each image: whole numbers or texts.
        test: images and labels of the data set's own test part.

    Raises:
        DataError: no image, one class, a class with one image, NaN, as many labels as not images,
            or a test part that does not go with the training part.
    """
    names, y = np.unique(np.asarray(labels), return_inverse=True)
    _check_images(name, x, y)
    if len(names) < 2:
        raise DataError(f"{name}: only one class ({names[0]}); telling apart needs two or more.")
    counts = np.bincount(y)
    if counts.min() < 2:
        lonely = names[int(counts.argmin())]
        raise DataError(f"{name}: class {lonely} has a single image; each class needs two or more.")
    held_out = _stratified(y, min(_HELD_OUT_SHARE, _MOST_HELD_OUT / len(y)))
    test_x, test_y = (None, None) if test is None else _test_part(name, x, names, test)
    return ImageData(
        name=name,
        train_x=_image_tensor(x[~held_out]),
        train_y=torch.from_numpy(y[~held_out].astype(np.int64)),
        held_out_x=_image_tensor(x[held_out]),
        held_out_y=torch.from_numpy(y[held_out].astype(np.int64)),
        class_names=tuple(str(n) for n in names),
        test_x=test_x,
        test_y=test_y,
    )


def fewer_images(data: Data, count: int) -> ImageData:
    """The same with `count` images of the training part, drawn at random; what is held out stays.

    Raises:
        DataError: texts, or not so many images.
    """
    if not isinstance(data, ImageData):
        raise DataError(f"{data.name}: no images, so there is no number of them to choose.")
    if not 0 < count <= len(data.train_y):
        raise DataError(f"{data.name}: {count} images of the {len(data.train_y)} to train on.")
    kept = np.random.default_rng(_SPLIT_SEED).permutation(len(data.train_y))[:count]
    return replace(data, train_x=data.train_x[kept], train_y=data.train_y[kept])


def split_text(name: str, text: bytes, context: int) -> TextData:
    """Text data with pieces from all over the text held out.

    Pieces are whole windows of `context` bytes and the byte that follows, so that no held-out
    window reaches over a seam.

    Raises:
        DataError: the text has less than two windows.
    """
    if context < 1:
        raise DataError(f"{name}: a context of {context} bytes; it must be 1 or more.")
    window = context + 1
    windows = len(text) // window
    if windows < 2:
        raise DataError(
            f"{name}: {len(text)} bytes are less than two contexts of {context} bytes and a next "
            "byte each. Give a longer text, or a shorter context."
        )
    pieces = min(_TEXT_PIECES, windows)
    piece_of = np.arange(windows * window) // window * pieces // windows
    held = np.random.default_rng(_SPLIT_SEED).permutation(pieces)
    held = held[: max(1, round(pieces * _TEXT_HELD_OUT_SHARE))]
    held_out = np.isin(piece_of, held)
    data = np.frombuffer(text, dtype=np.uint8)
    tail = data[windows * window :]
    return TextData(
        name=name,
        train=torch.from_numpy(np.concatenate([data[: len(held_out)][~held_out], tail])),
        held_out=torch.from_numpy(data[: len(held_out)][held_out].copy()),
        context=context,
    )


def _check_images(name: str, x: Array, y: Array) -> None:
    if len(x) == 0:
        raise DataError(f"{name}: there are no images.")
    if len(x) != len(y):
        raise DataError(f"{name}: {len(x)} images but {len(y)} labels.")
    if x.ndim != 4 or 0 in x.shape:
        raise DataError(f"{name}: images of shape {x.shape[1:]}; channels x height x width needed.")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = int(np.flatnonzero(~np.isfinite(x).all(axis=(1, 2, 3)))[0])
        raise DataError(f"{name}: image {bad} (from 0) holds NaN or infinity.")


def _test_part(
    name: str, x: Array, names: Array, test: tuple[Array, Array]
) -> tuple[torch.Tensor, torch.Tensor]:
    test_x, labels = test
    _check_images(f"{name} (test part)", test_x, labels)
    if test_x.shape[1:] != x.shape[1:]:
        raise DataError(
            f"{name}: test images are {test_x.shape[1:]}, training images {x.shape[1:]} "
            "(channels x height x width)."
        )
    strange = np.setdiff1d(labels, names)
    if len(strange):
        raise DataError(f"{name}: class {strange[0]} is in the test part only.")
    return _image_tensor(test_x), torch.from_numpy(np.searchsorted(names, labels))


def _image_tensor(x: Array) -> torch.Tensor:
    kept = x if x.dtype == np.uint8 else x.astype(np.float32)
    return torch.from_numpy(np.require(kept, requirements=["C", "W"]))


def _stratified(y: Array, share: float) -> npt.NDArray[np.bool_]:
    """(n,) bool: about `share` of each class, at least one image and never all."""
    rng = np.random.default_rng(_SPLIT_SEED)
    held_out = np.zeros(len(y), dtype=np.bool_)
    for label in range(int(y.max()) + 1):
        members = rng.permutation(np.flatnonzero(y == label))
        held_out[members[: max(1, round(len(members) * share))]] = True
    return held_out


def _fingerprint(tensors: Iterable[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()[:_FINGERPRINT_HEX_DIGITS]
