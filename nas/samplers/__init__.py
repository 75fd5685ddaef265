"""What proposes the networks of a search: our own sampler, and Optuna's by their names."""

from nas.samplers.builtin import SAMPLER_NAMES, built_in, check_sampler
from nas.samplers.candidates import Candidates, Codes, Known
from nas.samplers.choice_candidates import ChoiceCandidates
from nas.samplers.hinted import HintedCandidates
from nas.samplers.pareto import ParetoSampler, UnknownCosts
from nas.samplers.space_candidates import SpaceCandidates
from nas.samplers.table_candidates import TableCandidates

__all__ = [
    "SAMPLER_NAMES",
    "Candidates",
    "ChoiceCandidates",
    "Codes",
    "HintedCandidates",
    "Known",
    "ParetoSampler",
    "SpaceCandidates",
    "TableCandidates",
    "UnknownCosts",
    "built_in",
    "check_sampler",
]
