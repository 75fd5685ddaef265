"""A search space of your own, in one file that nothing else has to know of.

As soon as you name it, it can be searched, profiled, predicted and exported:

    nas search --space examples/own_space.py:mixers --device local --data mnist5k --study mine
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from search_spaces import Block, Choice, ImageHead, ImageTask, Place, Space, Stem, TensorSpec, Value

DEPTHS = (2, 3, 4)
NUMBERS = range(1, max(DEPTHS) + 1)


# A block is a frozen dataclass. Its fields are all that decides which code runs, and nothing else:
# blocks with equal fields share what was measured of one of them.
@dataclass(frozen=True, kw_only=True)
class Mix(Block):
    """Mixes a feature map along its sides, then each position by itself, both with residual."""

    family: ClassVar[str] = "mix"

    width: int
    side: int
    kernel: int
    ratio: int

    def build(self) -> nn.Module:
        """A fresh module; it reads and writes the wire `x` unless `reads` and `writes` differ."""
        d, hidden = self.width, self.width * self.ratio
        along = nn.Conv2d(d, d, self.kernel, padding=self.kernel // 2, groups=d)
        across = [nn.Conv2d(d, hidden, 1), nn.GELU(), nn.Conv2d(hidden, d, 1)]
        return nn.Sequential(Residual(along), Residual(nn.Sequential(nn.BatchNorm2d(d), *across)))

    def specs(self) -> Mapping[str, TensorSpec]:
        """The shape of what it reads, at batch 1."""
        return {"x": TensorSpec((1, self.width, self.side, self.side))}

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """What it borrows of a larger block's weights in a supernet: optional to override.

        The leading part in every dimension, but of a larger kernel the centre.
        """
        if name == "0.branch.weight":
            border = (large.shape[-1] - self.kernel) // 2
            large = large[..., border : border + self.kernel, border : border + self.kernel]
        return super().slice_weight(name, large, shape)


class Residual(nn.Module):
    """A branch beside a shortcut."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The map, of the same shape."""
        y: torch.Tensor = self.branch(x)
        return x + y


# What `--space` names is a function of the task (the shape of the data), or a Space itself.
def mixers(task: ImageTask | None = None) -> Space:
    """A stem and a head of the project, and two to four mixing blocks between them."""
    task = task or ImageTask(resolution_px=56)
    side = (task.resolution_px + 1) // 2

    def stem(v: Mapping[str, Value]) -> Block:
        width, px = int(v["width"]), task.resolution_px
        return Stem(in_channels=task.channels, out_channels=width, side=px, stride=2)

    def mix(number: int) -> Place:
        kernel, ratio = f"mix{number}.kernel", f"mix{number}.ratio"

        def make(v: Mapping[str, Value]) -> Block | None:
            if kernel not in v:
                return None  # switched off by the depth: the network has no block here
            return Mix(width=int(v["width"]), side=side, kernel=int(v[kernel]), ratio=int(v[ratio]))

        return Place(f"mix{number}", ("width", kernel, ratio), make)  # gets the choices it names

    def head(v: Mapping[str, Value]) -> Block:
        return ImageHead(in_channels=int(v["width"]), hidden=128, classes=task.classes, side=side)

    choices = [Choice("width", (32, 48, 64)), Choice("depth", DEPTHS)]  # values: small to large
    for n in NUMBERS:
        when = ("depth", tuple(d for d in DEPTHS if d >= n))  # at other depths these do nothing
        choices.append(Choice(f"mix{n}.kernel", (3, 5, 7), *when))
        choices.append(Choice(f"mix{n}.ratio", (2, 4), *when))
    places = (Place("stem", ("width",), stem), *map(mix, NUMBERS), Place("head", ("width",), head))
    return Space(name="mixers", task=task, choices=tuple(choices), places=places)
