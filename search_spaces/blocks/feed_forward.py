"""Dense gated feed-forward (SwiGLU, arXiv 2002.05202).

Shapes: B batch, N tokens, D width, F hidden neurons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces.block import TensorSpec
from search_spaces.blocks.normalization import RESIDUAL_SCALE, RootMeanSquareNorm, random_weight
from search_spaces.blocks.vectors import VectorBlock


@dataclass(frozen=True, kw_only=True)
class FeedForward(VectorBlock):
    """Norm, gated feed-forward, residual; every neuron works for every token."""

    family: ClassVar[str] = "feed_forward"

    width: int
    hidden: int

    def build(self) -> nn.Module:
        """X (B, N, D) to x."""
        return _FeedForward(self.width, self.hidden)

    def specs(self) -> Mapping[str, TensorSpec]:
        """Tokens."""
        return {"x": TensorSpec((1, "new", self.width))}


class _FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(width)
        self.gate = random_weight(hidden, width, fan_in=width)
        self.up = random_weight(hidden, width, fan_in=width)
        self.down = random_weight(hidden, width, fan_in=hidden, scale=RESIDUAL_SCALE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + gated(self.norm(x), self.gate, self.up) @ self.down


def gated(x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """What neurons with these weights (F, D) answer to x (..., D): (..., F)."""
    opened = nn.functional.silu(nn.functional.linear(x, gate))
    return opened * nn.functional.linear(x, up)
