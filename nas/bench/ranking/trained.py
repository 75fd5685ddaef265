"""Networks trained alone: here, or by an earlier run whose `--json` outlives its checkpoints."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nas.accuracy.alone import AloneEstimator, alone_plan
from nas.accuracy.checkpoint import FORMAT, space_label
from nas.accuracy.compute import fitting_threads
from nas.accuracy.estimator import Quality
from nas.errors import BadInput
from nas.front_row import QualityName
from nas.workspace import Workspace
from search_spaces import Architecture

_ALL = 1_000_000  # held-out images or windows: more than there are

Recipe = Mapping[str, str | float | int | None]


@dataclass(frozen=True, kw_only=True)
class TrainedAlone:
    """How good a network is after a training of its own, and the seconds that took."""

    quality: Quality
    seconds: float


class TrainedNetworks:
    """Each network trained alone once: known from an earlier run, or trained when asked for."""

    def __init__(
        self, workspace: Workspace, epochs: float, known: Mapping[str, TrainedAlone]
    ) -> None:
        self._known = known
        self._estimator = AloneEstimator(
            workspace.space,
            workspace.data,
            plan=alone_plan(workspace.space, workspace.data, epochs),
            folder=workspace.folder_alone(epochs),
            held_out=_ALL,
            threads=fitting_threads(workspace.data, workspace.space),
        )

    def __call__(self, architecture: Architecture) -> TrainedAlone:
        """What is known of the network, else what a training of its own gives.

        Raises:
            TrainingDiverged: of this network.
        """
        if architecture.id in self._known:
            return self._known[architecture.id]
        before_s = self._estimator.trained_s
        quality = self._estimator.evaluate(architecture)
        return TrainedAlone(quality=quality, seconds=self._estimator.trained_s - before_s)


def recipe(workspace: Workspace, epochs: float) -> Recipe:
    """All that two trainings of one network must have in common to be one training."""
    return {
        "space": space_label(workspace.space),
        "data": workspace.data.fingerprint,
        "weights_format": FORMAT,
        **asdict(alone_plan(workspace.space, workspace.data, epochs)),
    }


def read_trained(path: Path, wanted: Recipe) -> dict[str, TrainedAlone]:
    """What an earlier `nas bench ranking --json` found of networks trained alone, by their id.

    Args:
        path: of its output.
        wanted: the recipe by which they must have been trained.

    Raises:
        BadInput: it is not such a file, or they were trained by another recipe.
    """
    try:
        document = json.loads(path.read_text())
        theirs = dict(document["recipe"])
        found = {row["id"]: _trained(row, document["quality"]) for row in document["networks"]}
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, LookupError, TypeError) as exc:
        raise BadInput(
            f"{path} was not written by nas bench ranking --json. Give the file of an earlier run"
        ) from exc
    for name in sorted(wanted.keys() | theirs.keys()):
        if theirs.get(name) != wanted.get(name):
            raise BadInput(
                f"{path}: its networks were trained with {name} {theirs.get(name)}, here it is "
                f"{wanted.get(name)}. Leave out --trained to train them anew"
            )
    return found


def _trained(row: Mapping[str, Any], quality_name: QualityName) -> TrainedAlone:
    return TrainedAlone(
        quality=Quality(
            name=quality_name,
            value=float(row["alone"]),
            standard_error=row["alone_standard_error"],
            samples=row["alone_samples"],
        ),
        seconds=float(row["alone_s"]),
    )
