"""Convolutional blocks: stem, inverted residual (MobileNetV2, arXiv 1801.04381), image head.

Shapes: B batch, C channels, S side of the square map in pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces.block import Block, TensorSpec

_SQUEEZE = 4  # channels of the squeeze, one in four: MobileNetV3, arXiv 1905.02244, section 5.3


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: bool = True,
) -> nn.Sequential:
    """Convolution without bias, batch norm and, if asked, ReLU; the map keeps its side / stride."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(out_channels),
    ]
    if activation:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def side_after(side: int, stride: int) -> int:
    """Side of the map behind a convolution of this stride with `kernel // 2` padding."""
    return (side + stride - 1) // stride


@dataclass(frozen=True, kw_only=True)
class Stem(Block):
    """Image to feature map: one 3x3 convolution."""

    family: ClassVar[str] = "stem"
    reads: ClassVar[tuple[str, ...]] = ("image",)

    in_channels: int
    out_channels: int
    side: int
    stride: int

    def build(self) -> nn.Module:
        """(B, in_channels, side, side) to (B, out_channels, side / stride, side / stride)."""
        return conv_norm(self.in_channels, self.out_channels, 3, stride=self.stride)

    def specs(self) -> Mapping[str, TensorSpec]:
        """One square image."""
        return {"image": TensorSpec((1, self.in_channels, self.side, self.side))}


@dataclass(frozen=True, kw_only=True)
class InvertedResidual(Block):
    """Expand by a 1x1, filter each channel, optionally re-weight channels, project by a 1x1."""

    family: ClassVar[str] = "inverted_residual"

    in_channels: int
    out_channels: int
    side: int
    stride: int
    kernel: int
    expansion: int
    squeeze_excite: bool

    def build(self) -> nn.Module:
        """(B, in_channels, side, side) to (B, out_channels, side / stride, side / stride)."""
        return _InvertedResidual(self)

    def specs(self) -> Mapping[str, TensorSpec]:
        """One feature map."""
        return {"x": TensorSpec((1, self.in_channels, self.side, self.side))}

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """The centre of a larger depthwise kernel, leading channels of all else."""
        if name == "filter.0.weight":
            border = (large.shape[-1] - shape[-1]) // 2
            large = large[..., border : border + shape[-2], border : border + shape[-1]]
        return super().slice_weight(name, large, shape)

    @property
    def shortcut(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels

    def first_weight(self, name: str, built: torch.Tensor) -> torch.Tensor:
        """Beside a shortcut nothing is added at first, so that depth costs no training.

        The last batch norm's gain is zero, as in BigNAS (arXiv 2003.11142, section 3.2).
        """
        if name == "project.1.weight" and self.shortcut:
            return torch.zeros_like(built)
        return super().first_weight(name, built)


class _InvertedResidual(nn.Module):
    def __init__(self, block: InvertedResidual) -> None:
        super().__init__()
        hidden = block.in_channels * block.expansion
        self.expand = conv_norm(block.in_channels, hidden, 1)
        self.filter = conv_norm(hidden, hidden, block.kernel, stride=block.stride, groups=hidden)
        self.reweight = _SqueezeExcite(hidden) if block.squeeze_excite else None
        self.project = conv_norm(hidden, block.out_channels, 1, activation=False)
        self.shortcut = block.shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.filter(self.expand(x))  # (B, C * expansion, S / stride, S / stride)
        if self.reweight is not None:
            y = self.reweight(y)
        y = self.project(y)
        return x + y if self.shortcut else y


class _SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (arXiv 1709.01507) with the hard sigmoid of MobileNetV3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(channels // _SQUEEZE, 8)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = nn.functional.adaptive_avg_pool2d(x, 1)  # (B, C, 1, 1)
        gate = self.excite(nn.functional.relu(self.squeeze(pooled)))
        return x * nn.functional.hardsigmoid(gate)


@dataclass(frozen=True, kw_only=True)
class ImageHead(Block):
    """Feature map to class scores: 1x1 convolution, mean over the map, linear."""

    family: ClassVar[str] = "image_head"
    writes: ClassVar[tuple[str, ...]] = ("logits",)

    in_channels: int
    hidden: int
    classes: int
    side: int

    def build(self) -> nn.Module:
        """(B, in_channels, side, side) to (B, classes)."""
        return nn.Sequential(
            conv_norm(self.in_channels, self.hidden, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(self.hidden, self.classes),
        )

    def specs(self) -> Mapping[str, TensorSpec]:
        """One feature map."""
        return {"x": TensorSpec((1, self.in_channels, self.side, self.side))}
