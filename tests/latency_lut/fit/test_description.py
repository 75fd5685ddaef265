from dataclasses import replace

import numpy as np
import pytest

from latency_lut.fit.additive_fit import fit_additive
from latency_lut.fit.description import descriptions, profiler_slowdown
from tests.latency_lut.synthetic import KEYS, device, networks_of


def alone(table, true, sd=0.0, run_ns=0.0):
    """The same networks, each block timed alone: `sd` wrong, and with the cost of a run."""
    wrong = np.exp(np.random.default_rng(5).normal(0.0, sd, KEYS))
    numbers = [int(key[1:]) for key in table.keys]
    return replace(table, alone_ns=(true.entry_ns * wrong)[numbers] + run_ns)


def misprofiled(table, sd):
    wrong = np.exp(np.random.default_rng(7).normal(0.0, sd, KEYS))
    numbers = [int(table.keys[k][1:]) for k in table.key]
    return replace(table, node_ns=table.node_ns * wrong[numbers])


def fit(table, true):
    return fit_additive(table, true.traffic(table.keys), ())


def test_without_blocks_timed_alone_the_profile_is_all_there_is():
    (only,) = descriptions(device().table(networks_of(30)))
    assert only.source == "profile"
    assert fit(device().table(networks_of(30)), device()).told_by == "profile"


def test_where_the_profiler_errs_more_than_blocks_alone_these_count():
    true = device(fixed_ns=2e4)
    table = misprofiled(alone(true.table(networks_of(60)), true, run_ns=2e4), 0.5)
    found = fit(table, true)
    expected = true.entry_ns[[int(key[1:]) for key in table.keys]]
    assert found.told_by == "alone"
    assert np.median(np.abs(found.entry_ns / expected - 1)) < 0.02
    assert fit(replace(table, alone_ns=np.full(len(table.keys), np.nan)), true).told_by == "profile"


def test_where_blocks_alone_err_more_the_profile_counts():
    true = device()
    table = alone(misprofiled(true.table(networks_of(60)), 0.02), true, sd=0.3)
    assert fit(table, true).told_by == "profile"


def test_shares_add_up_to_the_network_whichever_description_counts():
    true = device()
    table = misprofiled(alone(true.table(networks_of(60)), true), 0.5)
    found = fit(table, true)
    assert found.told_by == "alone"
    added = found.term.fixed_ns
    assert table.by_network(found.share_ns) + added == pytest.approx(table.latency_ns)


def test_a_block_that_does_not_run_alone_is_taken_to_be_as_its_profile_usually_says():
    true = device()
    table = alone(true.table(networks_of(60)), true)
    known = table.alone_ns[3]
    table.alone_ns[3] = np.nan
    _, by_blocks = descriptions(table)
    assert by_blocks.known_ns[3] == pytest.approx(known, rel=0.01)


def test_with_a_tenth_of_the_blocks_lacking_they_are_not_asked_at_all():
    true = device()
    table = alone(true.table(networks_of(60)), true)
    table.alone_ns[: len(table.keys) // 5] = np.nan
    assert [found.source for found in descriptions(table)] == ["profile"]


def test_the_slowdown_is_what_profiling_makes_of_a_network():
    true = device(stretch=1.2)
    assert profiler_slowdown(true.table(networks_of(30))) == pytest.approx(1.2, rel=0.01)
