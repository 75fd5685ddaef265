"""Real data sets, by reference: `mnist5k`, `idx:DIR`, `images:DIR`, `text:FILE` and others."""

from nas.data.dataset import Data, ImageData, TextData, fewer_images, split_images, split_text
from nas.data.reference import load_data

__all__ = [
    "Data",
    "ImageData",
    "TextData",
    "fewer_images",
    "load_data",
    "split_images",
    "split_text",
]
