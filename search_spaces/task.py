"""What the data asks of a network: the shapes at its two ends."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ImageTask:
    """Square images of `resolution_px`, each in one of `classes` classes."""

    channels: int = 3
    classes: int = 10
    resolution_px: int = 224


@dataclass(frozen=True)
class TextTask:
    """Sequences of up to `context` tokens out of `vocabulary` (256: bytes)."""

    vocabulary: int = 256
    context: int = 256


Task = ImageTask | TextTask


def read_task(document: Mapping[str, int]) -> Task:
    """The task of which `document` is the `dataclasses.asdict`."""
    return ImageTask(**document) if "classes" in document else TextTask(**document)
