"""How alike two networks are: by what is known of them, and by the choices themselves.

The covariance of networks with features u, v and codes a, b is

    s1 M(u, v) + s2 M(u, v) exp(-sum of w[i] over choices i in which they differ)
    + A(a, b) + s3 u.v / D + s4 A(a, b)^2
    A(a, b) = sum of l[i] over choices i in which they agree
              + sum of l[f] p_f(a).p_f(b) over families f of choices

M being Matérn's with nu = 5/2 and a length for each feature (C. Rasmussen, C. Williams, Gaussian
Processes for Machine Learning, 2006, 4.2), p_f(a) the share that each value has among the choices
of a family (`Candidates.families`) that have an effect. A says that choices add up; the second term
that some of them do not; the last, which is there where families are, that what a kind of layer is
worth may depend on the width.

Letters: n, m networks, D features, C choices, V their values in all, F families, W their values in
all, P parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nas.samplers.candidates import Codes, Floats

# All of these are our choice: standard deviations of the logarithms of what the prior says.
_LENGTH_SD, _WEIGHT_SD, _SHARE_SD, _SCALE_SD = 1.0, 1.0, 1.5, 1.5
_USUAL_SHARE, _USUAL_LINEAR = 0.3, 0.1  # of the variance of all
_OF_FAMILY = 0.5  # of what is expected of the choices of a family, what they have in common
_USUAL_PRODUCTS = 3.0  # s4: as much variance as A has where that is a third


@dataclass(frozen=True, eq=False)
class Points:
    """What a model sees of networks."""

    features: Floats
    """(n, D) around 0 and of spread 1, more or less."""
    codes: Codes
    """(n, C) index of each choice's value; -1 where without effect."""

    def __len__(self) -> int:
        return len(self.features)

    def rows(self, kept: slice | npt.NDArray[np.intp]) -> "Points":
        """These of them."""
        return Points(self.features[kept], self.codes[kept])


@dataclass(frozen=True, eq=False)
class Choices:
    """What a model knows of a space's choices before any network is evaluated."""

    sizes: tuple[int, ...]
    """(C,) how many values each has."""
    importance: Floats
    """(C,) above 0, 1 in all."""
    families: tuple[tuple[int, ...], ...] = ()
    """(F,) numbers of the choices of each."""

    def columns(self) -> npt.NDArray[np.intp]:
        """(C + F,) how many columns of `values` each choice has, and then each family."""
        of_families = [self.sizes[family[0]] for family in self.families]
        return np.array([*self.sizes, *of_families], dtype=np.intp) + 1

    def values(self, codes: Codes) -> Floats:
        """(n, V + W) 1 where a choice has a value, and the share of each value in each family."""
        found = [one_hot(codes, self.sizes)]
        of_choices = np.split(found[0], np.cumsum(np.array(self.sizes) + 1)[:-1], axis=1)
        for family in self.families:
            counts = of_choices[family[0]].copy()
            for number in family[1:]:
                counts += of_choices[number]
            counts[:, 0] = 0.0  # of those without effect
            found.append(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))
        return np.concatenate(found, axis=1)


@dataclass(frozen=True, eq=False)
class Parameters:
    """Of the covariance; a vector of their logarithms holds them in this order."""

    lengths: Floats
    """(D,)"""
    weights: Floats
    """(C,) w"""
    shares: Floats
    """(C + F,) l"""
    smooth: float
    """s1"""
    joint: float
    """s2"""
    linear: float
    """s3"""
    products: float = 0.0
    """s4; no parameter where there are no families"""

    @classmethod
    def of(cls, logarithms: Floats, features: int, choices: Choices) -> "Parameters":
        """From (P,) logarithms."""
        of_choices, of_families = len(choices.sizes), len(choices.families)
        ends = np.cumsum([features, of_choices, of_choices + of_families])
        lengths, weights, shares, rest = np.split(np.exp(logarithms), ends)
        return cls(lengths, weights, shares, *rest.tolist())


def prior(features: int, choices: Choices) -> tuple[Floats, Floats]:
    """(P,) middle and deviation of each parameter's logarithm.

    Such that much data is needed before one choice is told from others of its importance.

    Args:
        features: D.
        choices: of the space.
    """
    shares, of_families = choices.importance.copy(), []
    for family in map(list, choices.families):
        of_families.append(_OF_FAMILY * shares[family].sum())
        shares[family] *= 1 - _OF_FAMILY
    of_each = (
        (np.full(features, np.sqrt(max(features, 1))), _LENGTH_SD),
        (choices.importance, _WEIGHT_SD),
        (_USUAL_SHARE * np.array([*shares, *of_families]), _SHARE_SD),
        (np.full(2, _USUAL_SHARE), _SCALE_SD),
        (np.full(1, _USUAL_LINEAR), _SCALE_SD),
        (np.full(min(len(choices.families), 1), _USUAL_PRODUCTS), _SCALE_SD),
    )
    middle = np.concatenate([np.log(usual) for usual, _ in of_each])
    return middle, np.concatenate([np.full(len(usual), sd) for usual, sd in of_each])


class Pairs:
    """The covariance of some networks with others, and its gradient, in products of matrices."""

    def __init__(self, points: Points, others: Points, choices: Choices) -> None:
        """Of m and n networks of a space with these choices."""
        self.points, self._others, self._choices = points, others, choices
        self._columns = choices.columns()
        self._ours, self._theirs = choices.values(points.codes), choices.values(others.codes)
        self._linear = points.features @ others.features.T / _width(points)

    def covariance(self, parameters: Parameters) -> Floats:
        """(m, n) of each with each."""
        self._parameters = parameters
        ours, theirs = (p.features / parameters.lengths for p in (self.points, self._others))
        self._matern, self._distance, self._decay = _matern(ours, theirs)
        self._alike = self._agreed(parameters.weights)
        self._alike -= parameters.weights.sum()
        np.exp(self._alike, out=self._alike)
        self._added = self._agreed(parameters.shares)
        by_features = parameters.smooth + parameters.joint * self._alike
        by_features *= self._matern
        by_choices = self._added + parameters.linear * self._linear
        if parameters.products:
            by_choices += parameters.products * self._added**2
        by_features += by_choices
        return by_features

    def variance(self, parameters: Parameters) -> Floats:
        """(m,) of each with itself."""
        added = self._ours**2 @ np.repeat(parameters.shares, self._columns)
        linear = (self.points.features**2).sum(axis=1) / _width(self.points)
        found: Floats = parameters.smooth + parameters.joint + parameters.linear * linear
        return found + added + parameters.products * added**2

    def gradient(self, slope: Floats) -> Floats:
        """(P,) by each logarithm at the last parameters; of networks with themselves only.

        Args:
            slope: (n, n) symmetric, of something by the covariance.
        """
        parameters = self._parameters
        scaled = self.points.features / parameters.lengths
        joint = parameters.joint * self._alike
        # Of a length: slope times steepness times squared differences, summed over pairs.
        steepness = 5 / 3 * (1 + self._distance) * self._decay
        steep = slope * (parameters.smooth + joint) * steepness
        lengths = 2 * (steep.sum(axis=1) @ scaled**2 - (scaled * (steep @ scaled)).sum(axis=0))
        joint = slope * joint * self._matern
        scales = [
            parameters.smooth * (slope * self._matern).sum(),
            joint.sum(),
            parameters.linear * (slope * self._linear).sum(),
        ]
        if self._choices.families:
            scales.append(parameters.products * (slope * self._added**2).sum())
        of_choices = len(parameters.weights)
        weights = -parameters.weights * (joint.sum() - self._agreeing(joint)[:of_choices])
        added = slope * (1 + 2 * parameters.products * self._added)
        shares = parameters.shares * self._agreeing(added)
        return np.concatenate([lengths, weights, shares, scales])

    def _agreed(self, of_each: Floats) -> Floats:
        """(m, n) sums over the choices in which two agree, and over families if they are told."""
        by_value = np.repeat(of_each, self._columns[: len(of_each)])
        told = len(by_value)
        agreed: Floats = (self._ours[:, :told] * by_value) @ self._theirs[:, :told].T
        return agreed

    def _agreeing(self, matrix: Floats) -> Floats:
        """(C + F,) sums over the pairs that agree in each choice, and in each family."""
        by_value = (self._ours * (matrix @ self._theirs)).sum(axis=0)
        starts = np.cumsum(self._columns) - self._columns
        return np.asarray(np.add.reduceat(by_value, starts), dtype=np.float64)


def one_hot(codes: Codes, sizes: Sequence[int]) -> Floats:
    """(n, V) 1 where a choice has a value; of each choice the first column is for no effect."""
    columns = np.array(sizes, dtype=np.intp) + 1
    found = np.zeros((len(codes), int(columns.sum())))
    places = codes.astype(np.intp) + 1 + np.cumsum(columns) - columns
    found[np.arange(len(codes))[:, None], places] = 1.0
    return found


def _width(points: Points) -> int:
    return max(int(points.features.shape[1]), 1)


def _matern(scaled: Floats, others: Floats) -> tuple[Floats, Floats, Floats]:
    """Matérn's covariance, the distances in it times the root of 5, and how far they decay."""
    squares = (scaled**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)
    squares -= (2 * scaled) @ others.T
    np.maximum(squares, 0.0, out=squares)
    squares *= 5
    distance = np.sqrt(squares, out=squares)
    decay = np.exp(-distance)
    matern = 1 + distance
    matern += distance**2 / 3
    matern *= decay
    return matern, distance, decay
