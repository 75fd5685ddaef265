"""The block contract: a family of layers that builds itself in PyTorch.

A network is a chain of blocks around named values, its *wires*. A block reads some wires, writes
some, and may carry values of its own from one run to the next (the state of a mixer, a cache).
An image network has the wires `image`, `x` and `logits`; a decoder adds `tokens` and `t0`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar

import torch
from torch import nn


@dataclass(frozen=True)
class TensorSpec:
    """Shape and type of a value at batch 1; a size may be a symbol that a phase gives a number.

    `low` and `high` bound the random numbers that a device feeds when it measures.
    """

    shape: tuple[int | str, ...]
    dtype: torch.dtype = torch.float32
    low: float = -1.0
    high: float = 1.0

    def sizes(self, phase: "Phase") -> tuple[int, ...]:
        """The shape in numbers."""
        return tuple(phase.sizes[s] if isinstance(s, str) else s for s in self.shape)


@dataclass(frozen=True)
class Phase:
    """A way in which a network is run: `infer` for images, `prefill` and `decode` for language.

    `sizes` gives the symbols of the tensor shapes their numbers, `constants` pins graph inputs
    (the number of tokens already seen).
    """

    name: str
    sizes: Mapping[str, int] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Canonical text; part of a segment key."""
        return self.name + _arguments(self.sizes)


class Block(ABC):
    """A family of layers; its instances are frozen dataclasses.

    The fields hold everything that decides which code runs (channels, kernel, side of the map),
    nothing else: two blocks with equal fields cost the same on a device and share a LUT entry.
    """

    family: ClassVar[str]
    """Name of the family; part of the segment key."""
    reads: ClassVar[tuple[str, ...]] = ("x",)
    writes: ClassVar[tuple[str, ...]] = ("x",)
    carries: ClassVar[tuple[str, ...]] = ()
    """Values of this block's own that it takes in and gives out anew on each run."""

    operator_domains: ClassVar[tuple[str, ...]] = ()
    """Operator sets beyond ONNX's own that the exported block needs (`com.microsoft`)."""

    @abstractmethod
    def build(self) -> nn.Module:
        """A fresh module: forward(*reads, *carries) gives (*writes, *carries), one value bare.

        Dimension 0 of every carried value is the batch.
        """

    @abstractmethod
    def specs(self) -> Mapping[str, TensorSpec]:
        """The tensors of `reads` and `carries`, by name."""

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """This block's share, of `shape`, of the weight `name` of a larger block in its place.

        The leading part in each dimension, as in slimmable networks. Override it where another
        part is right (the centre of a larger kernel). Must be differentiable in `large`.
        """
        return large[tuple(slice(0, size) for size in shape)]

    @property
    def sharing(self) -> str:
        """Blocks in one place share weights if this is the same: if they are of one family.

        Override it where the blocks of a family are better off with weights of their own.
        """
        return self.family

    def first_weight(self, name: str, built: torch.Tensor) -> torch.Tensor:
        """What the weight `name`, `built` by this block, is when a training begins.

        As it was built. Override it where training goes better from elsewhere; must not change
        `built`.
        """
        return built

    @property
    def key(self) -> str:
        """Canonical text of the family and its fields."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return self.family + _arguments(values)


@dataclass(frozen=True)
class Segment:
    """A block in its place: the unit of the LUT."""

    place: str
    block: Block

    def key(self, phase: Phase, precision: str = "fp32") -> str:
        """Segment key: two segments that run the same code share it."""
        return segment_key(self.block, phase, precision)


def segment_key(block: Block, phase: Phase, precision: str = "fp32") -> str:
    """Canonical text under which a LUT keeps what `block` costs in `phase`."""
    return f"{block.key}@{phase.key}/{precision}"


def _arguments(values: Mapping[str, object]) -> str:
    if not values:
        return ""
    return "(" + ",".join(f"{name}={_text(values[name])}" for name in sorted(values)) + ")"


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
