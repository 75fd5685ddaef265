"""A folder of pictures, one folder a class."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.data.dataset import Array, ImageData, split_images
from nas.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_GREY_MODES = frozenset(("1", "L", "I", "I;16", "I;16B", "I;16L", "F"))
_WIDE_MODES = frozenset(("I", "I;16", "I;16B", "I;16L"))
_WIDE_TO_BYTE = 257  # 65535 / 255


def read_image_folder(folder: Path) -> ImageData:
    """The pictures at their own size; grey with one channel if all are grey, else RGB.

    With sub-folders `train` and `test`, the second is the test part. Files that are no pictures by
    their suffix are passed over. All is held in memory, a byte for each pixel and channel.

    Raises:
        DataError: no such folder, no picture in it, an unreadable one, mixed sizes, one class; or
            Pillow is not installed.
    """
    if not folder.is_dir():
        raise DataError(f"images:{folder}: there is no such folder.")
    name = f"images:{folder}"
    if not (folder / "train").is_dir():
        x, y = _read_classes(folder)
        return split_images(name, x, y)
    x, y = _read_classes(folder / "train")
    if not (folder / "test").is_dir():
        return split_images(name, x, y)
    test_x, test_y = _read_classes(folder / "test")
    channels = max(x.shape[1], test_x.shape[1])
    test = (_with_channels(test_x, channels), test_y)
    return split_images(name, _with_channels(x, channels), y, test=test)


def _read_classes(folder: Path) -> tuple[Array, Array]:
    paths = _pictures(folder)
    if not paths:
        raise DataError(
            f"images:{folder}: no pictures; it must hold one folder a class with pictures in it."
        )
    pictures = [_read_picture(path) for path in paths]
    first = pictures[0].shape[1:]
    for path, picture in zip(paths, pictures, strict=True):
        if picture.shape[1:] != first:
            raise DataError(
                f"images:{folder}: mixed sizes: {paths[0].name} is {first[1]}x{first[0]}, "
                f"{path.parent.name}/{path.name} {picture.shape[2]}x{picture.shape[1]}. "
                "Bring all to one size first."
            )
    channels = max(len(picture) for picture in pictures)
    stack = np.stack([_with_channels(picture[None], channels)[0] for picture in pictures])
    return stack, np.array([path.parent.name for path in paths])


def _pictures(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.glob("*/*")
            if path.suffix.lower() in _SUFFIXES and not path.parent.name.startswith(".")
        )
    except OSError as exc:
        raise DataError(f"images:{folder}: cannot be read: {exc}") from exc


def _read_picture(path: Path) -> Array:
    """(1 or 3, H, W) uint8, turned upright as the camera says."""
    try:
        # Only this source needs Pillow, which is an extra.
        from PIL import Image, ImageOps
    except ImportError as exc:
        raise DataError(
            "data 'images:' needs Pillow, which is not installed. "
            "Install it with: pip install 'edge-nas[data]'"
        ) from exc
    try:
        with Image.open(path) as image:
            return _pixels(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise DataError(f"{path}: not a readable picture: {exc}") from exc


def _pixels(image: "Image.Image") -> Array:
    if image.mode in _WIDE_MODES:
        return (np.asarray(image).clip(0, 65535) // _WIDE_TO_BYTE).astype(np.uint8)[None]
    if image.mode in _GREY_MODES:
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def _with_channels(x: Array, channels: int) -> Array:
    """Grey images (n, 1, H, W) repeated to as many channels as the others have."""
    return x if x.shape[1] == channels else np.repeat(x, channels, axis=1)
