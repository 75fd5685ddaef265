"""How well a LUT predicts the networks that it was made from, each left out in turn."""

import math
from dataclasses import dataclass

import numpy as np

from latency_lut.fit.additive_fit import LeftOut
from latency_lut.fit.timed_table import Floats

FEWEST_CHECKED = 5
"""Networks from which an error can be told; our choice, as all of these."""
_ERROR_UNCHECKED = 0.10  # relative, until so many networks could be checked
_LEAST_PART = 0.5  # of a network's time must be known from other networks
_COVERAGE = 0.95  # of networks never seen, by the interval
_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations


@dataclass(frozen=True)
class CommonError:
    """Relative error that the segments of a network share; the half width of a 95 % interval."""

    half_width: float
    networks: int
    """How many networks it was estimated from; 0: it is assumed."""


def check_itself(left_out: LeftOut, halves_ns: Floats, canary_spread: float) -> CommonError:
    """The error of the networks themselves, each predicted from the others (`common_error`).

    Networks of which the others know less than half are not checked; those that were flagged count
    only where fewer than five good ones can be.

    Args:
        left_out: the networks of a group.
        halves_ns: (K,) half widths of the entries' intervals.
        canary_spread: relative standard deviation.
    """
    checkable = (left_out.known >= _LEAST_PART) & (left_out.predicted_ns > 0)
    good = checkable & left_out.good
    kept = good if good.sum() >= FEWEST_CHECKED else checkable
    # Segments that stand in a network twice are off by the same there, but rarely many are.
    half_ns = np.sqrt(left_out.holds @ halves_ns**2)
    return common_error(
        left_out.latency_ns[kept], left_out.predicted_ns[kept], half_ns[kept], canary_spread
    )


def common_error(
    measured_ns: Floats, predicted_ns: Floats, half_ns: Floats, canary_spread: float
) -> CommonError:
    """The error of predicted networks beyond what their entries' own intervals explain.

    Of the absolute relative errors of m networks, q is the one of rank 0.95 (m + 1) from below,
    on the line between its neighbours (split conformal prediction: V. Vovk, A. Gammerman,
    G. Shafer, Algorithmic Learning in a Random World, 2005, which takes the next whole rank; with
    fewer than forty networks that is the largest of all, and covers more than it says). The errors
    of entries alone would make it h = sqrt(sum (half width)^2) / latency. The common error is
    sqrt(q^2 - h^2), h being the root mean square over networks, and at least 1.96 times the
    canary's spread.

    Args:
        measured_ns: (m,) assumed to be off by a tenth where m is below five.
        predicted_ns: (m,) without knowledge of the measurement.
        half_ns: (m,) half width of the prediction's interval by the entries alone.
        canary_spread: relative standard deviation.
    """
    floor = _SIGMAS * canary_spread
    if len(measured_ns) < FEWEST_CHECKED:
        return CommonError(max(_ERROR_UNCHECKED, floor), 0)
    errors = np.abs(measured_ns / predicted_ns - 1)
    largest = float(np.quantile(errors, _COVERAGE, method="weibull"))
    beyond = largest**2 - float(((half_ns / predicted_ns) ** 2).mean())
    return CommonError(max(math.sqrt(max(beyond, 0.0)), floor), len(errors))
