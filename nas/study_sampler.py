"""The sampler of a study: what proposes the networks that its search evaluates."""

from collections.abc import Mapping

from optuna.samplers import BaseSampler

from latency_lut import Predictor
from nas.hints import Hints
from nas.samplers import Candidates, ParetoSampler, SpaceCandidates, built_in
from nas.study import StudySettings
from search_spaces import Architecture

_BEST = {"accuracy": 1.0, "bits_per_byte": 0.0}


def study_sampler(
    settings: StudySettings,
    predictor: Predictor,
    seed: int,
    measured: Mapping[Architecture, float] | None = None,
    hints: Hints | None = None,
) -> BaseSampler:
    """A sampler for the study's space and budgets.

    Args:
        settings: of the study.
        predictor: of the study's space on its device.
        seed: repeats the proposals exactly.
        measured: by how much measured networks exceed a budget, as `measured_violations` says;
            only `pareto` asks, Optuna's samplers go by the constraints of the trials.
        hints: zero-cost scores of some networks, for `pareto`.
    """
    if settings.sampler != "pareto":
        return built_in(settings.sampler, seed)
    candidates: Candidates = SpaceCandidates(
        predictor,
        max_latency_ms=settings.max_latency_ms,
        max_memory_mib=settings.max_memory_mib,
        measured=measured,
    )
    if hints is not None:
        candidates = hints.added_to(candidates)
    return ParetoSampler(candidates, best=_BEST[settings.objective], seed=seed)
