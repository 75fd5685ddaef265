"""What a sum of segments cannot say: the whole-network part of a latency.

    T = a * sum of e[k] + f + g n + sum over caches of r[j] * max(0, B - C[j])

n is the number of nodes, B the bytes that the network touches in a run (`touched_bytes`, summed)
and C[j] the size of cache j as the device states it, or the share of it that neighbours leave. A
fixed cost f, a cost g a node and a cost r a byte beyond a cache can only make a network slower,
and more so the larger it is: all are at least 0, so that T never falls as a network grows.

They are fitted on the measured networks themselves, on T relative to the sum of entries at level 0
(`polish`), as an expectile below the middle: what disturbs a measurement only ever adds to it, and
a LUT holds what a network takes when nothing else runs. `a` is that undisturbed state and goes into
the entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from latency_lut.timed_table import Floats

# All of these are our choice; results/LOG.md compares.
FEWEST_NETWORKS = 20  # fewer say too little to tell these terms from noise
_EXPECTILE = 0.3
_FAR = 2.0  # times the usual residual: from here on one above counts less than half
_LEAST_RESIDUAL = 0.01  # relative; the agent stops measuring at one percent
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation
_ROUNDS = 30
_RIDGE = 0.01  # on the mean share of the time that a term has: decides between terms alike


@dataclass(frozen=True)
class CacheTerm:
    """Each byte that a network touches beyond `cache_bytes` costs `ns_per_byte` more."""

    cache_bytes: float
    ns_per_byte: float


@dataclass(frozen=True, kw_only=True)
class NetworkTerm:
    """What is to be added to a sum of entries; nothing, where it was fitted on no networks."""

    fixed_ns: float = 0.0
    node_ns: float = 0.0
    beyond: tuple[CacheTerm, ...] = ()
    networks: int = 0

    def added_ns(self, nodes: Floats, touched_bytes: Floats) -> Floats:
        """(n,) nanoseconds that networks take beyond the sum of their entries."""
        added = self.fixed_ns + self.node_ns * nodes
        for term in self.beyond:
            added = added + term.ns_per_byte * np.maximum(touched_bytes - term.cache_bytes, 0.0)
        return added


@dataclass(frozen=True)
class FittedTerm:
    """A term, and the factor `a` that brings entries at level 0 to the undisturbed state."""

    term: NetworkTerm
    entry_scale: float


def fit_term(
    latency_ns: Floats,
    sum_ns: Floats,
    nodes: Floats,
    touched_bytes: Floats,
    caches_bytes: Sequence[float],
) -> FittedTerm:
    """Of N networks; no term and no scale where they are fewer than twenty.

    Args:
        latency_ns: (N,) measured.
        sum_ns: (N,) sums of entries at level 0.
        nodes: (N,)
        touched_bytes: (N,)
        caches_bytes: sizes beyond which a byte may cost more; empty where they are not known.
    """
    if len(latency_ns) < FEWEST_NETWORKS:
        return FittedTerm(NetworkTerm(), 1.0)
    beyond = [np.maximum(touched_bytes - size, 0.0) for size in caches_bytes]
    features = np.stack([sum_ns, np.ones_like(sum_ns), nodes, *beyond], axis=1) / sum_ns[:, None]
    usual = features.mean(axis=0)
    usual[usual == 0] = 1.0  # a cache that no network outgrew: nothing is learnt of it
    shares = _expectile(features / usual, latency_ns / sum_ns)
    scale, fixed_ns, node_ns, *per_byte = (float(share) for share in shares / usual)
    terms = (CacheTerm(size, r) for size, r in zip(caches_bytes, per_byte, strict=True))
    term = NetworkTerm(
        fixed_ns=fixed_ns,
        node_ns=node_ns,
        beyond=tuple(t for t in terms if t.ns_per_byte > 0),
        networks=len(latency_ns),
    )
    return FittedTerm(term, scale)


def _expectile(features: Floats, values: Floats) -> Floats:
    """Coefficients, none below 0, of the linear expectile of `values` (asymmetric squares).

    Residuals above count ever less beyond twice the usual size of those below, which no
    disturbance makes: a few networks that were disturbed a lot say no more than many a little.
    """
    count = features.shape[1]
    ridge = np.diag(np.r_[0.0, np.full(count - 1, _RIDGE)])
    weights = np.ones_like(values)
    found = np.zeros(count)
    for turn in range(_ROUNDS):
        root = np.sqrt(weights / len(values))
        design = np.concatenate([features * root[:, None], ridge])
        found = nnls(design, np.concatenate([values * root, np.zeros(count)]))[0]
        residuals = values - features @ found
        below = np.abs(residuals[residuals <= 0])
        usual = max(_NORMAL_MAD * float(np.median(below)) if len(below) else 0.0, _LEAST_RESIDUAL)
        far = residuals / (_FAR * usual) if turn > _ROUNDS // 2 else 0.0 * residuals
        above = _EXPECTILE / (1 + far**2)
        weights = np.where(residuals > 0, above, 1 - _EXPECTILE)
    return found
