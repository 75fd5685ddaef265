"""A space of which one block takes more memory than a board of the lab has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces import Block, Choice, ImageTask, Place, Space, TensorSpec, Value

_TIMES = 2**25  # of 8 floats: 1 GiB


class Repeated(nn.Module):
    """The sum of many copies."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.repeat(1, self.times).sum()


@dataclass(frozen=True, kw_only=True)
class Sums(Block):
    """Adds a sum; a fat one first makes many copies."""

    family: ClassVar[str] = "sums"

    place: int
    times: int

    def build(self) -> nn.Module:
        return Repeated(self.times)

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, 8), torch.float32)}


def fat(task: ImageTask | None = None) -> Space:
    """Four places with four blocks each; one of them is fat."""

    def place(number: int) -> Place:
        name = f"times{number}"

        def make(values: Mapping[str, Value]) -> Block:
            return Sums(place=number, times=int(values[name]))

        return Place(f"place{number}", (name,), make)

    options = (1, 2, 3, 4)
    return Space(
        name="fat",
        task=task or ImageTask(),
        choices=(
            Choice("times0", (*options, _TIMES)),
            *(Choice(f"times{i}", options) for i in (1, 2, 3)),
        ),
        places=tuple(place(i) for i in range(4)),
    )
