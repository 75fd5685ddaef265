"""Where PyTorch computes: the device, its precision, and how many cores it takes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from nas.data import Data, ImageData
from search_spaces import Network, Space

_SMALL_PX = 32  # our choice: the sizes of digits, MNIST and CIFAR
_LARGE_WEIGHTS = 2_000_000  # our choice: between the demo's part of `mobile` and all of `hybrid`


def best_device() -> torch.device:
    """The first CUDA device if there is one that PyTorch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Autocast to bfloat16 on a GPU that has it; nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()


def is_large(space: Space) -> bool:
    """Whether the space's largest network has layers that keep several CPU threads busy."""
    with torch.random.fork_rng(devices=[]):
        network = Network(space.segments(space.largest()))
    return sum(weight.numel() for weight in network.parameters()) > _LARGE_WEIGHTS


def fitting_threads(data: Data, space: Space) -> int | None:
    """How many CPU threads pay for networks on this data; None for all that there are.

    Measured on mnist5k at 20 pixels, the smallest width of `mobile`, batches of 8: 8.7 steps/s
    with one thread and 5.2 with two, as the threads of so small layers wait for each other more
    than they work. On the full `hybrid` at 28 pixels, a random network with a batch of 16 takes
    303 ms with one thread and 174 ms with two.

    Args:
        data: images or text.
        space: whose networks are to be run.
    """
    if is_large(space):
        return None
    small = isinstance(data, ImageData) and data.task.resolution_px <= _SMALL_PX
    return 1 if small else None


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Inside, PyTorch works with `count` threads; None leaves the number as it is."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, PyTorch's random numbers follow from `seed`; outside, nothing has changed."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
