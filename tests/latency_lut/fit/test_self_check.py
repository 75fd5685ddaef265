from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from latency_lut.fit.additive_fit import LeftOut
from latency_lut.fit.self_check import CommonError, check_itself, common_error

SEGMENTS = 10


def left_out(factors, *, known=1.0, flagged=0):
    """Networks of ten segments of 100 us each, slower than predicted by a factor."""
    count = len(factors)
    return LeftOut(
        latency_ns=1e6 * np.array(factors),
        predicted_ns=np.full(count, 1e6),
        known=np.full(count, known),
        good=np.arange(count) >= flagged,
        holds=np.ones((count, SEGMENTS)),
    )


def check(networks, *, half_ns=0.0, canary_spread=0.0):
    return check_itself(networks, np.full(SEGMENTS, half_ns), canary_spread)


def test_networks_that_are_slower_as_a_whole_show_as_a_common_error():
    factors = [NormalDist(1.0, 0.05).inv_cdf((i + 0.5) / 100) for i in range(100)]
    found = check(left_out(factors))
    assert found == CommonError(pytest.approx(0.098, rel=0.05), 100)


@pytest.mark.parametrize(
    ("count", "rank"), [(5, 5), (19, 19), (20, 19.95), (39, 38), (40, 38.95), (99, 95)]
)
def test_the_error_is_one_that_no_more_than_one_in_twenty_exceeds(count, rank):
    """One in twenty of one network more than there are: the one to be predicted next."""
    errors = np.random.default_rng(0).permutation(np.arange(1, count + 1) / 1000)
    signs = np.where(np.arange(count) % 2, 1.0, -1.0)
    predicted = np.full(count, 1e6)
    found = common_error(predicted * (1 + signs * errors), predicted, np.zeros(count), 0.0)
    assert found == CommonError(pytest.approx(rank / 1000), count)


def test_what_the_entries_explain_of_an_error_is_taken_out_in_quadrature():
    networks = left_out([1.05] * 40)
    half_ns = 0.03e6 / SEGMENTS**0.5
    assert check(networks, half_ns=half_ns).half_width == pytest.approx(0.04)
    assert check(networks, half_ns=2 * half_ns).half_width == 0.0


def test_networks_that_add_up_have_no_common_error_but_the_canarys():
    assert check(left_out([1.0] * 40)).half_width == 0
    assert check(left_out([1.0] * 40), canary_spread=0.02).half_width == pytest.approx(0.0392)


def test_flagged_networks_are_not_checked():
    found = check(left_out([3.0] * 10 + [1.0] * 10, flagged=10))
    assert (found.networks, found.half_width) == (10, 0)


def test_flagged_networks_are_better_than_an_assumption_where_there_are_no_others():
    found = check(left_out([1.0] * 10, flagged=10))
    assert (found.networks, found.half_width) == (10, 0)


def test_an_error_that_was_not_checked_is_assumed_to_be_ten_percent():
    assert check(left_out([1.0] * 4)).half_width == 0.10
    assert check(left_out([1.0] * 4), canary_spread=0.1).half_width == pytest.approx(0.196)


def test_a_network_of_which_others_know_less_than_half_is_not_checked():
    assert check(left_out([1.0] * 9, known=0.49)) == CommonError(0.10, 0)
    assert check(left_out([1.0] * 9, known=0.51)) == CommonError(0.0, 9)


def test_a_network_that_could_not_be_predicted_is_not_checked():
    networks = left_out([1.0] * 9)
    lost = replace(networks, predicted_ns=np.where(np.arange(9) < 5, -1.0, 1e6))
    assert check(lost) == CommonError(0.10, 0)
