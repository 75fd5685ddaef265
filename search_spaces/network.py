"""A whole network in PyTorch: segments run in order around named wires."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from search_spaces.block import Segment


class Network(nn.Module):
    """The segments of one architecture as a module.

    `forward` takes the wires that no segment writes (`image`; `tokens` and `t0`) and the carried
    values by name, and gives all wires and carried values as they stand at the end.
    """

    def __init__(self, segments: Sequence[Segment]) -> None:
        super().__init__()
        self.segments = tuple(segments)
        self.blocks = nn.ModuleList(segment.block.build() for segment in segments)

    def forward(self, values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Wires and carried values (see `carried_name`) after one run.

        Carried values that are not given start as zeros, with the batch of the first wire.
        """
        wires = dict(values)
        for segment, module in zip(self.segments, self.blocks, strict=True):
            run_segment(segment, module, wires)
        return wires


def run_segment(segment: Segment, module: nn.Module, wires: dict[str, torch.Tensor]) -> None:
    """Runs one segment on `wires`, in place; missing carried values start as zeros."""
    block = segment.block
    carried = [carried_name(segment.place, name) for name in block.carries]
    inputs = [wires[name] for name in block.reads]
    state = [
        wires[name] if name in wires else _zeros(segment, local, inputs[0])
        for name, local in zip(carried, block.carries, strict=True)
    ]
    outputs = module(*inputs, *state)
    if isinstance(outputs, torch.Tensor):
        outputs = (outputs,)
    wires.update(zip((*block.writes, *carried), outputs, strict=True))


def carried_name(place: str, name: str) -> str:
    """Name in the whole network of a value that the block at `place` carries."""
    return f"{place}.{name}"


def _zeros(segment: Segment, name: str, first_input: torch.Tensor) -> torch.Tensor:
    """An empty past: zeros at the input's batch, symbolic sizes (tokens seen so far) being 0."""
    spec = segment.block.specs()[name]
    sizes = [0 if isinstance(size, str) else size for size in spec.shape[1:]]
    return torch.zeros((first_input.shape[0], *sizes), dtype=spec.dtype, device=first_input.device)
