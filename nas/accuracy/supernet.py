"""A weight-sharing supernet: one bank of weights from which every architecture takes its own.

For each place and each group of blocks that may stand there and share weights (`Block.sharing`),
the bank holds every weight once, in the largest shape that any of these blocks needs; a block takes
its share with `slice_weight`. Nothing here knows a family: what a block builds, and how it slices,
is all that is asked of it.

Batch norms keep no statistics in the bank. They use those of the batch while the supernet runs,
and a network made from it must have them estimated before it is scored (see `accuracy`).
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nas.accuracy.compute import best_device
from nas.errors import BadInput
from search_spaces import (
    Architecture,
    Block,
    Network,
    Segment,
    Space,
    run_segment,
    seeded_module,
    set_router_noise,
)

_KEPT_SKELETONS = 4096  # our choice: some 20 kB each
_LOGITS = "logits"


class Supernet:
    """Every architecture of a space, on shared weights; on a GPU if there is one.

    Not safe for threads. `weights` are the trainable parameters by `<place>/<sharing>/<name>`.
    """

    def __init__(self, space: Space, seed: int = 0, *, device: torch.device | None = None) -> None:
        self.space = space
        self.device = device or best_device()
        self.router_noise = 0.0
        """How random selections among experts are while the supernet runs; see `search_spaces`."""
        self._skeletons = _Skeletons(self.device)
        self.weights: dict[str, nn.Parameter] = {
            name: nn.Parameter(value.to(self.device))
            for name, value in _initial_weights(space, seed)
        }

    def logits(
        self, segments: Sequence[Segment], wires: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """What the network of these segments answers; gradients flow into the bank.

        Args:
            segments: as `Space.segments` gives them.
            wires: the values that no segment writes (`image`; `tokens` and others), by name.
                Carried values that are not among them start empty.
        """
        values = dict(wires)
        for segment in segments:
            skeleton = self._skeletons(segment.block)
            set_router_noise(skeleton, self.router_noise)
            run_segment(segment, _Borrowed(skeleton, self._shares(segment, skeleton)), values)
        return values[_LOGITS]

    def network(self, architecture: Architecture) -> Network:
        """A network of its own with copies of its share of the weights.

        Its batch norms have the statistics of a fresh module; estimate them before use.
        """
        segments = self.space.segments(architecture)
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            network = Network(segments)
            for index, segment in enumerate(segments):
                # Seeded like the skeletons: fixed random numbers of a block are then the same.
                module = seeded_module(segment.block)
                for name, share in self._shares(segment, module).items():
                    module.get_parameter(name).copy_(share)
                network.blocks[index] = module
        return network.to(self.device).eval()

    def inherit(self, architecture: Architecture, other: "Supernet") -> None:
        """Takes the weights that the network has in another supernet; all others stay.

        Args:
            architecture: for whose blocks this bank has just these shapes, as that of a space of
                this one network.
            other: of a space that has the architecture.
        """
        with torch.no_grad():
            for segment in self.space.segments(architecture):
                for name, share in other._shares(segment, self._skeletons(segment.block)).items():
                    self.weights[_weight_name(segment.place, segment.block, name)].copy_(share)

    def modules(self, architecture: Architecture) -> dict[str, nn.Module]:
        """The blocks of `network(architecture)` by place, on the CPU."""
        return modules_by_place(self.network(architecture))

    def _shares(self, segment: Segment, module: nn.Module) -> dict[str, torch.Tensor]:
        block = segment.block
        return {
            name: block.slice_weight(
                name, self.weights[_weight_name(segment.place, block, name)], weight.shape
            )
            for name, weight in module.named_parameters()
        }


def modules_by_place(network: Network) -> dict[str, nn.Module]:
    """The blocks of a network by place, on the CPU, as `export_network` takes them."""
    network = network.cpu()
    return {s.place: m for s, m in zip(network.segments, network.blocks, strict=True)}


class _Borrowed(nn.Module):
    """A skeleton that runs on weights of others."""

    def __init__(self, skeleton: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.weights = dict(weights)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        outputs: torch.Tensor | tuple[torch.Tensor, ...] = torch.func.functional_call(
            self.skeleton, self.weights, inputs
        )
        return outputs


class _Skeletons:
    """Modules without weights of their own, one for each block that was met lately."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._modules: OrderedDict[str, nn.Module] = OrderedDict()

    def __call__(self, block: Block) -> nn.Module:
        if block.key in self._modules:
            self._modules.move_to_end(block.key)
            return self._modules[block.key]
        module = self._modules[block.key] = _skeleton(block, self._device)
        if len(self._modules) > _KEPT_SKELETONS:
            self._modules.popitem(last=False)
        return module


def _skeleton(block: Block, device: torch.device) -> nn.Module:
    """The block in training mode, with real buffers and parameters of shape only."""
    module = seeded_module(block).to(device).train()
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
        for name, weight in list(part.named_parameters(recurse=False)):
            setattr(part, name, nn.Parameter(weight.to("meta"), requires_grad=False))
    return module


@dataclass
class _Need:
    """The largest shape asked for a weight, and the block that asks for most of it."""

    shape: tuple[int, ...]
    block: Block
    numel: int


def _initial_weights(space: Space, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight of the bank, drawn as the block that needs most of it draws its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for place, needs in _needs_by_place(space):
            built: dict[str, nn.Module] = {}
            for name, need in needs.items():
                if need.block.key not in built:
                    built[need.block.key] = need.block.build()
                drawn = built[need.block.key].get_parameter(name).detach()
                first = need.block.first_weight(name, drawn)
                yield _weight_name(place, need.block, name), _grown(first, need.shape)


def _needs_by_place(space: Space) -> Iterator[tuple[str, dict[str, _Need]]]:
    shapes = _Shapes()
    for place in space.places:
        needs: dict[tuple[str, str], _Need] = {}
        blocks = {b.key: b for _, b in space.blocks_at(place) if b is not None}
        for block in blocks.values():
            for name, shape in shapes(block).items():
                key = (block.sharing, name)
                needs[key] = _raised(needs.get(key), shape, block, f"{place.name}/{name}")
        for sharing in sorted({sharing for sharing, _ in needs}):
            yield place.name, {n: need for (s, n), need in needs.items() if s == sharing}


class _Shapes:
    """Shapes of a block's weights; each block is built once, without memory for its weights."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, torch.Size]] = {}

    def __call__(self, block: Block) -> dict[str, torch.Size]:
        if block.key not in self._known:
            module = _built_without_memory(block)
            self._known[block.key] = {n: w.shape for n, w in module.named_parameters()}
        return self._known[block.key]


def _built_without_memory(block: Block) -> nn.Module:
    try:
        with torch.device("meta"):
            return block.build()
    except (NotImplementedError, RuntimeError):
        # A block that looks at numbers while it is built needs real ones.
        return block.build()


def _raised(need: _Need | None, shape: torch.Size, block: Block, where: str) -> _Need:
    if need is None:
        return _Need(tuple(shape), block, shape.numel())
    if len(need.shape) != len(shape):
        raise BadInput(
            f"weight {where} of family {block.family!r} has {len(shape)} dimensions in one block "
            f"and {len(need.shape)} in another; give them two names, or make two families."
        )
    largest = tuple(max(a, b) for a, b in zip(need.shape, shape, strict=True))
    if shape.numel() > need.numel:
        return _Need(largest, block, shape.numel())
    return _Need(largest, need.block, need.numel)


def _grown(drawn: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """`drawn` if it has the shape, else numbers of its mean and spread around it."""
    if drawn.shape == shape:
        return drawn.clone()
    spread, mean = float(drawn.std(unbiased=False)), float(drawn.mean())
    grown = torch.randn(shape) * spread + mean
    grown[tuple(slice(0, size) for size in drawn.shape)] = drawn
    return grown


def _weight_name(place: str, block: Block, name: str) -> str:
    return f"{place}/{block.sharing}/{name}"
