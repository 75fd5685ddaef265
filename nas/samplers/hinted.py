"""A space of which a few networks have scores that hint at how good they are.

Such scores take a tenth of a second each, and a sampler looks at a hundred thousand networks. So a
few are scored, and a linear model of what is known of networks and of their choices says the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution

from nas.samplers.additive import fit_additive
from nas.samplers.candidates import Candidates, Codes, Floats, Known

# All of these are our choice.
_RIDGE = 1.0
_FOLDS, _FEWEST = 5, 10
_LEAST_EXPLAINED = 0.5  # of a score's variance, in networks that its model has not seen


class HintedCandidates(Candidates):
    """Another one's networks with scores of theirs among the features.

    Attributes:
        explained: by name of the score, the share of its variance that its model explains in
            networks it has not seen; scores of less than a half are left out.
    """

    explained: Mapping[str, float]

    def __init__(
        self,
        candidates: Candidates,
        codes: Codes,
        scores: Mapping[str, Floats],
        *,
        promising: str | None = None,
    ) -> None:
        """Learns from networks that were scored.

        Args:
            candidates: the space.
            codes: (n, C) of the scored networks, canonical; of less than ten nothing is learnt.
            scores: by name, (n,) finite numbers.
            promising: name of the score of which more is better, if any; the first networks that
                are tried are chosen by it.

        Raises:
            ValueError: not a finite number for each network.
        """
        for name, values in scores.items():
            if len(values) != len(codes) or not np.isfinite(values).all():
                raise ValueError(f"score {name!r}: expected {len(codes)} finite numbers")
        self._candidates = candidates
        told = _told(candidates.known(codes))
        spread = told.std(axis=0)
        self._middle, self._spread = told.mean(axis=0), np.where(spread > 0, spread, 1.0)
        told, sizes = self._scaled(told), candidates.sizes
        found = {name: _explained(told, codes, sizes, values) for name, values in scores.items()}
        self.explained = MappingProxyType(found)
        self._models = {
            name: fit_additive(told, codes, sizes, scores[name], _RIDGE)
            for name, share in found.items()
            if share >= _LEAST_EXPLAINED
        }
        self._promising = promising

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """Those of the space."""
        return self._candidates.distributions

    @property
    def sizes(self) -> tuple[int, ...]:
        """Those of the space."""
        return self._candidates.sizes

    def canonical(self, codes: Codes) -> Codes:
        """As the space has it."""
        return self._candidates.canonical(codes)

    def everything(self) -> Codes | None:
        """All networks of the space, where they are few."""
        return self._candidates.everything()

    def encode(self, parameters: Mapping[str, Any]) -> Codes:
        """As the space does."""
        return self._candidates.encode(parameters)

    def decode(self, codes: Codes) -> dict[str, Any]:
        """As the space does."""
        return self._candidates.decode(codes)

    def known(self, codes: Codes) -> Known:
        """What the space knows, and what the scores are expected to be."""
        known = self._candidates.known(codes)
        if not self._models:
            return known
        told = self._scaled(_told(known))
        hints = {name: model.predict(told, codes) for name, model in self._models.items()}
        return replace(
            known,
            features=np.column_stack([known.features, *hints.values()]),
            promise=hints.get(self._promising) if self._promising is not None else None,
        )

    def _scaled(self, told: Floats) -> Floats:
        scaled: Floats = (told - self._middle) / self._spread
        return scaled


def _told(known: Known) -> Floats:
    """(n, m + d); costs that are not known, 0: a network may have scores without them."""
    told: Floats = np.column_stack([np.log1p(np.abs(known.costs)), known.features])
    return np.nan_to_num(told)


def _explained(told: Floats, codes: Codes, sizes: Sequence[int], values: Floats) -> float:
    """The share of the variance that models explain which have not seen the networks.

    Below 0 where they are worse than the mean.
    """
    if len(values) < _FEWEST:
        return 0.0
    fold = np.arange(len(values)) % _FOLDS
    missed = np.empty(len(values))
    for number in range(_FOLDS):
        seen, unseen = fold != number, fold == number
        model = fit_additive(told[seen], codes[seen], sizes, values[seen], _RIDGE)
        missed[unseen] = values[unseen] - model.predict(told[unseen], codes[unseen])
    variance = float(values.var())
    return 1 - float((missed**2).mean()) / variance if variance > 0 else 0.0
