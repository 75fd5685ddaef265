"""The line that networks lie on: their time by what is known of their segments and what they touch.

    T = A X + c M + f + sum over caches j of r[j] max(0, B - C[j]) + q B max(0, 1 - C / W)

with X the sum of what is known of a network's segments, in M pieces (`description`), B the bytes
that it touches and W those that it keeps. It is fitted on T relative to what was measured, as an
expectile below the middle: what disturbs a measurement only ever adds to it, and a LUT holds what
a network takes when nothing else runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from latency_lut.fit.network_term import CacheTerm, NetworkTerm, Traffic
from latency_lut.fit.networks import Networks
from latency_lut.fit.timed_table import Floats

# All of these are our choice; results/LOG.md compares.
FEWEST_NETWORKS = 20  # fewer say too little to tell the terms from noise: A alone is fitted
_EXPECTILE = 0.3
_FAR = 2.0  # times the usual residual: from here on one above counts less than half
_LEAST_RESIDUAL = 0.01  # relative; the agent stops measuring at one percent
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation
_ROUNDS = 40
_NOTHING = 1e-6  # of a network's time: what the solver leaves of a term that is none
_RIDGE = 0.03  # on the mean share of the time that a term has: decides between terms alike


@dataclass(frozen=True)
class Line:
    """A and c of the module's formula, and the rest of it."""

    stretch: float
    piece_ns: float
    term: NetworkTerm

    @property
    def numbers(self) -> int:
        """How many numbers were fitted, those that came out as 0 left out."""
        caches = (*self.term.beyond, self.term.reloaded)
        found = (self.stretch, self.piece_ns, self.term.fixed_ns, *caches)
        return sum(1 for number in found if number)


@dataclass(frozen=True, kw_only=True, eq=False)
class Segments:
    """(K,) each, of segment keys."""

    known_ns: Floats
    """What is known of their time."""
    pieces: Floats
    """Of how many pieces."""
    traffic: Traffic


def fit_line(networks: Networks, segments: Segments, caches: Sequence[float]) -> Line:
    """The line of the module's formula.

    Args:
        networks: as measured.
        segments: of which they are made.
        caches: sizes beyond which a byte may cost more, rising; empty where they are not known.
    """
    count, traffic = len(networks.latency_ns), networks.traffic(segments.traffic)
    columns = [networks.holds @ segments.known_ns]
    if count >= FEWEST_NETWORKS:
        beyond = [traffic.beyond(size) for size in caches[:-1]]
        reloaded = [traffic.reloaded(size) for size in caches[-1:]]
        columns += [networks.holds @ segments.pieces, np.ones(count), *beyond, *reloaded]
    features = np.stack(columns, axis=1) / networks.latency_ns[:, None]
    usual = features.mean(axis=0)
    usual[usual == 0] = 1.0  # a cache that no network outgrew: nothing is learnt of it
    shares = _expectile(features / usual, networks.weights)
    shares[np.abs(shares) < _NOTHING] = 0.0
    stretch, *others = (shares / usual).tolist()
    if not others:
        return Line(stretch, 0.0, NetworkTerm())
    of_piece, fixed_ns, *per_byte = others
    terms = [CacheTerm(*pair) for pair in zip(caches, per_byte, strict=True)]
    term = NetworkTerm(
        fixed_ns,
        beyond=tuple(found for found in terms[:-1] if found.ns_per_byte > 0),
        reloaded=next((found for found in terms[-1:] if found.ns_per_byte > 0), None),
        networks=count,
    )
    return Line(stretch, of_piece, term)


def asymmetric_weights(residuals: Floats) -> Floats:
    """(N,) for an expectile by least squares: what lies above counts less than what lies below.

    What lies far above counts ever less, beyond twice the usual size of the residuals below, which
    no disturbance makes: a few networks that were disturbed a lot say no more than many a little.

    Args:
        residuals: (N,) relative.
    """
    below = np.abs(residuals[residuals <= 0])
    usual = max(_NORMAL_MAD * float(np.median(below)) if len(below) else 0.0, _LEAST_RESIDUAL)
    above = _EXPECTILE / (1 + (residuals / (_FAR * usual)) ** 2)
    return np.where(residuals > 0, above, 1 - _EXPECTILE)


def _expectile(features: Floats, weights: Floats) -> Floats:
    """Coefficients of the linear expectile of 1; none but the second may be negative."""
    count = features.shape[1]
    penalty = np.diag(np.r_[0.0, np.full(count - 1, _RIDGE)])
    lowest = np.zeros(count)
    lowest[1:2] = -np.inf  # c, where it is fitted
    share = weights / weights.sum()
    counted, found = share, np.zeros(count)
    for _ in range(_ROUNDS):
        root = np.sqrt(counted)
        design = np.concatenate([features * root[:, None], penalty])
        wanted = np.concatenate([root, np.zeros(count)])
        found = lsq_linear(design, wanted, bounds=(lowest, np.full(count, np.inf)), method="bvls").x
        counted = share * asymmetric_weights(1 - features @ found)
    return found
