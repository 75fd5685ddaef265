"""Root-mean-square normalisation (arXiv 1910.07467) and the scales of fresh weights."""

import math

import torch
from torch import nn

_EPSILON = 1e-6
# Of the usual 1 / sqrt(2 L), with L the six layers of the deepest built-in decoder: a block does
# not know how many others stand around it.
RESIDUAL_SCALE = 1 / math.sqrt(2 * 6)


class RootMeanSquareNorm(nn.Module):
    """Vectors in the last dimension scaled to a mean square of 1, then by a learned gain."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape (..., D); the same shape."""
        return root_mean_square_normal(x) * self.gain


def root_mean_square_normal(x: torch.Tensor) -> torch.Tensor:
    """Vectors in the last dimension scaled to a mean square of 1.

    Written with the operators that ONNX Runtime knows to fuse into one normalisation.
    """
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + _EPSILON)


def random_weight(*shape: int, fan_in: int, scale: float = 1.0) -> nn.Parameter:
    """Normal with a deviation of `scale / sqrt(fan_in)`: outputs as large as inputs."""
    return nn.Parameter(torch.randn(*shape) * (scale / math.sqrt(fan_in)))
