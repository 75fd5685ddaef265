import numpy as np
import pytest

from latency_lut.transfer.device_ratio import family_of, fit_ratios, traits_of
from tests.latency_lut.two_devices import KEYS, costs, new_times, old_times, unrelated_times

SURE = 0.005**2


def fit(times, shared, *, keys=KEYS):
    shared = np.asarray(shared, dtype=np.intp)
    traits = traits_of(keys, costs(), old_times())
    ratios = np.log(times / old_times())[shared]
    return fit_ratios(traits, shared, ratios, np.full(len(shared), SURE))


def test_a_family_is_that_of_one_phase_and_precision():
    assert family_of("stem(side=20,stride=1)@infer/fp32") == "stem@infer/fp32"
    assert family_of("clock@decode(new=1,seen=255)/int8") == "clock@decode(new=1,seen=255)/int8"


def test_factors_of_families_and_arguments_are_found_from_a_few_segments():
    every_fourth = np.arange(0, len(KEYS), 4)
    found = fit(new_times(), every_fourth)
    rest = np.setdiff1d(np.arange(len(KEYS)), every_fourth)
    np.testing.assert_allclose(
        np.exp(found.mean[rest]), (new_times() / old_times())[rest], rtol=0.08
    )


def test_a_device_slower_at_all_by_one_factor_needs_one_segment():
    found = fit(2.5 * old_times(), [7])
    np.testing.assert_allclose(np.exp(found.mean), 2.5, rtol=0.05)


def test_what_is_the_segments_own_is_told_as_scatter():
    found = fit(new_times(scatter=0.15), np.arange(0, len(KEYS), 2))
    assert found.scatter_variance**0.5 == pytest.approx(0.15, rel=0.35)
    assert fit(new_times(), np.arange(0, len(KEYS), 2)).scatter_variance ** 0.5 < 0.05


def test_the_errors_of_segments_not_seen_are_as_large_as_said():
    seen = np.arange(0, len(KEYS), 3)
    unseen = np.setdiff1d(np.arange(len(KEYS)), seen)
    for times in (new_times(scatter=0.15), unrelated_times()):
        found = fit(times, seen)
        sd = found.widening * np.sqrt(found.effect_variance + found.scatter_variance)
        errors = np.abs(np.log(times / old_times()) - found.mean)[unseen]
        assert 0.85 <= (errors <= 1.96 * sd[unseen]).mean() <= 1.0


def test_with_no_segment_shared_nothing_is_said_and_everything_is_open():
    found = fit(new_times(), [])
    np.testing.assert_array_equal(found.mean, 0.0)
    assert found.effect_variance.min() > 1.0


def test_a_family_that_nobody_speaks_for_is_more_open_than_one_that_was_seen():
    mixers = [i for i, key in enumerate(KEYS) if "mixer" in key]
    found = fit(new_times(), mixers)
    assert found.effect_variance[len(mixers) :].min() > found.effect_variance[: len(mixers)].max()


def test_a_slope_on_the_time_is_found():
    """A device that starts each segment slowly: small ones are dearer by more."""
    times = 2.0 * (old_times() / 1e5) ** -0.4 * old_times()
    found = fit(times, np.arange(0, len(KEYS), 3))
    np.testing.assert_allclose(found.mean, np.log(times / old_times()), atol=0.06)
