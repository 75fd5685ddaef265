"""What proposes the networks of a search: our own sampler, and Optuna's by their names."""

from nas.samplers.builtin import SAMPLER_NAMES, built_in, check_sampler
from nas.samplers.candidates import Candidates, Codes, Known, TableCandidates
from nas.samplers.choice_candidates import ChoiceCandidates
from nas.samplers.pareto import ParetoSampler
from nas.samplers.space_candidates import SpaceCandidates

__all__ = [
    "SAMPLER_NAMES",
    "Candidates",
    "ChoiceCandidates",
    "Codes",
    "Known",
    "ParetoSampler",
    "SpaceCandidates",
    "TableCandidates",
    "built_in",
    "check_sampler",
]
