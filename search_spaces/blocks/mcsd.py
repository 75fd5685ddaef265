"""Multi-channel slope and decay: a token mixer with a small fixed-size state in place of a cache.

After the outline of MCSD (arXiv 2406.12230): two sections, slope (near) and decay (far), each
with a branch for the present token and one for the history, brought together by a product.
The outline is all that is from there. The weights of distance, the norms, the product and the
output projection are our choices; nothing here is a result or a formula of that paper.

Shapes: B batch, N new tokens, D width, C channels, Dc = D / C, S side of a square map;
the 2 in front of C stands for the sections, slope and decay.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces.block import Block, TensorSpec
from search_spaces.blocks.distance import nested_order, slopes
from search_spaces.blocks.normalization import (
    RESIDUAL_SCALE,
    RootMeanSquareNorm,
    random_weight,
    root_mean_square_normal,
)
from search_spaces.blocks.vectors import MOST_CHANNELS, VectorBlock, leading_of_each

_SHORTEST_DECAY_OCTAVE = 5  # reach of 32 tokens, as in RetNet (arXiv 2307.08621)


def log_retention(context: int) -> torch.Tensor:
    """Logarithm of what a channel keeps of its history at each token, float64 (2, C).

    Slopes reach 2 to 256 tokens. Decays reach 32 tokens to `context`: a channel that reaches
    further than a text is long would be a plain mean of it. Short contexts get an octave below.
    """
    longest = math.log2(context)
    shortest = min(_SHORTEST_DECAY_OCTAVE, longest - 1)
    share = torch.tensor(nested_order(MOST_CHANNELS), dtype=torch.float64) / (MOST_CHANNELS - 1)
    forgotten = torch.exp2(-(shortest + (longest - shortest) * share))
    return torch.stack([-slopes(MOST_CHANNELS), torch.log1p(-forgotten)])


@dataclass(frozen=True, kw_only=True)
class Clock(Block):
    """What all MCSD mixers of a network share in a run: weights of the new tokens and the past."""

    family: ClassVar[str] = "clock"
    reads: ClassVar[tuple[str, ...]] = ("tokens", "t0")
    writes: ClassVar[tuple[str, ...]] = ("history", "carry")

    context: int

    def build(self) -> nn.Module:
        """(B, N) tokens and their () position to history (2, C, N, N) and carry (2, C, N, 1)."""
        return _Clock(log_retention(self.context))

    def specs(self) -> Mapping[str, TensorSpec]:
        """New tokens, of which only the number counts, and the number of tokens before them."""
        return {
            "tokens": TensorSpec((1, "new"), torch.int64, low=0, high=0),
            "t0": TensorSpec((), torch.int64, low=0, high=self.context - 1),
        }


class _Clock(nn.Module):
    """Rows of `history` and `carry` together sum to 1: every history is a mean of the past."""

    log_retention: torch.Tensor

    def __init__(self, log_retention: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("log_retention", log_retention.float(), persistent=False)

    def forward(self, tokens: torch.Tensor, t0: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        rate = self.log_retention[..., None]  # (2, C, 1)
        step = torch.arange(tokens.shape[1], dtype=rate.dtype, device=tokens.device)
        lag = (step[:, None] - step).clamp(min=0)  # (N, N)
        weights = torch.exp(rate[..., None] * lag).tril()  # (2, C, N, N)
        past = _one_minus_exp(rate * t0) / _one_minus_exp(rate)  # sum of t0 weights; 0 at t0 = 0
        carried = torch.exp(rate * (step + 1)) * past  # (2, C, N)
        total = weights.sum(-1) + carried
        return weights / total[..., None], (carried / total)[..., None]


def _one_minus_exp(x: torch.Tensor) -> torch.Tensor:
    """1 - exp(x) without cancellation near 0; ONNX has no expm1."""
    return -torch.tanh(x / 2) * (torch.exp(x) + 1)


@dataclass(frozen=True, kw_only=True)
class Mcsd(VectorBlock):
    """MCSD mixer with residual over a sequence; its state is the mean of the past, in fp32."""

    family: ClassVar[str] = "mcsd"
    reads: ClassVar[tuple[str, ...]] = ("x", "history", "carry")
    carries: ClassVar[tuple[str, ...]] = ("state",)

    width: int
    channels: int

    def build(self) -> nn.Module:
        """X (B, N, D), history, carry, state (B, 2, C, Dc) to x and the next state."""
        return _Mcsd(self)

    def specs(self) -> Mapping[str, TensorSpec]:
        """New tokens, the clock's two wires, and the state."""
        return {
            "x": TensorSpec((1, "new", self.width)),
            "history": TensorSpec((2, MOST_CHANNELS, "new", "new"), low=0.0),
            "carry": TensorSpec((2, MOST_CHANNELS, "new", 1), low=0.0),
            "state": TensorSpec((1, 2, self.channels, self.width // self.channels)),
        }

    @property
    def sharing(self) -> str:
        """Mixers of as many channels: a channel of four reads what two of eight do."""
        return f"{self.family}{self.channels}"

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Also inside a channel the leading part of each of the most channels that it holds."""
        if name == "mixing.output":
            large = leading_of_each(large, 1, shape[1], MOST_CHANNELS)
        elif name.startswith("mixing."):  # (2, C, Dc) and (2, C, Dc, Dc)
            for dimension in range(2, large.ndim):
                parts = max(MOST_CHANNELS // self.channels, 1)
                large = leading_of_each(large, dimension, shape[dimension], parts)
        return super().slice_weight(name, large, shape)


class _Mcsd(nn.Module):
    def __init__(self, block: Mcsd) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(block.width)
        self.mixing = _Mixing(block.width, block.channels)

    def forward(
        self, x: torch.Tensor, history: torch.Tensor, carry: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        channels = self.mixing.channels
        if channels < MOST_CHANNELS:
            history, carry = history[:, :channels], carry[:, :channels]

        def remember(value: torch.Tensor) -> torch.Tensor:
            return history @ value + carry * state[:, :, :, None]

        y, past = self.mixing(self.norm(x), remember)
        return x + y, past[:, :, :, -1]


class _Mixing(nn.Module):
    """The two branches of both sections, their product and the projection back to D."""

    ones: torch.Tensor

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        part = width // channels
        self.channels = channels
        # ONNX Runtime fuses a norm only with a gain of one dimension; the learned one has three.
        self.register_buffer("ones", torch.ones(part), persistent=False)
        self.current = random_weight(2, channels, part, part, fan_in=part)
        self.value = random_weight(2, channels, part, part, fan_in=part)
        self.gain = nn.Parameter(torch.ones(2, channels, part))
        self.output = random_weight(2, width, width, fan_in=2 * width, scale=RESIDUAL_SCALE)

    def forward(
        self, x: torch.Tensor, remember: Callable[[torch.Tensor], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mixed x (B, N, D), and the past (B, 2, C, N, Dc) as `remember` made it of values."""
        batch, width = int(x.shape[0]), int(x.shape[2])  # int(): constants of an exported graph
        split = x.reshape(batch, -1, self.channels, width // self.channels)
        split = split.transpose(1, 2)[:, None]  # (B, 1, C, N, Dc)
        with torch.autocast(x.device.type, enabled=False):  # half precision would lose the past
            past = remember(split.to(self.value.dtype) @ self.value)
        known = root_mean_square_normal(past) * self.ones * self.gain[:, :, None]
        fused = (split @ self.current) * (1 + known)  # (B, 2, C, N, Dc)
        merged = fused.permute(0, 3, 1, 2, 4).reshape(batch, -1, 2 * width)
        return merged @ self.output.reshape(2 * width, width), past


@dataclass(frozen=True, kw_only=True)
class RasterMcsd(Block):
    """MCSD mixer with residual over the S * S pixels of a map, row by row, always from the first.

    Nothing is carried: an image is seen whole. Rows serve as segments, so that the cost grows with
    N * S and no N x N matrix is stored.
    """

    family: ClassVar[str] = "raster_mcsd"

    width: int
    channels: int
    side: int

    def build(self) -> nn.Module:
        """X (B, S * S, D) to x."""
        return _RasterMcsd(self)

    def specs(self) -> Mapping[str, TensorSpec]:
        """Pixels."""
        return {"x": TensorSpec((1, self.side * self.side, self.width))}


class _RasterMcsd(nn.Module):
    def __init__(self, block: RasterMcsd) -> None:
        super().__init__()
        self.norm = RootMeanSquareNorm(block.width)
        self.mixing = _Mixing(block.width, block.channels)
        self.past = _RowsAbove(block.side, block.channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mixed: torch.Tensor = self.mixing(self.norm(x), self.past)[0]
        return x + mixed


class _RowsAbove(nn.Module):
    """The history of each pixel from its own row and the ends of the rows above.

    With sums in place of means, the history of pixel i in row r is that within the row, plus
    a^(i + 1) times that of the last pixel of row r - 1; which is the sum of what each row above
    ends with, faded by a^S for each row between.
    """

    within: torch.Tensor
    above: torch.Tensor
    carry: torch.Tensor
    share: torch.Tensor

    def __init__(self, side: int, channels: int) -> None:
        super().__init__()
        rate = log_retention(side * side)[:, :channels, None, None]  # (2, C, 1, 1)
        step = torch.arange(side, dtype=rate.dtype)
        lag = (step[:, None] - step).clamp(min=0)
        position = step[:, None] * side + step + 1  # (S, S), from 1
        share = torch.expm1(rate) / torch.expm1(rate * position)  # 1 / sum of `position` weights
        constants = {
            "within": torch.exp(rate * lag).tril()[:, :, None],  # (2, C, 1, S, S)
            "above": torch.exp(rate * side * (lag - 1).clamp(min=0)).tril(-1),  # (2, C, S, S)
            "share": share[..., None],  # (2, C, S, S, 1)
            "carry": (torch.exp(rate * (step + 1)) * share)[..., None],  # (2, C, S, S, 1)
        }
        for name, value in constants.items():
            self.register_buffer(name, value.float(), persistent=False)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        batch, sections, channels, _, part = map(int, value.shape)
        side = int(self.above.shape[-1])
        rows = value.reshape(batch, sections, channels, side, side, part)
        in_row = self.within @ rows
        end_above = self.above @ in_row[..., -1, :]  # (B, 2, C, S, Dc)
        past: torch.Tensor = in_row * self.share + end_above[..., None, :] * self.carry
        return past.flatten(3, 4)
