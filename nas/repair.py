"""Repair: networks that broke their budget when measured are replaced by others that keep it.

The LUT has learnt from what was measured: verifications are in its fit. So what was not measured
yet is predicted anew, the search goes on by the LUT as it is now, and what it finds for the front
is measured, in rounds, until as many replacements stand on the verified front as networks broke the
budget, or the tries are used up. A replacement that breaks the budget too earns no further tries,
so that every repair ends.

All that a repair goes by is in the study at once, replacements by a mark on their trials: when
killed, it goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from latency_lut import PhasePrediction, Predictor
from nas.estimators import QualityEstimator
from nas.front import (
    Expected,
    Front,
    excesses,
    measured_violations,
    read_front,
    record_expected,
    violation,
)
from nas.front_row import FrontRow
from nas.measuring.measurement import Rig
from nas.search import MEASURED, REPLACEMENT, Search, SearchProgress
from nas.study import StudySettings, read_settings
from nas.study_sampler import study_sampler
from nas.units import MS
from nas.verification import Verification, VerificationProgress, measure_front


@dataclass(frozen=True, kw_only=True)
class Repairs:
    """How far a study's repair has come."""

    broken: int
    """Networks that broke the budget when measured, replacements left out."""
    tried: int
    """Networks evaluated to replace them."""
    replaced: int
    """Those of them that stand on the front, measured."""
    hopeless: bool = False
    """The sampler found nothing more that the LUT says is within the budget."""

    def wanted(self, tries_each: int) -> int:
        """How many networks to try next, with so many tries for each that broke the budget."""
        if self.hopeless:
            return 0
        left = tries_each * self.broken - self.tried
        return max(min(self.broken - self.replaced, left), 0)


def read_repairs(study: optuna.Study, front: Front) -> Repairs:
    """As of the front, which is the study's on its own device."""
    settings = read_settings(study)
    tried = {
        trial.number: trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if REPLACEMENT in trial.user_attrs and "duplicate_of" not in trial.user_attrs
    }
    broken = _broken(front, settings)
    return Repairs(
        broken=sum(row.trial not in tried for row in broken),
        tried=len(tried),
        replaced=sum(row.verified and row.trial in tried for row in front.rows),
        hopeless=bool(tried) and _is_last_resort(tried[max(tried)], settings),
    )


def _is_last_resort(trial: FrozenTrial, settings: StudySettings) -> bool:
    """Over the budget when proposed, as `pareto` does only where nothing else is left."""
    over = any(share > 0 for share in trial.constraints.values())
    return over and settings.sampler == "pareto"


def repair(
    study: optuna.Study,
    rig: Rig,
    estimator: QualityEstimator,
    outcome: Verification,
    *,
    tries_each: int,
    on_search: Callable[[SearchProgress], None] = lambda _: None,
    on_progress: Callable[[VerificationProgress], None] = lambda _: None,
) -> Verification:
    """Replaces what broke the budget, as far as the tries go; without budgets there is nothing.

    Args:
        study: of `rig.space`.
        rig: the study's own device.
        estimator: of the study.
        outcome: of `verify`.
        tries_each: networks to evaluate at most for each that broke the budget; 0: none, but
            samplers are told what was measured.
        on_search: called after each trial.
        on_progress: called before and after each network that is measured.

    Raises:
        DeviceUnusable: the device went away; what was done is kept.
    """
    settings = read_settings(study)
    while _broken(outcome.front, settings):
        _tell_samplers(study, outcome.front)
        # 1. by the LUT that has learnt, others may be on the front: they are measured first
        predictor = rig.predictor()
        record_expected(study, _expected(predictor, outcome.front))
        again = measure_front(study, rig, estimator.modules, on_progress=on_progress)
        outcome = replace(again, measured=outcome.measured + again.measured)
        if again.measured:
            continue
        # 2. the front holds: go on with the search, as long as there are tries
        wanted = read_repairs(study, outcome.front).wanted(tries_each)
        evaluated = len(outcome.front.evaluated)
        if wanted:
            search = _search(study, predictor, estimator, on_search)
            search.run(evaluated + wanted)
        front = read_front(study, rig.space)
        if len(front.evaluated) == evaluated:  # no tries left, or the space has nothing else
            return outcome
        outcome = replace(outcome, front=front)
    return outcome


def _expected(predictor: Predictor, front: Front) -> dict[str, Expected]:
    """Of the networks that were not measured; memory stays, by which all networks are compared."""
    rows = [row for row in front.evaluated if not row.verified]
    found = {row.architecture.id: predictor.predict(row.architecture) for row in rows}
    return {key: _in_ms(told.phases) for key, told in found.items() if not told.missing}


def _in_ms(phases: Sequence[PhasePrediction]) -> Expected:
    first, *others = phases
    times_ms = {phase.name: phase.latency_ns * MS for phase in others}
    return Expected(
        latency_ms=first.latency_ns * MS,
        low_ms=first.low_ns * MS,
        high_ms=first.high_ns * MS,
        prefill_ms=times_ms.get("prefill"),
    )


def _search(
    study: optuna.Study,
    predictor: Predictor,
    estimator: QualityEstimator,
    on_progress: Callable[[SearchProgress], None],
) -> Search:
    """By the LUT as it is now, with a sampler that knows what was measured."""
    space = predictor.space
    seed = len(study.get_trials(deepcopy=False))  # a search must not propose the same again
    measured = measured_violations(study, space)
    study.sampler = study_sampler(read_settings(study), predictor, seed, measured)
    return Search(study, space, predictor, estimator, on_progress=on_progress, replacing=True)


def _broken(front: Front, settings: StudySettings) -> list[FrontRow]:
    return [row for row in front.evaluated if row.verified and violation(row, settings) > 0]


def _tell_samplers(study: optuna.Study, front: Front) -> None:
    """Optuna fixes a trial's constraints when it ends: a trial more tells those measured, once."""
    trials, settings = study.get_trials(deepcopy=False), read_settings(study)
    told = {trial.user_attrs["id"] for trial in trials if MEASURED in trial.user_attrs}
    for row in _broken(front, settings):
        if row.architecture.id not in told:
            study.add_trial(_as_measured(trials[row.trial], row, settings))


def _as_measured(trial: FrozenTrial, row: FrontRow, settings: StudySettings) -> FrozenTrial:
    return create_trial(
        values=[row.quality, row.shown_ms, row.shown_memory_mib],
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={
            "architecture": row.architecture.to_json(),
            "id": row.architecture.id,
            "duplicate_of": row.trial,
            MEASURED: True,
            "standard_error": trial.user_attrs.get("standard_error"),
        },
        constraints=excesses(row, settings),
    )
