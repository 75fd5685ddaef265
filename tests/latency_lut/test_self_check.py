from statistics import NormalDist

import numpy as np
import pytest

from latency_lut.contexts import contexts_of, sightings_of
from latency_lut.entry import fit_entries
from latency_lut.self_check import CommonError, check_itself, common_error
from latency_lut.timed_table import timed_table

SEGMENTS = 10


def check(table, canary_spread=0.0, added_ns=0.0):
    """Of networks whose segments took what their nodes took, and `added_ns` for the whole."""
    contexts = contexts_of([sightings_of(table, table.node_ns)])
    added = np.full(len(table.latency_ns), added_ns)
    entries = fit_entries(contexts)
    return check_itself(table, contexts, entries, added, canary_spread)


def networks(factors, qualities=None, names=None, added_ns=0.0):
    """Ten segments of one kind each, all slower by one factor: an error common to the network."""
    names = names or [f"arch{i}" for i in range(len(factors))]
    qualities = qualities or ["good"] * len(factors)
    whole = [SEGMENTS * 1000.0 * factor + added_ns for factor in factors]
    segments = [(i, f"k{j}", 1000.0 * f, 1) for i, f in enumerate(factors) for j in range(SEGMENTS)]
    return timed_table(list(zip(names, qualities, whole, strict=True)), segments)


def apart(count):
    """Networks without a segment in common."""
    rows = [(i, f"k{i}", 100.0, 1) for i in range(count)]
    return timed_table([(f"arch{i}", "good", 100.0) for i in range(count)], rows)


def test_networks_that_are_slower_as_a_whole_show_as_a_common_error():
    factors = [NormalDist(1.0, 0.05).inv_cdf((i + 0.5) / 100) for i in range(100)]
    found = check(networks(factors))
    assert found.networks == 100
    # 1.96 * 5 %, less what ten entries that each scatter by 5 % explain in quadrature.
    assert found.half_width == pytest.approx(0.098 * (1 - 1 / 10) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("count", "rank"), [(5, 5), (19, 19), (20, 20), (39, 38), (40, 39), (99, 95)]
)
def test_the_error_is_one_that_no_more_than_one_in_twenty_exceeds(count, rank):
    """One in twenty of one network more than there are: the one to be predicted next."""
    errors = np.random.default_rng(0).permutation(np.arange(1, count + 1) / 1000)
    signs = np.where(np.arange(count) % 2, 1.0, -1.0)
    predicted = np.full(count, 1e6)
    found = common_error(predicted * (1 + signs * errors), predicted, np.zeros(count), 0.0)
    assert found == CommonError(pytest.approx(rank / 1000), count)


def test_what_the_entries_explain_of_an_error_is_taken_out_in_quadrature():
    predicted, measured = np.full(40, 1e6), np.full(40, 1.05e6)
    found = common_error(measured, predicted, np.full(40, 0.03e6), 0.0)
    assert found.half_width == pytest.approx(0.04)
    assert common_error(measured, predicted, np.full(40, 0.06e6), 0.0).half_width == 0.0


def test_networks_that_add_up_have_no_common_error_but_the_canarys():
    table = networks([1.0] * 40)
    assert check(table).half_width == 0
    assert check(table, canary_spread=0.02).half_width == pytest.approx(0.0392)


def test_what_the_term_adds_to_a_network_is_part_of_its_prediction():
    table = networks([1.0] * 40, added_ns=5000.0)
    assert check(table, added_ns=5000.0).half_width == 0
    assert check(table).half_width == pytest.approx(0.5, rel=0.01)


def test_a_network_is_not_checked_against_itself():
    """Five networks without a segment in common could each predict themselves perfectly."""
    assert check(apart(5)).networks == 0
    assert check(networks([1.0] * 9, names=["same"] * 9)).networks == 0


def test_a_network_is_predicted_by_others_even_where_it_stands_out():
    found = check(networks([1.0] * 30 + [2.0] * 3))
    assert found.half_width == pytest.approx(1.0, rel=0.02)


def test_flagged_networks_are_not_checked():
    table = networks([1.0] * 10 + [3.0] * 10, ["good"] * 10 + ["noisy"] * 10)
    assert (check(table).networks, check(table).half_width) == (10, 0)


def test_flagged_networks_are_better_than_an_assumption_where_there_are_no_others():
    found = check(networks([1.0] * 10, ["noisy"] * 10))
    assert (found.networks, found.half_width) == (10, 0)


def test_an_error_that_was_not_checked_is_assumed_to_be_ten_percent():
    assert check(networks([1.0] * 4)).half_width == 0.10
    assert check(networks([1.0] * 4), canary_spread=0.1).half_width == pytest.approx(0.196)


@pytest.mark.parametrize("count", [6, 7, 20, 21])
def test_a_network_is_predicted_by_the_median_of_the_others(count):
    factors = np.exp(np.random.default_rng(count).normal(0.0, 0.1, count))
    table = networks(factors)
    others = [SEGMENTS * 1000 * np.median(np.delete(factors, i)) for i in range(count)]
    entries = fit_entries(contexts_of([sightings_of(table, table.node_ns)]))
    half_ns = sum((e.high_ns - e.latency_ns) ** 2 for e in entries.values()) ** 0.5
    halves = np.full(count, half_ns)
    expected = common_error(table.latency_ns, np.array(others), halves, 0.0)
    assert expected.half_width > 0.05
    assert check(table).half_width == pytest.approx(expected.half_width)


def test_a_network_of_which_others_know_less_than_half_is_not_checked():
    rows = [(i, key, 100.0, 1) for i in range(9) for key in ("shared", f"own{i}", f"more{i}")]
    table = timed_table([(f"arch{i}", "good", 300.0) for i in range(9)], rows)
    assert check(table) == CommonError(0.10, 0)


def test_the_time_of_a_few_unknown_segments_is_taken_from_the_entry():
    """Each network has one segment of its own among ten: nine tenths are known from others."""
    table = networks([1.0] * 20)
    names = np.array([f"k{j}" for j in range(SEGMENTS)] + [f"own{i}" for i in range(20)])
    key = np.where(table.key == 0, SEGMENTS + table.network, table.key)
    rows = zip(table.network, names[key], table.node_ns, table.nodes.astype(int), strict=True)
    own = timed_table([(f"arch{i}", "good", 10_000.0) for i in range(20)], list(rows))
    assert (check(own).networks, check(own).half_width) == (20, 0)
