"""How good an architecture is: measured on held-out data, with weights from the supernet."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from nas.accuracy.batches import Batch, Feed, held_out_batch, training_batch
from nas.accuracy.compute import cpu_threads, mixed_precision
from nas.accuracy.supernet import Supernet, modules_by_place
from nas.data import Data, ImageData
from nas.errors import BadInput
from search_spaces import Architecture, Network

_HELD_OUT_IMAGES = 1000  # our choice: 0.7 % standard error at 95 % accuracy
_HELD_OUT_WINDOWS = 128  # our choice
_CALIBRATION_IMAGES = 128  # measured on mnist5k: 64 cost 0.8 % accuracy, 512 gain 0.2 %
_BATCH = {"images": 32, "windows": 16}  # our choice: what fits the caches of a small machine
_LOGITS = "logits"


@dataclass(frozen=True, kw_only=True)
class Quality:
    """How good a network is on held-out data."""

    name: Literal["accuracy", "bits_per_byte"]
    value: float
    """Accuracy in [0, 1], or bits for each byte of text."""
    standard_error: float | None
    """None where it is not known."""
    samples: int | None
    """Held-out images, or windows of a context each, that were used; None where not known."""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """In which a value is better."""
        return "maximize" if self.name == "accuracy" else "minimize"


class Estimator:
    """Scores architectures; the same architecture always gets the same score.

    Not safe for threads.
    """

    def __init__(
        self,
        supernet: Supernet,
        data: Data,
        *,
        held_out: int | None = None,
        calibration: int = _CALIBRATION_IMAGES,
        threads: int | None = None,
    ) -> None:
        """Keeps a fixed share of the data.

        Args:
            supernet: trained for this data.
            data: scored on its held-out part.
            held_out: images, or windows of text, to use at most.
            calibration: training images from which batch norms get their statistics.
            threads: of the CPU; None for PyTorch's own number.

        Raises:
            BadInput: less than two of either.
        """
        self._supernet, self._threads = supernet, threads
        self._is_images = isinstance(data, ImageData)
        self._batch = _BATCH["images" if self._is_images else "windows"]
        usual = _HELD_OUT_IMAGES if self._is_images else _HELD_OUT_WINDOWS
        most = usual if held_out is None else held_out
        if most < 2 or calibration < 2:
            raise BadInput("scores need two held-out samples and two calibration images or more.")
        self._feed = Feed(data, supernet.device)
        self._held_out = held_out_batch(data, most).to(supernet.device)
        self._calibration = training_batch(data, step=0, size=calibration, seed=0).to(
            supernet.device
        )

    @property
    def samples(self) -> int:
        """Held-out images, or windows of text, on which every architecture is scored."""
        return len(self._held_out)

    def evaluate(self, architecture: Architecture) -> Quality:
        """Accuracy, or bits per byte, of the architecture with inherited weights."""
        network = self.network(architecture)
        with cpu_threads(self._threads), torch.inference_mode():
            scores = torch.cat(list(self._scores(network)))  # (samples,) float64
        error = float(scores.std()) / math.sqrt(len(scores)) if len(scores) > 1 else None
        return Quality(
            name="accuracy" if self._is_images else "bits_per_byte",
            value=float(scores.mean()),
            standard_error=error,  # of one window, which may be all, nobody knows
            samples=len(scores),
        )

    def network(self, architecture: Architecture) -> Network:
        """The network that is scored: weights of its own, batch norms with their statistics."""
        network = self._supernet.network(architecture)
        with cpu_threads(self._threads), torch.inference_mode():
            with _gathering_statistics(network) as norms:
                if norms:
                    for batch in _parts(self._calibration, self._batch):
                        self._logits(network, batch)
        return network

    def modules(self, architecture: Architecture) -> dict[str, nn.Module]:
        """The blocks of `network(architecture)` by place, as an export takes them."""
        return modules_by_place(self.network(architecture))

    def _scores(self, network: Network) -> Iterator[torch.Tensor]:
        for batch in _parts(self._held_out, self._batch):
            logits = self._logits(network, batch)
            if self._is_images:
                yield (logits.argmax(-1) == batch.targets).double()
            else:
                yield _bits_per_byte(logits, batch.targets)

    def _logits(self, network: Network, batch: Batch) -> torch.Tensor:
        with mixed_precision(self._supernet.device):
            wires = self._feed.wires(network.segments, batch.inputs)
            logits: torch.Tensor = network(wires)[_LOGITS]
        return logits.float()


def _bits_per_byte(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(B,) mean over each window of the bits that its bytes cost."""
    nats = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return nats.double().view(targets.shape).mean(1) / math.log(2)


def _parts(batch: Batch, size: int) -> Iterator[Batch]:
    for start in range(0, len(batch), size):
        yield batch[start : start + size]


@contextmanager
def _gathering_statistics(network: nn.Module) -> Iterator[list[_BatchNorm]]:
    """Inside, batch norms gather plain means of all that passes; outside, they use them."""
    norms = [part for part in network.modules() if isinstance(part, _BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # PyTorch's word for a cumulative mean
        norm.train()
    yield norms
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum
        norm.eval()
