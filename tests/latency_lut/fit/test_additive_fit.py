from dataclasses import replace

import numpy as np
import pytest

from latency_lut.fit.additive_fit import fit_additive
from latency_lut.fit.network_term import Traffic
from latency_lut.fit.timed_table import timed_table
from tests.latency_lut.synthetic import KEYS, device, networks_of


def fit(true, table):
    return fit_additive(table, true.traffic(table.keys), (true.cache_bytes,))


def no_traffic(segments):
    return Traffic(np.zeros(segments), np.zeros(segments))


def true_ns(true, table):
    """By segment key of a table."""
    return true.entry_ns[[int(key[1:]) for key in table.keys]]


def biased(true, table, sd=0.2):
    """The same networks on a profiler that takes each segment for longer or shorter than it is."""
    wrong = np.exp(np.random.default_rng(7).normal(0.0, sd, KEYS))
    numbers = [int(table.keys[k][1:]) for k in table.key]
    return replace(table, node_ns=table.node_ns * wrong[numbers])


def error(found, table, true):
    return np.abs(found.entry_ns / true_ns(true, table) - 1).mean()


@pytest.mark.parametrize("seed", range(4))
def test_whole_networks_correct_what_the_profiler_says_of_a_segment(seed):
    true = device(seed)
    table = biased(true, true.table(networks_of(150, seed)))
    assert error(fit(true, table), table, true) < 0.1  # the profiler is off by 0.16


def test_with_few_networks_the_profiler_is_believed_rather_than_noise():
    true = device()
    slower = np.exp(np.random.default_rng(0).normal(0.0, 0.05, 25))
    table = true.table(networks_of(25), slower=slower)
    noisy = replace(table, node_ns=table.node_ns / slower[table.network])
    assert error(fit(true, noisy), noisy, true) < 0.1


def test_networks_that_were_left_out_tell_the_error_of_the_next_ones():
    true, rng = device(), np.random.default_rng(3)
    slower = np.exp(rng.normal(0.0, 0.03, 80))
    found = fit(true, biased(true, true.table(networks_of(80), slower=slower), 0.1)).left_out
    told = np.abs(found.predicted_ns / found.latency_ns - 1)
    assert 0.02 < told.mean() < 0.06


def test_leaving_a_network_out_is_as_if_it_had_never_been_measured():
    """The closed form against the same sums done without the network, its line being the same."""
    true = device()
    table = true.table(networks_of(60))
    wrong = np.ones(60)
    wrong[5] = 1.02
    bent = replace(table, latency_ns=table.latency_ns * wrong)
    found = fit(true, bent).left_out
    assert found.predicted_ns[5] == pytest.approx(table.latency_ns[5], rel=0.003)


def test_shares_of_a_network_and_its_own_terms_add_up_to_its_time():
    true = device(fixed_ns=1e5, cache_bytes=2e6, byte_ns=0.3)
    table = true.table(networks_of(60))
    found = fit(true, table)
    touched = table.by_network(true.traffic(table.keys).touched[table.key])
    added = found.term.added_ns(Traffic(touched, touched))
    assert table.by_network(found.share_ns) + added == pytest.approx(table.latency_ns)


def test_of_a_network_that_ran_twice_a_flagged_timing_says_nothing_beside_a_good_one():
    true, networks = device(), networks_of(40)
    flags, slower = ["good"] * 40 + ["noisy"] * 40, np.repeat([1.0, 2.0], 40)
    both = true.table([*networks, *networks], qualities=flags, slower=slower)
    same = replace(both, architecture_ids=both.architecture_ids[:40] * 2)
    found = fit(true, same)
    assert found.entry_ns == pytest.approx(true_ns(true, same), rel=0.01)
    assert len(found.left_out.latency_ns) == 40
    assert found.left_out.good.all()


def test_of_flagged_timings_of_a_network_the_fastest_is_believed():
    true, networks = device(), networks_of(40)
    slower = np.repeat([1.6, 1.0], 40)
    both = true.table([*networks, *networks], qualities=["noisy"] * 80, slower=slower)
    same = replace(both, architecture_ids=both.architecture_ids[:40] * 2)
    found = fit(true, same)
    assert found.left_out.latency_ns == pytest.approx(true.latency_ns(networks))
    assert not found.left_out.good.any()


def test_a_network_tells_how_much_of_it_others_know():
    rows = [(i, key, 100.0, 1) for i in range(3) for key in ("shared", f"own{i}")]
    table = timed_table([(f"arch{i}", "good", 200.0) for i in range(3)], rows)
    found = fit_additive(table, no_traffic(4), ())
    assert found.left_out.known == pytest.approx([0.5] * 3)


def test_a_single_network_is_shared_out_by_its_profile():
    table = timed_table([("a", "good", 300.0)], [(0, "x", 400.0, 1), (0, "y", 200.0, 1)])
    found = fit_additive(table, no_traffic(2), ())
    assert found.entry_ns == pytest.approx([200.0, 100.0])
    assert found.share_ns == pytest.approx([200.0, 100.0])


def test_a_network_whose_nodes_took_no_time_is_no_failure():
    rows = [(i, key, 0.0, 0) for i in range(3) for key in ("x", "y")]
    table = timed_table([(f"arch{i}", "good", 200.0) for i in range(3)], rows)
    found = fit_additive(table, no_traffic(2), ())
    assert np.isfinite(found.entry_ns).all()
    assert table.by_network(found.share_ns) == pytest.approx([200.0] * 3)
