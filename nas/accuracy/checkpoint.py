"""Training on disk: weights and all that is needed to go on exactly where it stopped.

The file is a NumPy archive of plain numbers and one JSON text; nothing in it is ever executed.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nas.accuracy.supernet import Supernet
from nas.errors import CheckpointError
from search_spaces import Space

FORMAT = 3  # raised when the content changes its meaning, as weights do with their block
_HEADER = "header"
_WEIGHT, _MEAN, _SQUARE = "weight:", "mean:", "square:"


@dataclass(frozen=True, kw_only=True)
class Moments:
    """What Adam remembers of one weight: its steps, and running means of gradients and squares."""

    steps: int
    mean: torch.Tensor
    square: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """A supernet's training after `step` steps. Random numbers follow from the plan and `step`."""

    space: str
    """Name and digest of the space, `name:digest`."""
    data: str
    """Fingerprint of the data."""
    step: int
    elapsed_s: float
    finished: bool
    plan: Mapping[str, float | int | None]
    weights: Mapping[str, torch.Tensor]
    moments: Mapping[str, Moments]


def space_label(space: Space) -> str:
    """How a checkpoint names the space that it belongs to."""
    return f"{space.name}:{space.digest}"


def write_checkpoint(path: Path, state: TrainingState) -> None:
    """Writes the file in one stroke: at any moment it is the old one or the new one.

    Raises:
        CheckpointError: it cannot be written.
    """
    header = {
        "format": FORMAT,
        "space": state.space,
        "data": state.data,
        "step": state.step,
        "elapsed_s": state.elapsed_s,
        "finished": state.finished,
        "plan": dict(state.plan),
        "moment_steps": {name: moments.steps for name, moments in state.moments.items()},
    }
    arrays = {_HEADER: np.array(json.dumps(header))}
    arrays |= {_WEIGHT + name: _numbers(weight) for name, weight in state.weights.items()}
    arrays |= {_MEAN + name: _numbers(m.mean) for name, m in state.moments.items()}
    arrays |= {_SQUARE + name: _numbers(m.square) for name, m in state.moments.items()}
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as exc:
        with suppress(OSError):
            partial.unlink()
        raise CheckpointError(f"{path}: the checkpoint cannot be written: {exc}") from exc


def read_checkpoint(path: Path) -> TrainingState:
    """What `write_checkpoint` wrote.

    Raises:
        CheckpointError: not readable, corrupt, or written by another version.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = json.loads(str(archive[_HEADER]))
            if header["format"] != FORMAT:
                raise CheckpointError(
                    f"{path}: a checkpoint of format {header['format']}; this version reads "
                    f"{FORMAT}. Delete it to train anew."
                )
            return _state(header, {name: archive[name] for name in archive.files})
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as exc:
        raise CheckpointError(
            f"{path}: not a checkpoint, or a corrupt one ({type(exc).__name__}). "
            "Delete it to train anew."
        ) from exc


def digest(path: Path) -> str:
    """SHA-256 of the file, hexadecimal: which training its weights are of."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_origin(path: Path, state: TrainingState, space: Space, data: str | None) -> None:
    """Raises `CheckpointError` if the state is of another space or of other data.

    Args:
        path: for the message.
        state: as read from there.
        space: what it should be of.
        data: fingerprint of what it should be of; None for any.
    """
    if state.space != space_label(space):
        raise CheckpointError(
            f"{path}: trained for space {state.space}, not {space_label(space)}. "
            "Delete it, or take another name."
        )
    if data is not None and state.data != data:
        raise CheckpointError(
            f"{path}: trained on other data ({state.data}, not {data}). "
            "Delete it, or take another name."
        )


def restore_weights(path: Path, state: TrainingState, supernet: Supernet) -> None:
    """Puts the weights into the supernet's bank.

    Raises:
        CheckpointError: names or shapes differ, as when blocks have changed since.
    """
    for name in supernet.weights.keys() ^ state.weights.keys():
        raise CheckpointError(f"{path}: weight {name} is not in both. Delete it to train anew.")
    with torch.no_grad():
        for name, weight in supernet.weights.items():
            stored = state.weights[name]
            if stored.shape != weight.shape:
                raise CheckpointError(
                    f"{path}: weight {name} is {tuple(stored.shape)}, not {tuple(weight.shape)}. "
                    "Delete it to train anew."
                )
            weight.copy_(stored)


def load_supernet(
    path: Path, space: Space, *, data: str | None = None, device: torch.device | None = None
) -> Supernet:
    """The supernet of a checkpoint, trained as far as it was.

    Args:
        path: the checkpoint.
        space: the very space that it was trained for.
        data: fingerprint of the data, if it is to be checked.
        device: where its weights are to lie; a GPU, if there is one, if not given.

    Raises:
        CheckpointError: corrupt, or of another space or of other data.
    """
    state = read_checkpoint(path)
    check_origin(path, state, space, data)
    supernet = Supernet(space, device=device)
    restore_weights(path, state, supernet)
    return supernet


def _state(header: Mapping[str, Any], arrays: Mapping[str, Any]) -> TrainingState:
    def tensors(prefix: str) -> dict[str, torch.Tensor]:
        return {
            name.removeprefix(prefix): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith(prefix)
        }

    means, squares = tensors(_MEAN), tensors(_SQUARE)
    return TrainingState(
        space=str(header["space"]),
        data=str(header["data"]),
        step=int(header["step"]),
        elapsed_s=float(header["elapsed_s"]),
        finished=bool(header["finished"]),
        plan=dict(header["plan"]),
        weights=tensors(_WEIGHT),
        moments={
            name: Moments(steps=int(steps), mean=means[name], square=squares[name])
            for name, steps in header["moment_steps"].items()
        },
    )


def _numbers(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy()
