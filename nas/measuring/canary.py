"""The canary: a small fixed network timed around every job, so that a device's drift is seen."""

from pathlib import Path

import torch
from torch import nn

from search_spaces import Block, Segment, TensorSpec, export_network


class _Canary(Block):
    """Three convolutions and a product of matrices: what most networks spend their time on.

    Never to be changed: timings of different days are compared through it.
    """

    family = "canary"
    reads = ("image",)
    writes = ("logits",)

    @property
    def key(self) -> str:
        return "canary(version=1)"

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 5, 1, 2, groups=32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 1),
            nn.AvgPool2d(8),
            nn.Flatten(),
            nn.Linear(64 * 49, 64),
        )

    def specs(self) -> dict[str, TensorSpec]:
        return {"image": TensorSpec((1, 3, 112, 112), torch.float32)}


def write_canary(folder: Path) -> Path:
    """The canary's ONNX file in `folder`; written when it is not there."""
    path = folder / "canary-1.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(export_network([Segment("canary", _Canary())]).SerializeToString())
        partial.rename(path)
    return path
