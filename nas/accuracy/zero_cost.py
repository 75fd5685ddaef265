"""Hints of how good a network will be, from networks that were never trained.

Two scores that are known to rank networks, each of one batch (compared with others by
M. Abdelfattah and others, Zero-Cost Proxies for Lightweight NAS, arXiv 2101.08134):

- `activation_patterns`, of networks with ReLUs: how differently the images of a batch switch them
  on; the logarithm of the determinant of K, K[i, j] the number of ReLUs that images i and j agree
  in (J. Mellor and others, Neural Architecture Search without Training, arXiv 2006.04647). More is
  better.
- `gradient_norm`: the logarithm of the sum of the norms of the gradients of all weights, by the
  loss on labels. Which way it points depends on the space.

Letters: B images or windows of the batch.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from nas.accuracy.batches import Batch, Feed, training_batch
from nas.accuracy.compute import cpu_threads, seeded
from nas.data import Data, ImageData
from search_spaces import Architecture, Network, Space

PATTERNS, GRADIENT = "activation_patterns", "gradient_norm"
PROMISING = PATTERNS
"""The score of which more is better in any space."""

# Both our choice.
_IMAGES, _WINDOWS = 16, 4
_WINDOW = 128  # tokens
_CPU = torch.device("cpu")


class ZeroCost:
    """Scores networks with random weights on one batch of the training data; not for threads."""

    def __init__(
        self, space: Space, data: Data, *, seed: int = 0, threads: int | None = None
    ) -> None:
        """Of a space that goes with the data; `seed` draws weights and batch."""
        self._space, self._seed, self._threads = space, seed, threads
        self._feed = Feed(data, _CPU)
        size = _IMAGES if isinstance(data, ImageData) else _WINDOWS
        self._batch = training_batch(data, step=0, size=size, seed=seed, window=_WINDOW)

    def __call__(self, architecture: Architecture) -> dict[str, float]:
        """Scores by name; those that a network does not have, or that are no number, are absent."""
        with cpu_threads(self._threads), seeded(self._seed, _CPU):
            network = Network(self._space.segments(architecture)).train()
            with _agreements(network) as agreements:
                loss = self._loss(network, self._batch)
            loss.backward()  # type: ignore[no-untyped-call]
            norms = [w.grad.norm() for w in network.parameters() if w.grad is not None]
            found = {GRADIENT: math.log(max(float(torch.stack(norms).sum()), 1e-30))}
            if agreements:
                kernel = torch.stack(agreements).sum(dim=0).double()
                found[PATTERNS] = float(torch.linalg.slogdet(kernel).logabsdet)
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _loss(self, network: Network, batch: Batch) -> torch.Tensor:
        logits: torch.Tensor = network(self._feed.wires(network.segments, batch.inputs))["logits"]
        return functional.cross_entropy(logits.float().flatten(0, -2), batch.targets.flatten())


@contextmanager
def _agreements(network: nn.Module) -> Iterator[list[torch.Tensor]]:
    """Inside, (B, B) of each ReLU gathers here: in how many of its units two images agree."""
    found: list[torch.Tensor] = []

    def count(_: nn.Module, __: Any, output: torch.Tensor) -> None:
        on = (output.detach() > 0).flatten(1).float()  # (B, units)
        found.append(on @ on.T + (1 - on) @ (1 - on).T)

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.ReLU)]
    yield found
    for hook in hooks:
        hook.remove()
