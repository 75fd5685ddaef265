"""Zero-cost scores of some networks of a space, for a sampler that knows nothing yet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.accuracy.compute import fitting_threads
from nas.accuracy.zero_cost import PROMISING, ZeroCost
from nas.samplers import Candidates, Codes, HintedCandidates
from nas.surroundings import Surroundings
from nas.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Hints:
    """Networks and their scores."""

    codes: Codes
    """(n, C)"""
    scores: Mapping[str, npt.NDArray[np.float64]]
    """By name, (n,); only those which all networks have."""

    def added_to(self, candidates: Candidates) -> HintedCandidates:
        """The space that they are of, with them among its features."""
        return HintedCandidates(candidates, self.codes, self.scores, promising=PROMISING)


def zero_cost_hints(workspace: Workspace, networks: int, around: Surroundings) -> Hints:
    """Scores up to so many random networks, always the same of a space.

    Args:
        workspace: space and data.
        networks: 10 or more.
        around: with the progress bar.
    """
    space, rng = workspace.space, np.random.default_rng(0)
    score = ZeroCost(space, workspace.data, threads=fitting_threads(workspace.data, space))
    sampled = [space.sample(rng) for _ in range(networks)]
    drawn = list({architecture.id: architecture for architecture in sampled}.values())
    found: list[dict[str, float]] = []
    with around.bar("zero-cost") as report:
        for architecture in drawn:
            report(len(found) / len(drawn), None, f"{len(found)} of {len(drawn)} networks")
            found.append(score(architecture))
        names = sorted(set.intersection(*map(set, found)))
        report(1.0, None, f"{len(drawn)} networks; {', '.join(names) or 'no scores'}")
    return Hints(
        codes=np.array([space.encode(architecture) for architecture in drawn], dtype=np.int16),
        scores={name: np.array([scores[name] for scores in found]) for name in names},
    )
