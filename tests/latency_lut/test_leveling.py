import math

import numpy as np
import pytest

from latency_lut.leveling import NetworkTerm, level
from latency_lut.timed_network import TimedNetwork, contexts_by_key

TRUTH_NS = {f"k{i}": 1000.0 * (i + 1) for i in range(8)}


def network(number, keys, factor=1.0):
    segments = tuple((key, TRUTH_NS[key] * factor) for key in keys)
    return TimedNetwork(f"arch{number}", "good", "space/infer", segments)


def networks(factors, size=4):
    rng = np.random.default_rng(0)
    return [
        network(i, [f"k{k}" for k in rng.choice(8, size=size, replace=False)], factor)
        for i, factor in enumerate(factors)
    ]


def times(leveled):
    seen = contexts_by_key(leveled.networks)
    return {key: [c.latency_ns for c in found] for key, found in seen.items()}


def test_networks_without_disturbance_are_left_as_they_are():
    given = networks([1.0] * 40)
    leveled = level(given)
    for before, after in zip(given, leveled.networks, strict=True):
        for (key, ns), (same_key, leveled_ns) in zip(before.segments, after.segments, strict=True):
            assert key == same_key
            assert leveled_ns == pytest.approx(ns, rel=1e-6)
    assert leveled.term.slope == pytest.approx(0.0, abs=1e-6)
    assert leveled.term.networks == 40


def test_a_disturbance_of_some_whole_networks_is_taken_out_of_their_segments():
    factors = [1.5 if i % 4 == 0 else 1.0 for i in range(60)]
    for key, found in times(level(networks(factors))).items():
        assert found == pytest.approx([TRUTH_NS[key]] * len(found), rel=0.06)


def test_networks_that_slow_with_their_size_give_a_term_that_says_so():
    rng = np.random.default_rng(1)
    given = []
    for i in range(80):
        keys = [f"k{k}" for k in rng.choice(8, size=int(rng.integers(2, 8)), replace=False)]
        whole_ns = sum(TRUTH_NS[key] for key in keys)
        given.append(network(i, keys, (whole_ns / 10_000) ** 0.2))
    term = level(given).term
    assert term.slope == pytest.approx(0.2, abs=0.05)
    small, large = term.factor(np.array([5_000.0, 20_000.0]))
    assert large / small == pytest.approx(4**term.slope)


def test_a_network_that_shares_no_segment_says_nothing_of_a_level():
    alone = TimedNetwork("alone", "good", "space/infer", (("only here", 777.0),))
    leveled = level([*networks([1.0] * 40), alone])
    assert times(leveled)["only here"] == [pytest.approx(777.0, rel=1e-6)]


def test_fewer_than_twenty_networks_are_not_leveled():
    given = networks([1.0, 2.0] * 9)
    leveled = level(given)
    assert leveled.networks == tuple(given)
    assert leveled.term == NetworkTerm()


def test_a_term_leaves_sums_of_nothing_and_of_unknown_parts_alone():
    term = NetworkTerm(slope=0.3, centre=math.log(1000.0), networks=20)
    factors = term.factor(np.array([0.0, np.nan, 1000.0]))
    assert factors.tolist() == [1.0, 1.0, 1.0]
