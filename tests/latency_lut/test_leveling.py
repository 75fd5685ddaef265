from dataclasses import replace

import numpy as np
import pytest

from latency_lut.leveling import polish
from latency_lut.sharing import share_out
from latency_lut.timed_table import timed_table
from tests.latency_lut.synthetic import device, networks_of


def leveled_ns(given):
    """What each row took once its network's level is taken out, and what it truly takes."""
    found = polish(given, share_out(given))
    return share_out(given) * np.exp(-found.levels)[given.network]


def true_ns(given):
    return device().entry_ns[[int(given.keys[k][1:]) for k in given.key]]


def test_networks_without_disturbance_are_left_as_they_are():
    given = device().table(networks_of(40))
    found = polish(given, share_out(given))
    assert found.levels == pytest.approx(np.zeros(40), abs=1e-6)
    assert found.entry_ns[given.key] == pytest.approx(true_ns(given), rel=1e-6)


def test_a_disturbance_of_some_whole_networks_is_taken_out_of_their_segments():
    factors = np.where(np.arange(60) % 4 == 0, 1.5, 1.0)
    given = device().table(networks_of(60), slower=factors)
    assert leveled_ns(given) == pytest.approx(true_ns(given), rel=0.01)
    levels = polish(given, share_out(given)).levels
    assert levels == pytest.approx(np.log(factors), abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_levels_of_every_size_are_told_from_each_other(seed):
    rng = np.random.default_rng(seed)
    factors = np.exp(rng.normal(0.0, 0.2, 80))
    given = device().table(networks_of(80, seed), slower=factors)
    found = polish(given, share_out(given)).levels
    expected = np.log(factors) - np.median(np.log(factors))
    assert found == pytest.approx(expected, abs=0.02)


def test_the_median_level_is_none_at_all():
    given = device().table(networks_of(41), slower=np.linspace(1.0, 3.0, 41))
    assert np.median(polish(given, share_out(given)).levels) == pytest.approx(0.0, abs=1e-12)


def test_the_noise_of_single_segments_moves_levels_by_less_than_half_of_it():
    given = device().table(networks_of(60))
    noise = np.exp(np.random.default_rng(0).normal(0.0, 0.05, len(given.node_ns)))
    noisy = replace(given, node_ns=given.node_ns * noise)
    assert polish(noisy, share_out(noisy)).levels.std() < 0.05 / 2


def test_a_network_that_shares_no_segment_says_nothing_of_a_level():
    networks = [("a", "good", 30.0), ("b", "good", 30.0), ("alone", "good", 777.0)]
    rows = [(n, key, ns, 1) for n in (0, 1) for key, ns in (("x", 10.0), ("y", 20.0))]
    given = timed_table(networks, [*rows, (2, "only here", 777.0, 1)])
    found = polish(given, share_out(given))
    assert found.levels[2] == 0.0
    assert found.entry_ns[given.keys.index("only here")] == pytest.approx(777.0)


def test_segments_of_one_network_only_do_not_hide_its_level():
    networks = [("a", "good", 1000.0), ("b", "good", 1000.0), ("slow", "good", 8000.0)]
    rows = [(0, "shared", 1000.0, 1), (1, "shared", 1000.0, 1), (2, "shared", 2000.0, 1)]
    own = [(2, f"own{i}", 2000.0, 1) for i in range(3)]
    given = timed_table(networks, [*rows, *own])
    found = polish(given, share_out(given))
    assert found.levels == pytest.approx([0.0, 0.0, np.log(2.0)])
    assert found.entry_ns == pytest.approx([1000.0] * 4)


def test_segments_that_take_no_time_do_not_hide_a_level():
    """In each network two segments of three were fused away."""
    factors, rows = [1.0, 1.0, 1.0, 2.0], []
    for n, factor in enumerate(factors):
        rows += [(n, "real", 1000.0 * factor, 1), (n, "fused", 0.0, 0), (n, "gone", 0.0, 0)]
    given = timed_table([(f"a{n}", "good", 1000.0 * f) for n, f in enumerate(factors)], rows)
    assert polish(given, share_out(given)).levels == pytest.approx(np.log(factors))
