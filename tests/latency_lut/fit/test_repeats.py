import pytest

from latency_lut.fit.repeats import RepeatError, repeat_error
from latency_lut.fit.timed_table import timed_table


def measured(*networks):
    """Networks as (architecture, ns), in the order of time."""
    rows = [(i, "k", float(ns), 1) for i, (_, ns) in enumerate(networks)]
    return timed_table([(name, "good", float(ns)) for name, ns in networks], rows)


def test_networks_that_were_measured_once_say_nothing_of_repeats():
    assert repeat_error(measured(("a", 100), ("b", 200))) is None


def test_the_first_measurement_is_compared_with_the_second():
    assert repeat_error(measured(("a", 110), ("b", 7), ("a", 100))) == RepeatError(
        pytest.approx(0.10), 1
    )


def test_a_third_measurement_changes_nothing():
    once = repeat_error(measured(("a", 110), ("a", 100)))
    assert repeat_error(measured(("a", 110), ("a", 100), ("a", 500))) == once


def test_the_median_over_networks_is_told():
    pairs = [("a", 101), ("b", 105), ("c", 190), ("a", 100), ("b", 100), ("c", 100)]
    found = repeat_error(measured(*pairs))
    assert found.median == pytest.approx(0.05)
    assert found.networks == 3
