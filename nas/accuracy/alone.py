"""How good a network is after a training of its own, by the supernet's recipe.

It begins with random weights, or with those that it has in a supernet.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from torch import nn

from nas.accuracy.estimator import Estimator, Quality
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import TrainingProgress, train
from nas.accuracy.training_plan import TrainingPlan, default_plan
from nas.data import Data
from search_spaces import Architecture, Space

# Of the supernet's own rate, which is too high for weights that are good already.
_TUNING_LR_SHARE = 1 / 3


class AloneEstimator:
    """Trains each network by itself and scores it: from random weights, what a supernet stands for.

    What was trained is kept and never trained again; a training that was killed goes on. Not safe
    for threads.

    Attributes:
        trained_s: seconds that the trainings of the networks asked for took, whenever that was.
    """

    def __init__(
        self,
        space: Space,
        data: Data,
        *,
        plan: TrainingPlan,
        folder: Path,
        start: Supernet | None = None,
        held_out: int | None = None,
        threads: int | None = None,
        on_step: Callable[[TrainingProgress], None] = lambda _: None,
    ) -> None:
        """Trains nothing yet.

        Args:
            space: of the networks.
            data: trained on its training part, scored on its held-out part.
            plan: of each network, see `alone_plan` and `tuning_plan`.
            folder: where trained networks are kept, one file each; of this plan and start alone.
            start: has the weights that networks begin with; None for random ones.
            held_out: as in `Estimator`.
            threads: of the CPU; None for PyTorch's own number.
            on_step: called after each step of a training.
        """
        self._space, self._data, self._folder = space, data, folder
        self._held_out, self._threads, self._on_step = held_out, threads, on_step
        self._plan, self._start = plan, start
        self.trained_s = 0.0

    def evaluate(self, architecture: Architecture) -> Quality:
        """Accuracy, or bits per byte, of the architecture after its own training."""
        return self._trained(architecture).evaluate(architecture)

    def modules(self, architecture: Architecture) -> dict[str, nn.Module]:
        """The trained blocks by place, as an export takes them."""
        return self._trained(architecture).modules(architecture)

    def _trained(self, architecture: Architecture) -> Estimator:
        supernet = Supernet(only_network(self._space, architecture), self._plan.seed)
        if self._start is not None:
            supernet.inherit(architecture, self._start)
        result = train(
            supernet,
            self._data,
            self._plan,
            checkpoint=self._folder / f"{architecture.id}.npz",
            threads=self._threads,
            on_step=self._on_step,
        )
        self.trained_s += result.elapsed_s
        return Estimator(supernet, self._data, held_out=self._held_out, threads=self._threads)


def alone_plan(space: Space, data: Data, epochs: float, seed: int = 0) -> TrainingPlan:
    """The recipe of the space's supernet, for one network of it.

    Args:
        space: the whole space.
        data: to be trained on.
        epochs: passes over its training part.
        seed: of first weights and of batches.
    """
    return default_plan(data, space, seed=seed).alone(data, epochs)


def tuning_plan(space: Space, data: Data, steps: int) -> TrainingPlan:
    """So many steps by that recipe, for a network that begins with the supernet's weights."""
    plan = alone_plan(space, data, 1.0)
    return replace(plan, steps=steps, lr=plan.lr * _TUNING_LR_SHARE)


def only_network(space: Space, architecture: Architecture) -> Space:
    """The part of the space that holds this one network; it keeps its id."""
    return space.restricted({name: (value,) for name, value in architecture.choices.items()})
