"""Token layers over the flattened map: the pixels of a feature map are the tokens.

Map goes in and map comes out, so that any block may follow any other. Tokens are taken row by row.

Shapes: B batch, D width, S side of the square map, N = S * S tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces.block import Block, TensorSpec
from search_spaces.blocks.attention import SetAttention
from search_spaces.blocks.feed_forward import FeedForward
from search_spaces.blocks.mcsd import RasterMcsd
from search_spaces.blocks.mixture import Mixture


class _MapBlock(Block):
    """What all of them share."""

    width: int
    side: int

    def specs(self) -> Mapping[str, TensorSpec]:
        """One feature map."""
        return {"x": TensorSpec((1, self.width, self.side, self.side))}

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """The leading part, as in the convolutions around, which know no channels of mixers."""
        return Block.slice_weight(self, name, large, shape)


@dataclass(frozen=True, kw_only=True)
class MapAttention(_MapBlock, SetAttention):
    """Attention among all pixels; where they lie, they know from the convolutions around."""

    family: ClassVar[str] = "map_attention"

    side: int

    def build(self) -> nn.Module:
        """(B, D, S, S) to the same."""
        return _OverMap(super().build())


@dataclass(frozen=True, kw_only=True)
class MapMcsd(_MapBlock, RasterMcsd):
    """MCSD from the first pixel to the last, row by row."""

    family: ClassVar[str] = "map_mcsd"

    def build(self) -> nn.Module:
        """(B, D, S, S) to the same."""
        return _OverMap(super().build())


@dataclass(frozen=True, kw_only=True)
class MapFeedForward(_MapBlock, FeedForward):
    """The dense feed-forward at every pixel."""

    family: ClassVar[str] = "map_feed_forward"

    side: int

    def build(self) -> nn.Module:
        """(B, D, S, S) to the same."""
        return _OverMap(super().build())


@dataclass(frozen=True, kw_only=True)
class MapMixture(_MapBlock, Mixture):
    """Every pixel chooses its experts."""

    family: ClassVar[str] = "map_mixture"

    side: int

    def build(self) -> nn.Module:
        """(B, D, S, S) to the same."""
        return _OverMap(super().build())


class _OverMap(nn.Module):
    """A module of sequences (B, N, D) run over maps (B, D, S, S)."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # The axes are exchanged at the very border, where the exchange of the next block takes
        # this one back and ONNX Runtime drops the two.
        last = x.permute(0, 2, 3, 1)  # (B, S, S, D)
        mixed: torch.Tensor = self.inner(last.flatten(1, 2))
        return mixed.reshape(last.shape).permute(0, 3, 1, 2)
