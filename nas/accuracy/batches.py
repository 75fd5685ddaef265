"""From a data set to what a network is fed.

Shapes: B batch, C channels, H x W pixels, S side that a network asks for, N tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from nas.data import Data, ImageData
from nas.errors import BadInput
from search_spaces import Segment, graph_inputs

_IMAGE = "image"
_TOKENS = "tokens"


@dataclass(frozen=True)
class Batch:
    """Images (B, C, H, W) with labels (B,), or tokens (B, N) with the token after each, (B, N)."""

    inputs: torch.Tensor
    targets: torch.Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        return Batch(self.inputs.to(device), self.targets.to(device))

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, part: slice) -> "Batch":
        return Batch(self.inputs[part], self.targets[part])


class Feed:
    """Makes the values that a network reads from the inputs of a batch."""

    def __init__(self, data: Data, device: torch.device) -> None:
        self._scaling: tuple[torch.Tensor, torch.Tensor] | None = None
        if isinstance(data, ImageData):
            self._scaling = (
                data.mean.to(device)[:, None, None],
                data.std.to(device)[:, None, None],
            )

    def wires(self, segments: Sequence[Segment], inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        """The wires that no segment writes: images of the side that is asked for, or tokens.

        Images have mean 0 and deviation 1 over the training part. Other wires, such as the number
        of tokens before the first, are zero.

        Raises:
            BadInput: the network does not read images, or tokens, as the data has them.
        """
        carried = {s.place for s in segments}
        wires: dict[str, torch.Tensor] = {}
        main = _TOKENS if self._scaling is None else _IMAGE
        for name, spec in graph_inputs(segments).items():
            if name == main:
                wires[name] = self._main(inputs, spec.shape)
            elif name.rpartition(".")[0] not in carried:
                sizes = [1 if isinstance(size, str) else size for size in spec.shape]
                wires[name] = torch.zeros(sizes, dtype=spec.dtype, device=inputs.device)
        if main not in wires:
            raise BadInput(f"the network reads no {main!r}; this space does not go with the data.")
        return wires

    def _main(self, inputs: torch.Tensor, shape: tuple[int | str, ...]) -> torch.Tensor:
        if self._scaling is None:
            return inputs
        mean, std = self._scaling
        images = (inputs.float() - mean) / std
        height, width = (int(size) for size in shape[-2:])
        if images.shape[-2:] != (height, width):
            images = functional.interpolate(
                images, (height, width), mode="bilinear", antialias=True, align_corners=False
            )
        # Channels last doubles the speed of depthwise convolutions on a CPU. `contiguous` would
        # leave a grey image as it is, and with it every map that follows.
        last = torch.empty_like(images, memory_format=torch.channels_last)
        return last.copy_(images)


def training_batch(
    data: Data, *, step: int, size: int, seed: int, window: int | None = None
) -> Batch:
    """The batch of one training step, the same at every call.

    Images come in epochs of a new order each. Texts are windows from anywhere, of `window` tokens
    if that is less than the context.
    """
    if isinstance(data, ImageData):
        count = len(data.train_y)
        size = min(size, count)
        epoch, position = divmod(step, count // size)
        order = torch.randperm(count, generator=_generator(seed, epoch))
        chosen = order[position * size : (position + 1) * size]
        return Batch(data.train_x[chosen], data.train_y[chosen])
    tokens = min(window or data.context, data.context)
    starts = torch.randint(len(data.train) - tokens, (size,), generator=_generator(seed, step))
    return _windows(data.train, starts, tokens)


def held_out_batch(data: Data, most: int) -> Batch:
    """Up to `most` held-out images, or windows of a context each, in a fixed mixed order."""
    if isinstance(data, ImageData):
        chosen = torch.randperm(len(data.held_out_y), generator=_generator(0, 0))[:most]
        return Batch(data.held_out_x[chosen], data.held_out_y[chosen])
    windows = len(data.held_out) // (data.context + 1)
    chosen = torch.randperm(windows, generator=_generator(0, 0))[:most]
    return _windows(data.held_out, chosen * (data.context + 1), data.context)


def shifted(images: torch.Tensor, most_px: int) -> torch.Tensor:
    """Each image (B, C, H, W) moved at random by up to `most_px`; its border fills what opens."""
    count, _, height, width = images.shape

    def sources(size: int) -> torch.Tensor:
        shift = torch.randint(-most_px, most_px + 1, (count, 1))
        return (torch.arange(size) + shift).clamp(0, size - 1)  # (B, size)

    rows, columns = sources(height), sources(width)
    image = torch.arange(count)[:, None, None]
    moved = images.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def _windows(text: torch.Tensor, starts: torch.Tensor, tokens: int) -> Batch:
    window = text[starts[:, None] + torch.arange(tokens + 1)].long()  # (B, N + 1)
    return Batch(window[:, :-1], window[:, 1:])


def _generator(seed: int, number: int) -> torch.Generator:
    # Seeds of neighbours must not be neighbours: the products of a large odd number are far apart.
    return torch.Generator().manual_seed((seed * 1_000_003 + number) * 0x9E3779B97F4A7C15 % 2**63)
