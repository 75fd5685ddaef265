"""How many times as long as on one device a segment takes on another, learnt from the shared ones.

For segment k, seen on both, y[k] is the logarithm of its time on the new device over that on the
old one:

    y[k] = c + f[family, phase] + sum over its arguments of g[family, phase, argument = value]
             + s . x[k] + d[k] + error of the two entries

The factor common to all, one for each block family in a phase (attention may suit a device worse
than convolution), one for each value of an argument (so may a 5x5 kernel), slopes on the logarithms
of time and of arithmetic intensity (a device may start a node slowly, or lack bandwidth), and what
is left to the segment itself. All are random effects: normal around 0 with a variance for each
kind, so that a factor which few segments speak for stays close to that of all. The variances are
estimated with the effects by expectation maximisation (N. Laird, J. Ware, Random-Effects Models for
Longitudinal Data, 1982).

Letters: K segment keys, S those seen on both devices, P effects.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latency_lut.fit.timed_table import Floats, Ids
from latency_lut.roofline import touched_bytes
from search_spaces import SegmentCost

# All of these are our choice.
_PRIOR_SD = (3.0, 0.2, 0.1, 0.1)  # of the logarithm: common factor, families, arguments, slopes
_COMMON, _FAMILY, _ARGUMENT, _SLOPE = range(4)
_PRIOR_SCATTER = 0.1  # of a segment around what its effects say
_PRIOR_WEIGHT = 2.0  # each prior variance counts like so many effects or segments
_ROUNDS = 40  # of the estimation; the variances settle after twenty
_COVERAGE = 0.95
_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations


@dataclass(frozen=True, eq=False)
class Traits:
    """What effects a segment is subject to."""

    design: Floats
    """(K, P)"""
    kinds: Ids
    """(P,) common factor, family, argument or slope."""


@dataclass(frozen=True, eq=False)
class Ratios:
    """What is known of each segment's log ratio beside its own measurement on the new device."""

    mean: Floats
    """(K,)"""
    effect_variance: Floats
    """(K,) of that mean; it is shared with segments like it."""
    scatter_variance: float
    """Of a segment around it."""
    widening: float
    """By how much the standard deviations were too small where it could be checked; 1 at least."""


def family_of(key: str) -> str:
    """Block family and phase of a segment key, for example `stem@infer/fp32`."""
    head, _, phase = key.rpartition("@")
    return f"{head.partition('(')[0]}@{phase}"


def traits_of(keys: Sequence[str], costs: Mapping[str, SegmentCost], latency_ns: Floats) -> Traits:
    """The effects that a device may have on each of these segments.

    Args:
        keys: (K,)
        costs: of these keys.
        latency_ns: (K,) on the old device, above 0.
    """
    of_keys = [_named_effects(key) for key in keys]
    numbers = {name: n for n, name in enumerate(dict.fromkeys(e for es in of_keys for e in es))}
    design = np.zeros((len(keys), len(numbers)))
    for row, effects in zip(design, of_keys, strict=True):
        row[[numbers[name] for name in effects]] = 1.0
    intensity = [(costs[key].macs + 1) / (touched_bytes(costs[key]) + 1) for key in keys]
    slopes = [np.log(latency_ns), np.log(np.array(intensity))]
    kinds = [kind for _, kind in numbers] + [_SLOPE] * len(slopes)
    columns = np.column_stack([design, *(_standard(values) for values in slopes)])
    return Traits(columns, np.array(kinds, dtype=np.intp))


def fit_ratios(traits: Traits, shared: Ids, log_ratios: Floats, variances: Floats) -> Ratios:
    """Log ratios of all segments from those of the shared ones.

    Args:
        traits: of the K segments.
        shared: (S,) which of them were seen on both devices; none at all leaves everything open.
        log_ratios: (S,)
        variances: (S,) of their errors of measurement.
    """
    known = traits.design[shared]
    prior = np.square(_PRIOR_SD)
    scatter = _PRIOR_SCATTER**2
    spoken_for = np.abs(known).sum(axis=0) > 0  # (P,) effects that some shared segment has
    for _ in range(_ROUNDS):
        effects, covariance = _posterior(
            known, log_ratios, scatter + variances, prior[traits.kinds]
        )
        moments = effects**2 + np.diag(covariance)
        prior = _updated_priors(prior, moments[spoken_for], traits.kinds[spoken_for])
        scatter = _updated_scatter(scatter, known, log_ratios, variances, effects, covariance)
    noise = scatter + variances
    effects, covariance = _posterior(known, log_ratios, noise, prior[traits.kinds])
    return Ratios(
        mean=traits.design @ effects,
        effect_variance=_row_variances(traits.design, covariance),
        scatter_variance=scatter,
        widening=_widening(known, log_ratios - known @ effects, noise, covariance),
    )


def _named_effects(key: str) -> list[tuple[str, int]]:
    family = family_of(key)
    arguments = key.rpartition("@")[0].partition("(")[2].removesuffix(")")
    named = [(f"{family} {argument}", _ARGUMENT) for argument in arguments.split(",") if argument]
    return [("", _COMMON), (family, _FAMILY), *named]


def _standard(values: Floats) -> Floats:
    """Around 0 and of spread 1; all 0 where all are alike."""
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _posterior(
    known: Floats, log_ratios: Floats, noise: Floats, prior: Floats
) -> tuple[Floats, Floats]:
    """(P,) effects and (P, P) their covariance."""
    weighted = known / noise[:, None]
    precision = np.diag(1 / prior) + weighted.T @ known
    covariance = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    return covariance @ (weighted.T @ log_ratios), covariance


def _updated_priors(prior: Floats, moments: Floats, kinds: Ids) -> Floats:
    """The common factor keeps its own, so wide that nothing is presumed of it."""
    updated = prior.copy()
    for kind in (_FAMILY, _ARGUMENT, _SLOPE):
        found = moments[kinds == kind]
        first = _PRIOR_SD[kind] ** 2
        updated[kind] = (_PRIOR_WEIGHT * first + found.sum()) / (_PRIOR_WEIGHT + len(found))
    return updated


def _updated_scatter(
    scatter: float,
    known: Floats,
    log_ratios: Floats,
    variances: Floats,
    effects: Floats,
    covariance: Floats,
) -> float:
    """Mean square of what is the segment's own, given the rest; errors of measurement are not."""
    own = scatter / (scatter + variances)
    squares = (own * (log_ratios - known @ effects)) ** 2
    left = own * variances + own**2 * _row_variances(known, covariance)
    first = _PRIOR_WEIGHT * _PRIOR_SCATTER**2
    return float((first + (squares + left).sum()) / (_PRIOR_WEIGHT + len(log_ratios)))


def _row_variances(rows: Floats, covariance: Floats) -> Floats:
    """Variance of each row's sum of effects."""
    variances: Floats = ((rows @ covariance) * rows).sum(axis=1)
    return variances


def _widening(known: Floats, residuals: Floats, noise: Floats, covariance: Floats) -> float:
    """Left-out residuals in their own standard deviations: the 95 % point over what it should be.

    Each segment is predicted from all others at once, by the inverse of the covariance of y: with
    Q that inverse, the left-out residual is (Q y) / diag Q and its variance 1 / diag Q.
    """
    count = len(residuals)
    rank = math.ceil(_COVERAGE * (count + 1))
    if rank > count:
        return 1.0
    own = 1 / noise - _row_variances(known, covariance) / noise**2
    scores = np.sort(np.abs(residuals / noise) / np.sqrt(own))
    return max(float(scores[rank - 1]) / _SIGMAS, 1.0)
