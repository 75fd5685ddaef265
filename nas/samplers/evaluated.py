"""What a study knows so far, as codes and errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.candidates import Candidates, Codes, Floats
from nas.samplers.scales import ErrorScale


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Networks of finished trials, and of running ones; each once."""

    codes: Codes
    """(n, C)"""
    errors: Floats
    """(n,) in the scale that is modelled; NaN while running."""
    variances: Floats
    """(n,) of the errors of their measurement; 0 where not known, or running."""

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """(n,) False while running."""
        return ~np.isnan(self.errors)

    def __len__(self) -> int:
        return len(self.codes)


def evaluated(
    study: Study, trial: FrozenTrial, candidates: Candidates, scale: ErrorScale, deviation: str
) -> Evaluated:
    """What the trials of a study say, `trial` left out.

    Args:
        study: whose first objective counts.
        trial: the one that is being suggested for.
        candidates: the space; trials with other parameters are passed over.
        scale: of the errors.
        deviation: user attribute that holds the standard error of the first objective.
    """
    found: dict[bytes, tuple[Codes, float, float]] = {}
    states = (TrialState.RUNNING, TrialState.COMPLETE)
    trials = study.get_trials(deepcopy=False, states=states)
    # Finished ones last: a network that runs again has been evaluated.
    for other in sorted(trials, key=lambda t: t.state == TrialState.COMPLETE):
        if other.number == trial.number or not _is_of(candidates, other.params):
            continue
        codes, error, variance = candidates.encode(other.params), np.nan, 0.0
        if other.state == TrialState.COMPLETE:
            value = other.values[0]
            error = scale.error(value, study.directions[0])
            told = float(other.user_attrs.get(deviation) or 0.0)
            variance = scale.deviation(value, told) ** 2
        found[codes.tobytes()] = codes, error, variance
    if not found:
        width = len(candidates.distributions)
        return Evaluated(np.empty((0, width), np.int16), np.empty(0), np.empty(0))
    stacked, errors, variances = zip(*found.values(), strict=True)
    return Evaluated(np.stack(stacked), np.array(errors), np.array(variances))


def _is_of(candidates: Candidates, parameters: Mapping[str, Any]) -> bool:
    """Whether all choices have a value, as they have once a trial's suggestions were made."""
    return candidates.distributions.keys() <= parameters.keys()
