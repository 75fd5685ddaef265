"""What a network is expected to add to the front: hypervolume, its costs being known exactly.

All is minimised. The front says which error is the least that is had at costs no higher than z,
f(z); a network of costs c and error y gains the integral of max(0, f(z) - y) over all z >= c up to
the reference. With y normal, that is the integral of the expected improvement upon f(z)
(M. Emmerich, K. Giannakoglou, B. Naujoks, IEEE Transactions on Evolutionary Computation 10 (4),
2006), and as f takes few values, a sum over them. For a single cost the sum is exact; for several,
f is taken at points of a Sobol' sequence.

Letters: n networks, m costs, F of the front, Z points.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from optuna._hypervolume import compute_hypervolume
from scipy.special import ndtr
from scipy.stats import qmc

Floats = npt.NDArray[np.float64]

# Our choice. A power of two keeps the sequence balanced; for very many networks fewer must do.
_POINTS, _FEWEST_POINTS, _MOST_PAIRS = 512, 32, 2**22
_MOST_LEVELS = 64  # our choice: of errors on the front, more are joined


@dataclass(frozen=True, eq=False)
class Reference:
    """What is worse than this in anything gains nothing."""

    error: float
    costs: Floats
    """(m,)"""


class Front:
    """The errors and costs that were found so far."""

    def __init__(self, errors: Floats, costs: Floats, reference: Reference) -> None:
        """Of n networks, (n,) errors and (n, m) costs; those beyond the reference do not count."""
        self.reference = reference
        within = (errors < reference.error) & (costs < reference.costs).all(axis=1)
        self._errors, self._costs = errors[within], costs[within]
        if costs.shape[1] == 1:
            self._levels, self._edges = self._staircase()

    def expected_gain(self, mean: Floats, deviation: Floats, costs: Floats) -> Floats:
        """(n,) hypervolume that networks are expected to add, each for itself.

        Args:
            mean: (n,) of their errors.
            deviation: (n,)
            costs: (n, m)
        """
        if costs.shape[1] == 1:
            levels, widths = self._levels, self._widths(costs[:, 0])
        else:
            levels, widths = self._sampled(costs)
        gains = np.zeros(len(mean))
        for level, width in zip(levels, widths, strict=True):
            wide = np.flatnonzero(width > 0)
            gains[wide] += width[wide] * _improvement(level, mean[wide], deviation[wide])
        return gains

    def _staircase(self) -> tuple[Floats, Floats]:
        """(F + 1,) least errors from one cost to the next, (F + 2,) where each begins and ends."""
        order = np.lexsort((self._errors, self._costs[:, 0]))
        least = np.minimum.accumulate(np.concatenate([[self.reference.error], self._errors[order]]))
        falls = np.flatnonzero(np.diff(least) < 0)
        edges = [-np.inf, *self._costs[order[falls], 0], self.reference.costs[0]]
        return least[np.concatenate([[0], falls + 1])], np.array(edges)

    def _widths(self, costs: Floats) -> Floats:
        """(F + 1, n) how much of each step lies above each cost."""
        begin, end = self._edges[:-1, None], self._edges[1:, None]
        return np.maximum(end - np.maximum(begin, costs), 0.0)

    def _sampled(self, costs: Floats) -> tuple[Floats, Floats]:
        """Levels of f at points of the box of costs, and (levels, n) the volume of each above c."""
        top = self.reference.costs
        bottom = np.minimum(np.concatenate([costs, self._costs]).min(axis=0), top)
        count = _POINTS
        while count > _FEWEST_POINTS and count * len(costs) > _MOST_PAIRS:
            count //= 2
        unit = qmc.Sobol(costs.shape[1], seed=0).random(count)
        points = bottom + unit * (top - bottom)  # (Z, m)
        least = np.full(len(points), self.reference.error)
        for error, cost in zip(self._errors, self._costs, strict=True):
            had = (cost <= points).all(axis=1)
            least[had] = np.minimum(least[had], error)
        levels, level = _joined(least)
        above = np.ones((len(costs), len(points)), dtype=bool)
        for i in range(costs.shape[1]):
            above &= costs[:, i, None] <= points[:, i]
        share = float(np.prod(top - bottom)) / len(points)
        members = np.equal.outer(np.arange(len(levels)), level).astype(np.float32)
        return levels, share * (members @ above.T.astype(np.float32)).astype(np.float64)


def hypervolume(errors: Floats, costs: Floats, reference: Reference) -> float:
    """Of what is no worse than some of these networks, up to the reference.

    Args:
        errors: (n,)
        costs: (n, m)
        reference: of both.
    """
    points = np.column_stack([errors, costs])
    corner = np.array([reference.error, *reference.costs])
    return float(compute_hypervolume(points[(points < corner).all(axis=1)], corner))


def _joined(least: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Distinct levels, near ones joined, and the number of each point's."""
    levels, level = np.unique(least, return_inverse=True)
    if len(levels) > _MOST_LEVELS:
        edges = np.quantile(levels, np.linspace(0, 1, _MOST_LEVELS + 1)[1:-1])
        level = np.searchsorted(edges, levels)[level]
        sums = np.bincount(level, least, _MOST_LEVELS)
        levels = sums / np.maximum(np.bincount(level, minlength=_MOST_LEVELS), 1)
    return levels, level


def _improvement(level: float, mean: Floats, deviation: Floats) -> Floats:
    """(n,) expected max(0, level - y) for normal y."""
    distance = (level - mean) / deviation
    density = np.exp(-(distance**2) / 2) / np.sqrt(2 * np.pi)
    gained: Floats = (level - mean) * ndtr(distance) + deviation * density
    return gained
