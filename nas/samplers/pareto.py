"""A sampler for searches in which only one objective has to be evaluated.

Latency, memory and size of a network are known before it is evaluated, only its accuracy is not. So
a Gaussian process models accuracy alone, costs stay exact, and the network is proposed that is
expected to add most hypervolume to the front within the budgets; networks that other workers are
evaluating are taken to turn out as predicted.

    from nas.samplers import ParetoSampler, TableCandidates

    study = optuna.create_study(directions=["maximize", "minimize"],
                                sampler=ParetoSampler(candidates, best=100.0))
"""

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial
from scipy.stats.qmc import Halton
from threadpoolctl import threadpool_limits

from nas.pareto import non_dominated
from nas.samplers.candidates import Candidates, Codes, Known
from nas.samplers.evaluated import Evaluated, TrialReader
from nas.samplers.gain_model import GainModel
from nas.samplers.proposals import among, even_codes, proposals, random_codes
from nas.samplers.scales import ErrorScale

# All of these are our choice; results/LOG.md compares.
_FIRST_POINTS = 8  # spread over the costs before anything is modelled
_USUAL = 10_000  # random networks that tell which costs a space has
_EVEN = 20_000  # networks whose layers are all alike, to choose the first points from
_PROPOSED = 100_000  # a suggestion; costs take a microsecond each
_NEAR = 100  # of the networks nearest to a wanted cost, the one least like the others is first
_USUAL_NEAR = 0.05  # where that cost is a usual one, of this share of those that were made
_PROMISING = 25  # of them, those which promise most, where something is known of that
_REFERENCE = 0.9  # of costs, and of errors as expected, this quantile; what is worse is no front


class ParetoSampler(BaseSampler):
    """Proposes what is expected to add most to the front; the first objective is modelled.

    All other objectives are costs: known exactly beforehand by `candidates`, minimised.

    Attributes:
        remaining_gain: hypervolume that a proposal was expected to add at most, the last time, as a
            share of what the front has; None before the first one. Near 0 there is nothing left.
    """

    def __init__(
        self,
        candidates: Candidates,
        *,
        best: float | None = None,
        reference: float = _REFERENCE,
        standard_error: str = "standard_error",
        seed: int | None = None,
    ) -> None:
        """A sampler for one search space.

        Args:
            candidates: the space, and what is known of its networks.
            best: of the first objective, what a perfect network would have (1 for accuracies as
                shares, 100 for per cent, 0 for errors and bits per byte): its distance is modelled
                by its logarithm. None: modelled as it is.
            reference: the quantile of random networks' costs, and of the errors expected of them,
                beyond which a network is of no interest.
            standard_error: user attribute of a trial that holds the first objective's, if any.
            seed: repeats a run exactly, with one worker.
        """
        self.remaining_gain: float | None = None
        self._candidates, self._reference = candidates, reference
        self._trials = TrialReader(candidates, ErrorScale(best), standard_error)
        self._rng = np.random.default_rng(seed)
        self._others = RandomSampler(seed=seed)  # for parameters that are no choice of the space
        self._usual: tuple[Codes, Known] | None = None
        self._model: GainModel | None = None

    def reseed_rng(self) -> None:
        """For workers that were forked: each draws its own."""
        self._rng = np.random.default_rng()
        self._others.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every choice of the space."""
        return dict(self._candidates.distributions)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A parameter that is no choice of the space: at random."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The parameters to try next.

        Raises:
            ValueError: the study's objectives are not those of the candidates.
        """
        usual, model = self._looked_around(study)
        seen = self._trials.read(study, trial)
        costs = self._candidates.known(seen.codes).costs
        seen = seen.rows(np.flatnonzero(~np.isnan(costs).any(axis=1)))
        tried = np.concatenate([seen.codes, self._trials.given_up(study)])
        first = len(seen) < _FIRST_POINTS or seen.done.sum() < 2
        codes, known = self._proposed(usual, self._parents(model, seen), tried, even=first)
        if not len(codes):  # all that there is was proposed: what becomes of it is the study's
            return self._candidates.decode(usual[0][self._rng.integers(len(usual[0]))])
        if first:
            return self._candidates.decode(codes[self._spread(codes, known, seen, model, usual[1])])
        # On few cores a second thread for matrices this small doubles the time (results/LOG.md).
        with threadpool_limits(1, "blas"):
            choice = model.best(codes, known, seen, self._rng)
        self.remaining_gain = choice.gain
        return self._candidates.decode(codes[choice.number])

    def _looked_around(self, study: Study) -> tuple[tuple[Codes, Known], GainModel]:
        """Random networks of the space, or all of it, and the model for it."""
        if self._usual is None or self._model is None:
            codes = self._candidates.everything()
            if codes is None:
                codes = random_codes(self._candidates, _USUAL, self._rng)
            known = self._candidates.known(codes)
            kept = np.flatnonzero(~np.isnan(known.costs).any(axis=1))
            codes, known = codes[kept], known.rows(kept)
            _check(study, known)
            self._usual = codes, known
            self._model = GainModel(self._candidates, codes, known, self._reference)
        return self._usual, self._model

    def _proposed(
        self, usual: tuple[Codes, Known], parents: Codes, tried: Codes, *, even: bool
    ) -> tuple[Codes, Known]:
        """What was not tried yet: within the budgets, or what exceeds them least."""
        if self._candidates.everything() is not None:
            return _untried(*usual, tried)
        if even and self._candidates.families:
            # Random networks mix all kinds of layers, and hardly tell what a kind is worth.
            codes = even_codes(self._candidates, _EVEN, self._rng)
            codes, known = _untried(codes, self._candidates.known(codes), tried)
            if (known.violations <= 0).sum() >= _NEAR:
                return codes, known
        codes = proposals(self._candidates, parents, _PROPOSED, self._rng)
        return _untried(codes, self._candidates.known(codes), tried)

    def _parents(self, model: GainModel, seen: Evaluated) -> Codes:
        """Networks from which others are made: those of the front."""
        codes = seen.codes[seen.done]
        if not len(codes):
            return codes
        costs = model.scale.costs(self._candidates.known(codes))
        return codes[non_dominated(np.column_stack([seen.errors[seen.done], costs]))]

    def _spread(
        self, codes: Codes, known: Known, seen: Evaluated, model: GainModel, usual: Known
    ) -> int:
        """Of promising networks of a cost that is lacking, the one least like those before.

        A cost of the range that there is; where networks are too many to be listed, two of three
        are usual in the space.
        """
        costs = model.scale.costs(known)[:, 0]
        round_, turn = divmod(len(seen), 3)
        if self._candidates.everything() is not None:
            round_, turn = len(seen), 0
        if turn:
            # Cheap networks are all alike in what costs most, and never show what else there is.
            wanted = float(
                np.quantile(model.scale.costs(usual)[:, 0], _place(2 * round_ + turn - 1))
            )
            count = max(round(_USUAL_NEAR * len(costs)), _NEAR)
        else:
            low, high = costs.min(), np.quantile(costs, self._reference)
            wanted, count = low + (high - low) * _place(round_), _NEAR
        near = np.argsort(np.abs(costs - wanted))[:count]
        if known.promise is not None:
            near = near[np.argsort(-known.promise[near])[:_PROMISING]]
        if not len(seen):
            return int(self._rng.choice(near))
        ours = model.scale.points(codes[near], known.rows(near))
        theirs = model.scale.points(seen.codes, self._candidates.known(seen.codes))
        apart = ((ours.features[:, None] - theirs.features) ** 2).sum(axis=2)
        weights = len(ours.codes.T) * model.scale.importance
        apart += (ours.codes[:, None] != theirs.codes) @ weights
        return int(near[apart.min(axis=1).argmax()])


def _untried(codes: Codes, known: Known, tried: Codes) -> tuple[Codes, Known]:
    """Those not tried yet of known costs: within the budgets, or what exceeds them least."""
    fresh = ~among(codes, tried) & ~np.isnan(known.costs).any(axis=1)
    within = fresh & (known.violations <= 0)
    if not within.any():
        least = np.min(known.violations[fresh], initial=np.inf)
        within = fresh & (known.violations <= least)
    return codes[within], known.rows(within)


def _place(number: int) -> float:
    """In (0, 1): each far from those of lower numbers."""
    return float(Halton(1, scramble=False).random(number + 2)[-1, 0])


class UnknownCosts(ValueError):
    """Of no network that the sampler looked at are the costs known."""


def _check(study: Study, known: Known) -> None:
    if not len(known.costs):
        raise UnknownCosts("the costs of no network that was looked at are known")
    directions, count = study.directions, known.costs.shape[1]
    if not count:
        raise ValueError("the candidates have no cost; with none there is no front to look for")
    if len(directions) != 1 + count or StudyDirection.MAXIMIZE in directions[1:]:
        told = ", ".join(direction.name.lower() for direction in directions)
        raise ValueError(
            f"the study's objectives are {told}; expected one to evaluate and then the "
            f"{count} known costs, minimised"
        )
