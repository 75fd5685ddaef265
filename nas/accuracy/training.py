"""Trains a supernet by sampling: the sandwich rule with in-place distillation.

A step runs the largest network on the labels, then the smallest and a few random ones also on what
the largest answered (Universally Slimmable Networks, arXiv 1903.05134; BigNAS, arXiv 2003.11142).
There both ends join in every step. Where the largest is far larger than the others it would take
most of the time, and the smallest, always there, would become better than all others: a plan may
let them join less often, or never. All gradients of a step meet in the shared weights before they
move.

Everything random in a step follows from the plan's seed and the number of the step, so a training
that was killed goes on as if it had not been.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from nas.accuracy.batches import Batch, Feed, shifted, training_batch
from nas.accuracy.checkpoint import (
    Moments,
    TrainingState,
    check_origin,
    read_checkpoint,
    restore_weights,
    space_label,
    write_checkpoint,
)
from nas.accuracy.compute import cpu_threads, mixed_precision, seeded
from nas.accuracy.deep_and_narrow import DeepAndNarrow
from nas.accuracy.supernet import Supernet
from nas.accuracy.training_plan import TrainingPlan, default_plan
from nas.data import Data
from nas.errors import BadInput, CheckpointError, TrainingDiverged
from search_spaces import Architecture, Space

__all__ = ["TrainingPlan", "TrainingProgress", "TrainingResult", "default_plan", "train"]

logger = logging.getLogger(__name__)

_SAVE_EVERY_S = 30.0  # our choice: what a killed training loses at most
_WARM_UP_SHARE = 0.1  # our choice
_FINAL_LR_SHARE = 0.01  # our choice
_ROUTER_NOISE_SHARE = 0.2  # our choice: experts are then known well enough to be told apart
_CLIP_NORM = 5.0  # our choice, for the sum of the gradients of a step


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """After a step: mean `loss` of its networks on the labels, in nats."""

    step: int
    steps: int
    """Of the plan; a limit of minutes may end it before."""
    done: float
    """Share of the training that is over, 1 after the last step."""
    loss: float
    elapsed_s: float
    left_s: float
    """Estimate of what is left; 0 after the last step."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """How the training went: the plan is the checkpoint's if it was begun earlier."""

    plan: TrainingPlan
    steps: int
    elapsed_s: float
    resumed_at: int


def train(
    supernet: Supernet,
    data: Data,
    plan: TrainingPlan,
    *,
    checkpoint: Path | None = None,
    threads: int | None = None,
    on_step: Callable[[TrainingProgress], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    save_every_s: float = _SAVE_EVERY_S,
) -> TrainingResult:
    """Trains the supernet's weights in place, from its checkpoint on if there is one.

    A training that was begun goes on by the plan that it began with; one that was finished ends
    at once.

    Args:
        supernet: gets the trained weights.
        data: goes with the supernet's space.
        plan: for a training that begins here.
        checkpoint: file that is read at the start, and written every `save_every_s` and at the
            end.
        threads: of the CPU; None for PyTorch's own number.
        on_step: called after each step.
        clock: seconds, monotonic.
        save_every_s: 0 for after each step.

    Raises:
        CheckpointError: the checkpoint is corrupt, or of another space or of other data.
        TrainingDiverged: the loss is no longer a number; the checkpoint is from before.
    """
    with cpu_threads(threads):
        run = _Run(supernet, data, plan, clock)
        if checkpoint is not None and checkpoint.exists():
            run.restore(checkpoint)
        resumed_at, saved_at = run.step, clock()
        for progress in run.steps():
            if checkpoint is not None and (run.finished or clock() - saved_at >= save_every_s):
                write_checkpoint(checkpoint, run.state())
                saved_at = clock()
            on_step(progress)
    return TrainingResult(
        plan=run.plan, steps=run.step, elapsed_s=run.elapsed_s, resumed_at=resumed_at
    )


class _Run:
    """A training under way."""

    def __init__(
        self, supernet: Supernet, data: Data, plan: TrainingPlan, clock: Callable[[], float]
    ) -> None:
        self.plan = plan
        self.step = 0
        self.elapsed_s = 0.0
        self.finished = False
        self._supernet, self._data, self._clock = supernet, data, clock
        self._feed = Feed(data, supernet.device)
        self._adam = _adam(supernet, plan)

    def steps(self) -> Iterator[TrainingProgress]:
        """Makes step after step until the plan is fulfilled."""
        while not self.finished:
            began = self._clock()
            loss = self._one_step()
            self.elapsed_s += self._clock() - began
            self.step += 1
            self.finished = self._share_done() >= 1
            yield self._progress(loss)

    def state(self) -> TrainingState:
        """All that `restore` needs; a finished training needs no moments any more."""
        weights = self._supernet.weights
        moved = self._adam.state
        known = {name: moved[w] for name, w in weights.items() if w in moved and not self.finished}
        return TrainingState(
            space=space_label(self._supernet.space),
            data=self._data.fingerprint,
            step=self.step,
            elapsed_s=self.elapsed_s,
            finished=self.finished,
            plan=asdict(self.plan),
            weights=weights,
            moments={
                name: Moments(
                    steps=int(moments["step"]),
                    mean=moments["exp_avg"],
                    square=moments["exp_avg_sq"],
                )
                for name, moments in known.items()
            },
        )

    def restore(self, path: Path) -> None:
        """Goes on from the checkpoint, by its own plan."""
        state = read_checkpoint(path)
        check_origin(path, state, self._supernet.space, self._data.fingerprint)
        restore_weights(path, state, self._supernet)
        begun = _plan(path, state)
        if begun != self.plan:
            logger.warning("%s goes on by the plan that it began with: %s", path, begun)
        self.plan, self.step = begun, state.step
        self.elapsed_s, self.finished = state.elapsed_s, state.finished
        self._adam = _adam(self._supernet, self.plan)
        for name, moments in state.moments.items():
            weight = self._supernet.weights[name]
            self._adam.state[weight] = {
                "step": torch.tensor(float(moments.steps), device=weight.device),
                "exp_avg": moments.mean.to(weight.device),
                "exp_avg_sq": moments.square.to(weight.device),
            }

    def _one_step(self) -> float:
        device = self._supernet.device
        noise = 1 - self._share_done() / _ROUTER_NOISE_SHARE
        self._supernet.router_noise = max(noise, 0.0)
        with seeded(self.plan.seed * 1_000_003 + self.step, device):
            batch = self._batch()
            self._adam.zero_grad(set_to_none=True)
            loss = self._sandwich(batch.to(device))
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {self.step + 1}. Train with a lower learning rate."
            )
        self._move()
        return loss

    @cached_property
    def _drawn(self) -> Space | DeepAndNarrow:
        space = self._supernet.space
        return DeepAndNarrow(space) if self.plan.deep_and_narrow else space

    def _batch(self) -> Batch:
        plan = self.plan
        batch = training_batch(
            self._data, step=self.step, size=plan.batch, seed=plan.seed, window=plan.window
        )
        if plan.shift_px:
            return Batch(shifted(batch.inputs, plan.shift_px), batch.targets)
        return batch

    def _sandwich(self, batch: Batch) -> float:
        """Gradients of all networks of this step; their mean loss on the labels."""
        space, plan = self._supernet.space, self.plan
        rng = np.random.default_rng([plan.seed, self.step])
        others = [self._drawn.sample(rng) for _ in range(plan.random_networks)]
        if plan.smallest_every and self.step % plan.smallest_every == 0:
            others.insert(0, space.smallest())
        labels = targets = batch.targets.flatten()
        losses = []
        learns = plan.largest_every > 0 and self.step % plan.largest_every == 0
        if learns or (plan.always_teaches and plan.largest_every > 0):
            answer = self._learn(space.largest(), batch, labels, learns=learns)
            losses.append(functional.cross_entropy(answer, labels))
            targets = self._taught(answer, labels)
        for architecture in others:
            answer = self._learn(architecture, batch, targets)
            losses.append(functional.cross_entropy(answer, labels))
        return torch.stack(losses).mean().item()

    def _learn(
        self, architecture: Architecture, batch: Batch, targets: torch.Tensor, learns: bool = True
    ) -> torch.Tensor:
        """Adds the gradients of one network, if it learns; its answer, (targets, classes)."""
        with torch.set_grad_enabled(learns):
            answer = self._answer(architecture, batch)
            loss = functional.cross_entropy(answer, targets)
        if learns:
            loss.backward()  # type: ignore[no-untyped-call]
        return answer.detach()

    def _taught(self, answer: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(targets, classes): what the others are to answer."""
        known = functional.one_hot(labels, answer.shape[-1])
        return torch.lerp(known.float(), answer.softmax(-1), self.plan.teacher_share)

    def _answer(self, architecture: Architecture, batch: Batch) -> torch.Tensor:
        """(targets, classes) float32."""
        segments = self._supernet.space.segments(architecture)
        with mixed_precision(self._supernet.device):
            logits = self._supernet.logits(segments, self._feed.wires(segments, batch.inputs))
        return logits.float().flatten(0, -2)

    def _move(self) -> None:
        learned = [w for w in self._supernet.weights.values() if w.grad is not None]
        norm = torch.nn.utils.get_total_norm([w.grad for w in learned if w.grad is not None])
        if norm > _CLIP_NORM:  # else all gradients would be multiplied by 1, which takes its time
            torch.nn.utils.clip_grads_with_norm_(learned, _CLIP_NORM, norm)
        for group in self._adam.param_groups:
            group["lr"] = self.plan.lr * _lr_share(self._share_done())
        self._adam.step()

    def _share_done(self) -> float:
        share = self.step / self.plan.steps
        if self.plan.max_minutes is not None:
            share = max(share, self.elapsed_s / (60 * self.plan.max_minutes))
        return min(share, 1.0)

    def _progress(self, loss: float) -> TrainingProgress:
        done = self._share_done()
        return TrainingProgress(
            step=self.step,
            steps=self.plan.steps,
            done=done,
            loss=loss,
            elapsed_s=self.elapsed_s,
            left_s=self.elapsed_s / done * (1 - done),
        )


def _lr_share(done: float) -> float:
    """Share of the highest learning rate: a linear rise, then half a cosine."""
    if done < _WARM_UP_SHARE:
        return max(done / _WARM_UP_SHARE, _FINAL_LR_SHARE)
    fallen = (done - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE)
    return _FINAL_LR_SHARE + (1 - _FINAL_LR_SHARE) * (1 + math.cos(math.pi * fallen)) / 2


def _adam(supernet: Supernet, plan: TrainingPlan) -> torch.optim.AdamW:
    """No weight decay on gains and biases, which have one dimension."""
    matrices = [w for w in supernet.weights.values() if w.ndim > 1]
    vectors = [w for w in supernet.weights.values() if w.ndim <= 1]
    groups: Sequence[dict[str, object]] = (
        {"params": matrices, "weight_decay": plan.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    )
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=plan.lr, betas=(0.9, 0.98), fused=True
    )


def _plan(path: Path, state: TrainingState) -> TrainingPlan:
    try:
        return TrainingPlan(**state.plan)  # type: ignore[arg-type]
    except (TypeError, BadInput) as exc:
        raise CheckpointError(f"{path}: its plan is not one of this version: {exc}") from exc
