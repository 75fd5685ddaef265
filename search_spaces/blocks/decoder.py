"""The two ends of a decoder.

Shapes: B batch, N new tokens, D width, V vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces.block import TensorSpec
from search_spaces.blocks.normalization import RootMeanSquareNorm, random_weight
from search_spaces.blocks.vectors import VectorBlock


@dataclass(frozen=True, kw_only=True)
class Embedding(VectorBlock):
    """Token numbers to vectors."""

    family: ClassVar[str] = "embedding"
    reads: ClassVar[tuple[str, ...]] = ("tokens",)

    vocabulary: int
    width: int

    def build(self) -> nn.Module:
        """(B, N) int64 to (B, N, D)."""
        return nn.Embedding(self.vocabulary, self.width)

    def specs(self) -> Mapping[str, TensorSpec]:
        """New tokens."""
        return {"tokens": TensorSpec((1, "new"), torch.int64, low=0, high=self.vocabulary - 1)}


@dataclass(frozen=True, kw_only=True)
class TextHead(VectorBlock):
    """Vectors to scores of the next token, at every position.

    Its weights are its own: places share none, and 256 bytes as tokens need no tying.
    """

    family: ClassVar[str] = "text_head"
    writes: ClassVar[tuple[str, ...]] = ("logits",)

    width: int
    vocabulary: int

    def build(self) -> nn.Module:
        """(B, N, D) to (B, N, V)."""
        return _TextHead(self.width, self.vocabulary)

    def specs(self) -> Mapping[str, TensorSpec]:
        """Tokens."""
        return {"x": TensorSpec((1, "new", self.width))}


class _TextHead(nn.Module):
    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(width)
        self.weight = random_weight(vocabulary, width, fan_in=width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(self.norm(x), self.weight)
