"""Networks drawn at random, scored with the supernet's weights and trained alone.

The supernet's score is that of a search. Alone, a network is trained by the same recipe and scored
on all the held-out data.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.accuracy.checkpoint import read_checkpoint
from nas.accuracy.method import SUPERNET, read_method
from nas.bench.ranking.comparison import RankedNetwork, Ranking, compared
from nas.bench.ranking.trained import Recipe, TrainedNetworks, read_trained, recipe
from nas.errors import BadInput
from nas.estimators import open_estimator
from nas.surroundings import Surroundings
from nas.workspace import open_workspace
from search_spaces import Architecture, Space


@dataclass(frozen=True, kw_only=True)
class RankingRun:
    """What was compared, and the seconds that it took, trainings of earlier calls included."""

    space: str
    data: str
    accuracy: str
    """How the supernet scores a network, as `--accuracy` names it."""
    epochs: float
    seed: int
    recipe: Recipe
    """Of the networks trained alone."""
    ranking: Ranking
    training_s: float
    """Of the supernet."""
    scoring_s: float
    """Of all networks; with steps of their own, but those that an earlier call made."""

    @property
    def alone_s(self) -> float:
        """Training all networks, one after the other."""
        return sum(network.alone_s for network in self.ranking.networks)


def run_ranking(
    reference: str,
    data: str,
    around: Surroundings,
    *,
    networks: int,
    epochs: float,
    accuracy: str = SUPERNET,
    only: Iterable[str] = (),
    images: int | None = None,
    trained: Path | None = None,
    train_minutes: float | None = None,
    seed: int = 1,
) -> RankingRun:
    """Trains the supernet, then each network; what was trained before is not trained again.

    Args:
        reference: of the space.
        data: as `load_data` takes it.
        around: with the progress bar.
        networks: to be drawn, three or more.
        epochs: passes over the training part, for each network alone.
        accuracy: a method as `read_method` takes it, one with a supernet.
        only: restrictions of the space.
        images: of the training part, so many only.
        trained: output of an earlier run, whose networks are not trained alone again.
        train_minutes: at most, for the supernet.
        seed: of the drawing; trainings have a seed of their own.

    Raises:
        SpaceError, BadInput: see `open_workspace`, `read_method` and `read_trained`; or a method
            without a supernet, or epochs that are not above 0.
        TrainingDiverged: of any network.
    """
    if not epochs > 0:
        raise BadInput(f"--epochs {epochs:g}: must be above 0")
    if not read_method(accuracy).is_supernet:
        raise BadInput(f"--accuracy {accuracy}: expected supernet or supernet:STEPS")
    workspace = open_workspace(reference, data, only=only, images=images)
    by = recipe(workspace, epochs)
    alone = TrainedNetworks(workspace, epochs, read_trained(trained, by) if trained else {})
    drawn = _drawn(workspace.space, networks, seed)
    estimator = open_estimator(workspace, accuracy, around, train_minutes=train_minutes)
    began = time.monotonic()
    shared = [estimator.evaluate(architecture) for architecture in drawn]
    scoring_s = time.monotonic() - began
    scored = []
    with around.bar("alone") as report:
        for number, architecture in enumerate(drawn):
            report(number / len(drawn), None, f"{number} of {len(drawn)} networks")
            own = alone(architecture)
            scored.append(
                RankedNetwork(
                    architecture=architecture,
                    shared=shared[number],
                    alone=own.quality,
                    alone_s=own.seconds,
                )
            )
        report(1.0, None, f"{len(drawn)} networks")
    return RankingRun(
        space=reference,
        data=data,
        accuracy=accuracy,
        epochs=epochs,
        seed=seed,
        recipe=by,
        ranking=compared(scored),
        training_s=read_checkpoint(workspace.supernet_file).elapsed_s,
        scoring_s=scoring_s,
    )


def _drawn(space: Space, count: int, seed: int) -> list[Architecture]:
    """Different networks, at random; all there are where these are fewer."""
    rng, found = np.random.default_rng(seed), dict[str, Architecture]()
    while len(found) < min(count, space.count()):
        architecture = space.sample(rng)
        found.setdefault(architecture.id, architecture)
    return list(found.values())
