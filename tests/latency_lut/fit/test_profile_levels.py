from dataclasses import replace

import numpy as np
import pytest

from latency_lut.fit.profile_levels import typical_node_ns
from latency_lut.fit.timed_table import timed_table
from tests.latency_lut.synthetic import device, networks_of


def true_ns(given):
    """By segment key of a table."""
    return device().entry_ns[[int(key[1:]) for key in given.keys]]


def test_without_disturbance_a_segments_time_is_that_of_every_network():
    given = device().table(networks_of(40))
    assert typical_node_ns(given) == pytest.approx(true_ns(given), rel=1e-6)


def test_a_disturbance_of_some_whole_networks_is_taken_out_of_their_segments():
    factors = np.where(np.arange(60) % 4 == 0, 1.5, 1.0)
    given = device().table(networks_of(60), slower=factors)
    assert typical_node_ns(given) == pytest.approx(true_ns(given), rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_levels_of_every_size_are_told_from_segments(seed):
    factors = np.exp(np.random.default_rng(seed).normal(0.0, 0.2, 80))
    given = device().table(networks_of(80, seed), slower=factors)
    ratios = typical_node_ns(given) / true_ns(given)
    assert ratios == pytest.approx(np.full(len(ratios), np.median(factors)), rel=0.02)


def test_the_noise_of_single_segments_is_averaged():
    given = device().table(networks_of(60))
    noise = np.exp(np.random.default_rng(0).normal(0.0, 0.05, len(given.node_ns)))
    noisy = replace(given, node_ns=given.node_ns * noise)
    assert np.std(typical_node_ns(noisy) / true_ns(given)) < 0.05 / 2


def test_a_segment_of_one_network_is_brought_to_the_usual_level_by_its_neighbours():
    networks = [("a", "good", 1000.0), ("b", "good", 1000.0), ("slow", "good", 8000.0)]
    rows = [(0, "shared", 1000.0, 1), (1, "shared", 1000.0, 1), (2, "shared", 2000.0, 1)]
    own = [(2, f"own{i}", 2000.0, 1) for i in range(3)]
    given = timed_table(networks, [*rows, *own])
    assert typical_node_ns(given) == pytest.approx([1000.0] * 4)


def test_a_network_that_shares_no_segment_is_taken_as_it_is():
    networks = [("a", "good", 30.0), ("b", "good", 30.0), ("alone", "good", 777.0)]
    rows = [(n, key, ns, 1) for n in (0, 1) for key, ns in (("x", 10.0), ("y", 20.0))]
    given = timed_table(networks, [*rows, (2, "only here", 777.0, 1)])
    assert typical_node_ns(given)[given.keys.index("only here")] == pytest.approx(777.0)


def test_segments_that_take_no_time_do_not_hide_a_level():
    """In each network two segments of three were fused away."""
    factors, rows = [1.0, 1.0, 1.0, 2.0], []
    for n, factor in enumerate(factors):
        rows += [(n, "real", 1000.0 * factor, 1), (n, "fused", 0.0, 0), (n, "gone", 0.0, 0)]
    rows.append((3, "own", 500.0, 1))
    given = timed_table([(f"a{n}", "good", 1000.0 * f) for n, f in enumerate(factors)], rows)
    assert typical_node_ns(given)[given.keys.index("own")] == pytest.approx(250.0)
