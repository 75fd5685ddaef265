"""A LUT for a new device from another device's and a few carriers of its own.

Each segment of the old LUT is multiplied by what the carriers tell of the two devices
(`device_ratio`). A segment that the new device was seen to run has two estimates, its own with
variance u and the transferred one with variance v, both of the logarithm; they are combined by
precision,

    log e = (v log e_own + u log e_transferred) / (u + v),

so that the device's own measurements take over as they come in. A segment that it never ran has the
transferred one only and says so by its quality. Segments of a family that no carrier had in that
phase get no entry: of those the carriers say nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from latency_lut.fit.entry import Entry
from latency_lut.fit.lut import Lut
from latency_lut.fit.timed_table import Floats, Ids
from latency_lut.transfer.device_ratio import Ratios, family_of, fit_ratios, traits_of
from search_spaces import SegmentCost

TRANSFERRED = "transferred"
"""Quality of an entry whose segment the device itself never ran."""

_SIGMAS = 1.96  # half width of a 95 % interval in standard deviations
_LEAST_SD = 0.005  # of a logarithm, our choice: no entry is surer, however narrow its interval


def transfer(source: Lut, own: Lut) -> Lut:
    """The new device's LUT, what it lacks taken from the source's.

    Args:
        source: of another device profile, in the same precision.
        own: fitted from the new device's own networks; what was learnt of whole networks stays.

    Returns:
        `own` itself where the two have no segment in common.
    """
    assert source.precision == own.precision, (source.precision, own.precision)
    wanted = _transferable(source.entries, own.entries)
    if not wanted:
        return own
    costs = {**source.costs, **own.costs}
    estimates = _transferred(wanted, own.entries, costs)
    entries = dict(own.entries)
    for old, estimate in zip(wanted, estimates, strict=True):
        entries[old.key] = _entry(old, own.entries.get(old.key), estimate)
    # What each group says of keys that it shares is in the entries, and they are what is mixed.
    groups = {name: replace(group, own_ns={}) for name, group in own.groups.items()}
    return replace(own, entries=entries, costs=costs, groups=groups)


@dataclass(frozen=True)
class _Estimate:
    """Of the logarithm of a segment's nanoseconds on the new device, by transfer alone."""

    mean: float
    variance: float


def _transferable(old: Mapping[str, Entry], own: Mapping[str, Entry]) -> list[Entry]:
    """Old entries of families that the new device ran; one without a latency has no ratio."""
    shared = {key for key in old.keys() & own.keys() if old[key].latency_ns and own[key].latency_ns}
    families = {family_of(key) for key in shared}
    return [e for e in old.values() if e.latency_ns and family_of(e.key) in families]


def _transferred(
    wanted: Sequence[Entry], own: Mapping[str, Entry], costs: Mapping[str, SegmentCost]
) -> list[_Estimate]:
    """One for each of the old entries `wanted`."""
    old_log = np.log(np.array([float(entry.latency_ns) for entry in wanted]))
    old_variance = np.array([_error_variance(entry) for entry in wanted])
    ratios = _ratios(wanted, own, costs, old_log, old_variance)
    variance = ratios.widening**2 * (
        ratios.effect_variance + ratios.scatter_variance + old_variance
    )
    means = old_log + ratios.mean
    return [_Estimate(m, v) for m, v in zip(means.tolist(), variance.tolist(), strict=True)]


def _ratios(
    wanted: Sequence[Entry],
    own: Mapping[str, Entry],
    costs: Mapping[str, SegmentCost],
    old_log: Floats,
    old_variance: Floats,
) -> Ratios:
    keys = [entry.key for entry in wanted]
    shared: Ids = np.array(
        [i for i, key in enumerate(keys) if key in own and own[key].latency_ns], dtype=np.intp
    )
    seen = [own[keys[i]] for i in shared]
    own_log = np.log(np.array([float(entry.latency_ns) for entry in seen]))
    own_variance = np.array([_error_variance(entry) for entry in seen])
    traits = traits_of(keys, costs, np.exp(old_log))
    variances = own_variance + old_variance[shared]
    return fit_ratios(traits, shared, own_log - old_log[shared], variances)


def _entry(old: Entry, own: Entry | None, estimate: _Estimate) -> Entry:
    if own is None:
        sd = float(np.hypot(np.sqrt(estimate.variance), _context_sd(old)))
        empty = replace(old, carriers=0, quality=TRANSFERRED, samples_ns=(), set_aside=0)
        return _placed(empty, estimate.mean, sd)
    if not own.latency_ns:
        return own
    own_variance = _error_variance(own)
    share = estimate.variance / (estimate.variance + own_variance)  # of the own estimate
    mean = share * float(np.log(own.latency_ns)) + (1 - share) * estimate.mean
    return _placed(own, mean, float(np.hypot(np.sqrt(share * own_variance), _context_sd(own))))


def _placed(entry: Entry, log_mean: float, log_sd: float) -> Entry:
    """The entry with another estimate."""
    low, mid, high = np.exp(log_mean + _SIGMAS * log_sd * np.array([-1.0, 0.0, 1.0]))
    return replace(entry, latency_ns=round(mid), low_ns=round(low), high_ns=round(high))


def _log_sd(entry: Entry) -> float:
    """Of what the segment takes in one network, from the entry's interval."""
    return max(float(np.log(entry.high_ns / entry.latency_ns)) / _SIGMAS, _LEAST_SD)


def _error_variance(entry: Entry) -> float:
    """Of the estimate: an interval holds a new network's deviation and the error of n others."""
    return _log_sd(entry) ** 2 / (entry.carriers + 1)


def _context_sd(entry: Entry) -> float:
    """Of what differs from network to network, which more carriers do not lessen."""
    return _log_sd(entry) * float(np.sqrt(entry.carriers / (entry.carriers + 1)))
