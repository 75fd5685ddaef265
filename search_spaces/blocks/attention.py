"""Multi-head attention (arXiv 1706.03762): the baseline mixer.

Positions enter as ALiBi's penalty on distance (arXiv 2108.12409), our choice over rotary ones: a
distance follows from the place in the cache, so that the graph needs no `t0` and no wire from
other blocks, keys enter the cache as they are, and no length is built in.

Shapes: B batch, N new tokens, M tokens in all, D width, H heads, Dh width of a head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from search_spaces.block import Block, TensorSpec
from search_spaces.blocks.distance import slopes
from search_spaces.blocks.normalization import RESIDUAL_SCALE, RootMeanSquareNorm, random_weight
from search_spaces.blocks.vectors import VectorBlock


@dataclass(frozen=True, kw_only=True)
class Attention(VectorBlock):
    """Causal attention with residual over a sequence; carries the keys and values of the past."""

    family: ClassVar[str] = "attention"
    carries: ClassVar[tuple[str, ...]] = ("keys", "values")

    width: int
    heads: int

    def build(self) -> nn.Module:
        """X (B, N, D), keys and values (B, H, M - N, Dh) to x, keys and values (B, H, M, Dh)."""
        return _CausalAttention(self)

    def specs(self) -> Mapping[str, TensorSpec]:
        """New tokens and the cache, which is empty at the start."""
        cache = TensorSpec((1, self.heads, "seen", self.width // self.heads))
        return {"x": TensorSpec((1, "new", self.width)), "keys": cache, "values": cache}


@dataclass(frozen=True, kw_only=True)
class SetAttention(Block):
    """Attention with residual in which each token sees all, whatever their order."""

    family: ClassVar[str] = "set_attention"

    width: int
    heads: int

    def build(self) -> nn.Module:
        """X (B, N, D) to x."""
        return _SetAttention(self.width, self.heads)

    def specs(self) -> Mapping[str, TensorSpec]:
        """Tokens."""
        return {"x": TensorSpec((1, "new", self.width))}


class _Projected(NamedTuple):
    queries: torch.Tensor  # (B, H, N, Dh), scaled
    keys: torch.Tensor
    values: torch.Tensor


class _Heads(nn.Module):
    """The norm and the projections into heads and back."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        part = width // heads
        self.norm = RootMeanSquareNorm(width)
        self.into = random_weight(3, heads, part, width, fan_in=width)
        self.back = random_weight(heads, part, width, fan_in=width, scale=RESIDUAL_SCALE)

    def split(self, x: torch.Tensor) -> _Projected:
        """Queries, keys and values of x (B, N, D)."""
        heads, part, width = map(int, self.back.shape)  # int(): constants of an exported graph
        batch = int(x.shape[0])
        y = nn.functional.linear(self.norm(x), self.into.reshape(-1, width))
        thirds = torch.split(y.reshape(batch, -1, 3 * heads, part), heads, dim=2)
        queries, keys, values = (third.transpose(1, 2) for third in thirds)
        return _Projected(queries * part**-0.5, keys, values)

    def merge(self, weights: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """The weighted values (B, H, N, Dh) of all heads, projected back to (B, N, D)."""
        heads, part, width = map(int, self.back.shape)
        y = (weights @ values).transpose(1, 2).reshape(int(values.shape[0]), -1, heads * part)
        return y @ self.back.reshape(-1, width)


class _CausalAttention(nn.Module):
    slopes: torch.Tensor

    def __init__(self, block: Attention) -> None:
        super().__init__()
        self.heads = _Heads(block.width, block.heads)
        self.register_buffer("slopes", slopes(block.heads).float(), persistent=False)

    def forward(
        self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        queries, new_keys, new_values = self.heads.split(x)
        seen = keys.shape[2]
        keys = torch.cat([keys, new_keys], dim=2)  # (B, H, M, Dh)
        values = torch.cat([values, new_values], dim=2)
        scores = queries @ keys.transpose(2, 3) - self._penalty(seen, keys.shape[2])
        return x + self.heads.merge(scores.softmax(-1), values), keys, values

    def _penalty(self, seen: int, total: int) -> torch.Tensor:
        """(H, N, M): slope times distance; infinite for the future."""
        position = torch.arange(total, dtype=self.slopes.dtype, device=self.slopes.device)
        distance = position[seen:, None] - position  # (N, M)
        distance = distance.masked_fill(distance < 0, float("inf"))
        return self.slopes[:, None, None] * distance


class _SetAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = _Heads(width, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.heads.split(x)
        return x + self.heads.merge((queries @ keys.transpose(2, 3)).softmax(-1), values)
