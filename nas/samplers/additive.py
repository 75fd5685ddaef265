"""A fast model: what is known of a network, and the value of each of its choices, add up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.samplers.candidates import Codes, Floats
from nas.samplers.covariance import one_hot


@dataclass(frozen=True, eq=False)
class AdditiveModel:
    """Of networks with d known numbers and C choices."""

    slopes: Floats
    """(d,) by what is known."""
    of_values: list[Floats]
    """For each choice what its values add, that of being without effect first."""
    constant: float

    def predict(self, told: Floats, codes: Codes) -> Floats:
        """(n,) of (n, d) and (n, C)."""
        total: Floats = told @ self.slopes + self.constant
        for values, column in zip(self.of_values, codes.T, strict=True):
            total += values[column + 1]
        return total


def fit_additive(
    told: Floats, codes: Codes, sizes: Sequence[int], values: Floats, penalty: float
) -> AdditiveModel:
    """By ridge regression; the constant goes free.

    Args:
        told: (n, d) what is known, around 0 and of spread 1.
        codes: (n, C)
        sizes: (C,) how many values each choice has.
        values: (n,)
        penalty: times the sum of squares of all but the constant; above 0, as it decides between
            choices that always change together.
    """
    design = np.column_stack([told, one_hot(codes, sizes)])
    middle, constant = design.mean(axis=0), float(values.mean())
    centred = design - middle
    gram = centred.T @ centred + penalty * np.eye(design.shape[1])
    found = np.linalg.solve(gram, centred.T @ (values - constant))
    known = told.shape[1]
    ends = np.cumsum(np.array(sizes) + 1)[:-1]
    return AdditiveModel(
        slopes=found[:known],
        of_values=np.split(found[known:], ends),
        constant=constant - float(middle @ found),
    )
