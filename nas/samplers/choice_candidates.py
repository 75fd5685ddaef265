"""Plain choices with costs by a function: for an Optuna study of one's own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution

from nas.samplers.candidates import Candidates, Codes, Floats, Known

Columns = Mapping[str, npt.NDArray[Any]]
"""By name of the choice, its value in each of n networks."""
OfColumns = Callable[[Columns], npt.ArrayLike]


class ChoiceCandidates(Candidates):
    """Any values of some choices, each with an effect of its own.

    For choices that switch others off, write a class of `Candidates`: its `canonical` says which
    are without effect.
    """

    def __init__(
        self,
        choices: Mapping[str, Sequence[Any]],
        costs: OfColumns,
        *,
        features: OfColumns | None = None,
        violations: OfColumns | None = None,
    ) -> None:
        """Of choices and what is known of them; each function is asked for many networks at once.

        Args:
            choices: by name, the values that each may have.
            costs: (n, m) or (n,) the study's objectives but the first, minimised.
            features: (n, d) or (n,) numbers that may tell how good a network is.
            violations: (n,) by how much a budget is exceeded; 0 or less where it is not.
        """
        self._distributions = {name: CategoricalDistribution(v) for name, v in choices.items()}
        self._values = {name: _array(values) for name, values in choices.items()}
        self._costs, self._features, self._violations = costs, features, violations

    @property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """One for each choice."""
        return self._distributions

    def canonical(self, codes: Codes) -> Codes:
        """They are: every choice has an effect."""
        return np.maximum(codes, 0)

    def known(self, codes: Codes) -> Known:
        """What the functions say."""
        named = zip(self._values.items(), codes.T, strict=True)
        columns = {name: values[column] for (name, values), column in named}
        return Known(
            costs=_columns(self._costs(columns)),
            features=np.empty((len(codes), 0))
            if self._features is None
            else _columns(self._features(columns)),
            violations=np.zeros(len(codes))
            if self._violations is None
            else np.asarray(self._violations(columns), dtype=np.float64),
        )


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Numbers as numbers; whatever else stays what it is."""
    found = np.array(values)
    if found.dtype.kind in "biuf" and found.ndim == 1:
        return found
    objects = np.empty(len(values), dtype=object)
    objects[:] = list(values)
    return objects


def _columns(found: npt.ArrayLike) -> Floats:
    numbers = np.asarray(found, dtype=np.float64)
    return numbers[:, None] if numbers.ndim == 1 else numbers
