"""What a study knows so far, as codes and errors."""

import math
from dataclasses import dataclass

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
    """(n,) in the scale that is modelled; NaN while running, or where a trial told an infinity."""
    variances: Floats
    """(n,) of the errors of their measurement; 0 where not known, or running."""

    @property
    def done(self) -> npt.NDArray[np.bool_]:
        """(n,) False while running."""
        return ~np.isnan(self.errors)

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, kept: npt.NDArray[np.intp]) -> "Evaluated":
        """These of them."""
        return Evaluated(self.codes[kept], self.errors[kept], self.variances[kept])


class TrialReader:
    """Reads the trials of one study; what a finished one says is read once."""

    def __init__(self, candidates: Candidates, scale: ErrorScale, deviation: str) -> None:
        """For networks of a space.

        Args:
            candidates: the space; trials with other parameters are passed over.
            scale: of the errors.
            deviation: user attribute that holds the standard error of the first objective.
        """
        self._candidates, self._scale, self._deviation = candidates, scale, deviation
        self._finished: dict[int, _Read | None] = {}

    def read(self, study: Study, trial: FrozenTrial) -> Evaluated:
        """What the trials say, `trial` left out, which is the one that is being suggested for."""
        found: dict[bytes, _Read] = {}
        states = (TrialState.RUNNING, TrialState.COMPLETE)
        trials = study.get_trials(deepcopy=False, states=states)
        # Finished ones last: a network that runs again has been evaluated.
        for other in sorted(trials, key=lambda t: t.state == TrialState.COMPLETE):
            if other.number != trial.number and (read := self._read(study, other)) is not None:
                found[read.codes.tobytes()] = read
        if not found:
            width = len(self._candidates.sizes)
            return Evaluated(np.empty((0, width), np.int16), np.empty(0), np.empty(0))
        return Evaluated(
            codes=np.stack([read.codes for read in found.values()]),
            errors=np.array([read.error for read in found.values()]),
            variances=np.array([read.variance for read in found.values()]),
        )

    def given_up(self, study: Study) -> Codes:
        """(n, C) networks of pruned trials: what they were pruned for would come again.

        Not so where a trial has the user attribute `retry`.
        """
        trials = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
        read = [self._decoded(t, np.nan, 0.0) for t in trials if "retry" not in t.user_attrs]
        found = [one.codes for one in read if one is not None]
        return np.stack(found) if found else np.empty((0, len(self._candidates.sizes)), np.int16)

    def _read(self, study: Study, trial: FrozenTrial) -> "_Read | None":
        """None where it is of other parameters, or no suggestion was made yet."""
        if trial.state == TrialState.RUNNING:
            return self._decoded(trial, np.nan, 0.0)
        if trial.number not in self._finished:
            value = trial.values[0]
            told = float(trial.user_attrs.get(self._deviation) or 0.0)
            told = told if math.isfinite(told) else 0.0  # as if it were not told
            error = self._scale.error(value, study.directions[0])
            variance = self._scale.deviation(value, told) ** 2
            self._finished[trial.number] = self._decoded(
                trial, error if np.isfinite(error) else np.nan, variance
            )
        return self._finished[trial.number]

    def _decoded(self, trial: FrozenTrial, error: float, variance: float) -> "_Read | None":
        if not self._candidates.distributions.keys() <= trial.params.keys():
            return None
        return _Read(self._candidates.encode(trial.params), error, variance)


@dataclass(frozen=True, eq=False)
class _Read:
    """What one trial says."""

    codes: Codes
    error: float
    variance: float
