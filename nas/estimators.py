"""From the name of a way to find accuracies to the estimator that a search asks."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from torch import nn

from nas.accuracy.alone import AloneEstimator, alone_plan, tuning_plan
from nas.accuracy.checkpoint import load_supernet
from nas.accuracy.compute import fitting_threads
from nas.accuracy.estimator import Estimator, Quality
from nas.accuracy.method import Method, read_method
from nas.accuracy.own_function import OwnFunction, check_function
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import default_plan, train
from nas.errors import BadInput
from nas.surroundings import Surroundings
from nas.workspace import Workspace
from search_spaces import Architecture

logger = logging.getLogger(__name__)

_LIMIT_MINUTES = 30.0  # our choice: how long a function of the user's may take for a network


class QualityEstimator(Protocol):
    """Says how good a network is."""

    def evaluate(self, architecture: Architecture) -> Quality:
        """Accuracy or bits per byte on held-out data.

        Raises:
            AccuracyFailed, TrainingDiverged: of this network there is none.
        """
        ...

    def modules(self, architecture: Architecture) -> Mapping[str, nn.Module] | None:
        """Its trained blocks by place; None where they are not known here."""
        ...


def check_accuracy(accuracy: str) -> None:
    """Raises BadInput, or UserFileError, where there is no such method."""
    function = read_method(accuracy).function
    if function is not None:
        check_function(function)


def open_estimator(
    workspace: Workspace,
    accuracy: str,
    around: Surroundings,
    *,
    train_minutes: float | None = None,
    limit_minutes: float | None = None,
    seed: int = 0,
) -> QualityEstimator:
    """For a search; a supernet is trained first, or its training goes on.

    Args:
        workspace: space and data.
        accuracy: a method as `read_method` takes it.
        around: with the progress bar.
        train_minutes: at most, for the supernet; None for the default.
        limit_minutes: at most, for one network by a function of the user's; None for the default.
        seed: of the supernet.

    Raises:
        BadInput: no such method, or what it names cannot be used.
        TrainingDiverged: of the supernet.
    """
    method = read_method(accuracy)
    if not method.is_supernet:
        return _by_itself(workspace, method, limit_minutes)
    supernet = train_supernet(workspace, around, minutes=train_minutes, seed=seed)
    return _by_supernet(workspace, method, supernet)


def reopen_estimator(
    workspace: Workspace, accuracy: str, study: str, *, limit_minutes: float | None = None
) -> QualityEstimator:
    """As it was in the study's search; no supernet is trained.

    Args:
        workspace: space and data.
        accuracy: the study's method.
        study: its name.
        limit_minutes: as in `open_estimator`.

    Raises:
        BadInput: the supernet's file is gone, or what the method names cannot be used.
    """
    method = read_method(accuracy)
    if not method.is_supernet:
        return _by_itself(workspace, method, limit_minutes)
    if not workspace.supernet_file.exists():
        raise BadInput(
            f"the supernet {workspace.supernet_file} of study {study!r} is gone, or its "
            "data have changed; bring it back, or begin another study"
        )
    supernet = load_supernet(
        workspace.supernet_file, workspace.space, data=workspace.data.fingerprint
    )
    return _by_supernet(workspace, method, supernet)


def train_supernet(
    workspace: Workspace, around: Surroundings, *, minutes: float | None, seed: int
) -> Supernet:
    """Trains the supernet of the space on the data, or goes on with, or reads, its checkpoint."""
    supernet = Supernet(workspace.space, seed)
    plan = default_plan(workspace.data, workspace.space, max_minutes=minutes, seed=seed)
    with _alone_at(workspace.supernet_file), around.bar("train") as report:
        train(
            supernet,
            workspace.data,
            plan,
            checkpoint=workspace.supernet_file,
            threads=fitting_threads(workspace.data, workspace.space),
            on_step=lambda p: report(p.done, p.left_s, f"loss {p.loss:.3f}"),
        )
    return supernet


@contextmanager
def _alone_at(file: Path) -> Iterator[None]:
    """One process trains a supernet; others wait, and find it trained."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.warning("%s is being trained by another process; this one waits for it", file)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _by_supernet(workspace: Workspace, method: Method, supernet: Supernet) -> QualityEstimator:
    """With its weights, or after steps of each network's own that begin with them."""
    space, data = workspace.space, workspace.data
    threads = fitting_threads(data, space)
    if method.steps is None:
        return Estimator(supernet, data, threads=threads)
    return AloneEstimator(
        space,
        data,
        plan=tuning_plan(space, data, method.steps),
        folder=workspace.folder_tuned(method.steps),
        start=supernet,
        threads=threads,
    )


def _by_itself(
    workspace: Workspace, method: Method, limit_minutes: float | None
) -> QualityEstimator:
    """Without a supernet."""
    space = workspace.space
    if method.function is not None:
        minutes = _LIMIT_MINUTES if limit_minutes is None else limit_minutes
        return OwnFunction(method.function, workspace.reference, space, limit_s=60 * minutes)
    assert method.epochs is not None
    return AloneEstimator(
        space,
        workspace.data,
        plan=alone_plan(space, workspace.data, method.epochs),
        folder=workspace.folder_alone(method.epochs),
        threads=fitting_threads(workspace.data, space),
    )
