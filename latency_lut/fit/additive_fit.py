"""Segments and whole-network terms in one estimate, from networks timed whole and node by node.

A network of segments k takes

    T = sum of e[k] + f + sum over caches j of r[j] max(0, B - C[j]) + q B max(0, 1 - C / W),
    e[k] = (A x[k] + c m[k]) (1 + d[k]).

x[k] is what is known of the segment, in m[k] pieces (`description`), B the bytes that the network
touches, W those that it keeps from run to run. The profiler slows a network down, long nodes by a
factor and each node by some time more, and does not see what the runtime spends between nodes; a
block alone pays for a run of its own. A and c undo both, so that c may have either sign. f, the
cost of a run, r, that of a byte beyond a cache, and q, that of one which other runs displace, are
never negative. All are found in two steps, as a few numbers for all networks are known well and
one for each segment is not:

1. A, c, f, r and q, with d = 0 (`fit_line`);
2. d by ridge regression of what is left of T, each d taken to be normal with deviation tau, the
   networks' own noise being 3 %.

The description and tau, one of a few values, are those which predict networks best that were left
out; these errors also calibrate the intervals (`self_check`).

Letters: N networks, each counted once, K segment keys, R rows of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency_lut.fit.description import Description, descriptions
from latency_lut.fit.network_line import Line, Segments, asymmetric_weights, fit_line
from latency_lut.fit.network_term import NetworkTerm, Traffic
from latency_lut.fit.networks import Networks, networks_of
from latency_lut.fit.timed_table import Bools, Floats, TimedTable

# All of these are our choice.
_TAUS = (0.02, 0.05, 0.1, 0.2)  # with more, carriers predict each other, not random networks
_NOISE = 0.03  # relative, of a network's time; only its ratio to tau matters
_LEAST_SHARE = 0.1  # of A x[k], or of what the line says: no segment takes less
_LEAST_FREEDOM = 1e-6  # one less a network's leverage, where the closed form divides by nothing
_MOST_OF_LINE = 0.5  # that one network of very few says of the line
_ROUNDS = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class LeftOut:
    """Networks, each predicted from the others."""

    latency_ns: Floats
    """(N,) measured."""
    predicted_ns: Floats
    """(N,)"""
    known: Floats
    """(N,) share of the time whose segments other networks have, in [0, 1]."""
    good: Bools
    """(N,) False where every measurement was flagged."""
    holds: Floats
    """(N, K) how often each network has each segment."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AdditiveFit:
    """What was found of the networks of one group."""

    told_by: str
    """`profile` or `alone`: the description that it is built on."""
    term: NetworkTerm
    entry_ns: Floats
    """(K,)"""
    share_ns: Floats
    """(R,) of each timed network what each segment took, divided by what is known of them."""
    left_out: LeftOut


def fit_additive(table: TimedTable, traffic: Traffic, caches: Sequence[float]) -> AdditiveFit:
    """The estimate of the module's formula.

    Args:
        table: of measured networks.
        traffic: (K,) of each segment.
        caches: sizes beyond which a byte may cost more, rising; empty where they are not known.
    """
    networks = networks_of(table)
    fits = (_fit(networks, of, traffic, caches) for of in descriptions(table))
    best = min(fits, key=lambda fit: fit.deviations.error)
    entry_ns, deviations = best.entry_ns, best.deviations
    return AdditiveFit(
        told_by=best.description.source,
        term=best.line.term,
        entry_ns=entry_ns * np.maximum(1 + deviations.of_key, _LEAST_SHARE),
        share_ns=_shares(table, best, traffic),
        left_out=LeftOut(
            latency_ns=networks.latency_ns,
            predicted_ns=deviations.left_out_ns,
            known=networks.known_share(entry_ns),
            good=networks.good,
            holds=networks.holds,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Fit:
    """By one description; (K,) segments with d = 0, and their d."""

    description: Description
    line: Line
    entry_ns: Floats
    deviations: "_Deviations"


def _fit(
    networks: Networks, description: Description, traffic: Traffic, caches: Sequence[float]
) -> _Fit:
    known_ns, pieces = description.known_ns, description.pieces
    segments = Segments(known_ns=known_ns, pieces=pieces, traffic=traffic)
    line = fit_line(networks, segments, caches)
    entry_ns = _segments_ns(line, known_ns, pieces)
    added_ns = line.term.added_ns(networks.traffic(traffic))
    deviations = min(
        (_deviations(networks, entry_ns, added_ns, line.numbers, tau) for tau in _TAUS),
        key=lambda found: found.error,
    )
    return _Fit(description, line, entry_ns, deviations)


@dataclass(frozen=True, eq=False)
class _Deviations:
    """(K,) d of each segment, (N,) networks as predicted without them, and how far that is off."""

    of_key: Floats
    left_out_ns: Floats
    error: float


def _deviations(
    networks: Networks, entry_ns: Floats, added_ns: Floats, numbers: int, tau: float
) -> _Deviations:
    """By ridge regression; leaving out one network has a closed form (its leverage).

    The line was fitted with the network among the others: the residual is divided by what each
    network leaves to the others, on average, of so many numbers.
    """
    measured = networks.latency_ns
    design = networks.holds * (entry_ns * tau)  # (N, K), in units of tau
    rest = measured - networks.holds @ entry_ns - added_ns
    weights = np.ones_like(measured)
    for _ in range(_ROUNDS):
        scaled = weights * networks.weights / (_NOISE * measured) ** 2
        # (N, N) is the smaller system: there are fewer networks than segments.
        gram = design @ design.T
        smoother = gram @ np.linalg.inv(gram + np.diag(1 / scaled))
        fitted = smoother @ rest
        weights = 2 * asymmetric_weights((rest - fitted) / measured)
    own = np.maximum(1 - np.diag(smoother), _LEAST_FREEDOM) * (
        1 - min(numbers / len(measured), _MOST_OF_LINE)
    )
    left_out = measured - (rest - fitted) / own
    found = design.T @ np.linalg.solve(gram + np.diag(1 / scaled), rest)
    errors = np.abs(left_out / measured - 1)
    kept = networks.good if networks.good.any() else np.ones_like(networks.good)
    return _Deviations(tau * found, left_out, float(errors[kept].mean()))


def _segments_ns(line: Line, known_ns: Floats, pieces: Floats) -> Floats:
    """Nanoseconds of segments by what is known of them, with d = 0."""
    stretched = line.stretch * known_ns
    return np.maximum(stretched + line.piece_ns * pieces, _LEAST_SHARE * stretched)


def _shares(table: TimedTable, fit: _Fit, traffic: Traffic) -> Floats:
    """(R,) each timed network's time, less the terms of the whole network, shared out."""
    own_ns = _segments_ns(fit.line, fit.description.row_ns, fit.description.row_pieces)
    if not own_ns.any():  # the line says that all is the network's own: the profile divides it
        own_ns = np.maximum(table.node_ns, 1.0)
    sums = (table.by_network(of_key[table.key]) for of_key in (traffic.touched, traffic.kept))
    added_ns = fit.line.term.added_ns(Traffic(*sums))
    left_ns = np.maximum(table.latency_ns - added_ns, _LEAST_SHARE * table.latency_ns)
    return own_ns * (left_ns / table.by_network(own_ns))[table.network]
