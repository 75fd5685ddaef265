"""How alike two networks are: by what is known of them, and by the choices themselves.

The covariance of networks with features u, v and codes a, b is

    s1 M(u, v) + s2 M(u, v) exp(-sum of w[i] over choices i in which they differ)
    + sum of l[i] over choices i in which they agree + s3 u.v / D

M being Matérn's with nu = 5/2 and a length for each feature (C. Rasmussen, C. Williams, Gaussian
Processes for Machine Learning, 2006, 4.2). The third term says that choices add up, the second that
some of them do not.

Letters: n, m networks, D features, C choices, V their values in all, P parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nas.samplers.candidates import Codes, Floats

# All of these are our choice: standard deviations of the logarithms of what the prior says.
_LENGTH_SD, _WEIGHT_SD, _SHARE_SD, _SCALE_SD = 1.0, 1.0, 1.5, 1.5
_USUAL_SHARE, _USUAL_LINEAR = 0.3, 0.1  # of the variance of all


@dataclass(frozen=True, eq=False)
class Points:
    """What a model sees of networks."""

    features: Floats
    """(n, D) around 0 and of spread 1, more or less."""
    codes: Codes
    """(n, C) index of each choice's value; -1 where without effect."""

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, kept: Sequence[int] | np.typing.NDArray[np.intp]) -> "Points":
        """These of them."""
        return Points(self.features[kept], self.codes[kept])


@dataclass(frozen=True, eq=False)
class Parameters:
    """Of the covariance; a vector of their logarithms holds them in this order."""

    lengths: Floats
    """(D,)"""
    weights: Floats
    """(C,) w"""
    shares: Floats
    """(C,) l"""
    smooth: float
    """s1"""
    joint: float
    """s2"""
    linear: float
    """s3"""

    @classmethod
    def of(cls, logarithms: Floats, features: int, choices: int) -> "Parameters":
        """From (P,) logarithms."""
        ends = [features, features + choices, features + 2 * choices]
        lengths, weights, shares, rest = np.split(np.exp(logarithms), ends)
        return cls(lengths, weights, shares, *rest.tolist())


def prior(features: int, importance: Floats) -> tuple[Floats, Floats]:
    """(P,) middle and deviation of each parameter's logarithm.

    Such that much data is needed before one choice is told from others of its importance.

    Args:
        features: D.
        importance: (C,) of the choices, above 0, 1 in all.
    """
    of_each = (
        (np.full(features, np.sqrt(max(features, 1))), _LENGTH_SD),
        (importance, _WEIGHT_SD),
        (_USUAL_SHARE * importance, _SHARE_SD),
        (np.full(2, _USUAL_SHARE), _SCALE_SD),
        (np.full(1, _USUAL_LINEAR), _SCALE_SD),
    )
    middle = np.concatenate([np.log(usual) for usual, _ in of_each])
    return middle, np.concatenate([np.full(len(usual), sd) for usual, sd in of_each])


class Pairs:
    """The covariance of some networks with others, and its gradient, in products of matrices."""

    def __init__(self, points: Points, others: Points, sizes: Sequence[int]) -> None:
        """Of m and n networks of a space whose choices have so many values."""
        self.points, self._others = points, others
        self._columns = np.array(sizes, dtype=np.intp) + 1
        self._ours, self._theirs = one_hot(points.codes, sizes), one_hot(others.codes, sizes)
        self._linear = points.features @ others.features.T / _width(points)

    def covariance(self, parameters: Parameters) -> Floats:
        """(m, n) of each with each."""
        self._parameters = parameters
        ours, theirs = (p.features / parameters.lengths for p in (self.points, self._others))
        self._matern, self._steepness = _matern(ours, theirs)
        self._alike = np.exp(self._agreed(parameters.weights) - parameters.weights.sum())
        by_features = parameters.smooth + parameters.joint * self._alike
        by_choices = self._agreed(parameters.shares) + parameters.linear * self._linear
        covariance: Floats = self._matern * by_features + by_choices
        return covariance

    def gradient(self, slope: Floats) -> Floats:
        """(P,) by each logarithm at the last parameters; of networks with themselves only.

        Args:
            slope: (n, n) symmetric, of something by the covariance.
        """
        parameters = self._parameters
        scaled = self.points.features / parameters.lengths
        joint = parameters.joint * self._alike
        # Of a length: slope times steepness times squared differences, summed over pairs.
        steep = slope * (parameters.smooth + joint) * self._steepness
        lengths = 2 * (steep.sum(axis=1) @ scaled**2 - (scaled * (steep @ scaled)).sum(axis=0))
        joint = slope * joint * self._matern
        scales = [
            parameters.smooth * (slope * self._matern).sum(),
            joint.sum(),
            parameters.linear * (slope * self._linear).sum(),
        ]
        weights = -parameters.weights * (joint.sum() - self._agreeing(joint))
        shares = parameters.shares * self._agreeing(slope)
        return np.concatenate([lengths, weights, shares, scales])

    def _agreed(self, by_choice: Floats) -> Floats:
        """(m, n) sums over the choices in which two agree."""
        of_values = np.repeat(by_choice, self._columns)
        agreed: Floats = (self._ours * of_values) @ self._theirs.T
        return agreed

    def _agreeing(self, matrix: Floats) -> Floats:
        """(C,) sums over the pairs that agree in each choice."""
        by_value = (self._ours * (matrix @ self._theirs)).sum(axis=0)
        starts = np.cumsum(self._columns) - self._columns
        return np.asarray(np.add.reduceat(by_value, starts), dtype=np.float64)


def variance(points: Points, parameters: Parameters) -> Floats:
    """(n,) of each network."""
    linear = parameters.linear * (points.features**2).sum(axis=1) / _width(points)
    found: Floats = parameters.smooth + parameters.joint + parameters.shares.sum() + linear
    return found


def one_hot(codes: Codes, sizes: Sequence[int]) -> Floats:
    """(n, V) 1 where a choice has a value; of each choice the first column is for no effect."""
    columns = np.array(sizes, dtype=np.intp) + 1
    found = np.zeros((len(codes), int(columns.sum())))
    places = codes.astype(np.intp) + 1 + np.cumsum(columns) - columns
    found[np.arange(len(codes))[:, None], places] = 1.0
    return found


def _width(points: Points) -> int:
    return max(int(points.features.shape[1]), 1)


def _matern(scaled: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Matérn's covariance, and its slope by squared differences over the lengths, times -2."""
    squares = (scaled**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * scaled @ others.T
    distance = np.sqrt(5 * np.maximum(squares, 0.0))
    decay = np.exp(-distance)
    return (1 + distance + distance**2 / 3) * decay, 5 / 3 * (1 + distance) * decay
