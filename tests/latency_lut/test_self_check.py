from statistics import NormalDist

import pytest

from latency_lut.entry import fit_entries
from latency_lut.leveling import NetworkTerm
from latency_lut.self_check import check_itself
from latency_lut.timed_network import TimedNetwork, contexts_by_key


def check(networks, canary_spread=0.0):
    contexts = contexts_by_key(networks)
    return check_itself(networks, contexts, fit_entries(contexts), NetworkTerm(), canary_spread)


def network(i: int, factor: float = 1.0, quality: str = "good") -> TimedNetwork:
    """Ten segments of one kind each, all slower by `factor`: an error common to the network."""
    segments = tuple((f"k{j}", 1000.0 * factor) for j in range(10))
    return TimedNetwork(f"arch{i}", quality, "space/infer", segments)


def test_a_segment_that_stands_twice_in_a_network_is_one_context_with_the_mean():
    timed = TimedNetwork("a", "good", "s/infer", (("k", 100.0), ("k", 300.0), ("other", 5.0)))
    (context,) = contexts_by_key([timed])["k"]
    assert context.latency_ns == 200.0


def test_networks_that_are_slower_as_a_whole_show_as_a_common_error():
    factors = [NormalDist(1.0, 0.05).inv_cdf((i + 0.5) / 40) for i in range(40)]
    found = check([network(i, factor) for i, factor in enumerate(factors)])
    assert found.networks == 40
    # 1.96 * 5 %, less what ten entries that each scatter by 5 % explain in quadrature.
    assert found.half_width == pytest.approx(0.098 * (1 - 1 / 10) ** 0.5, rel=0.1)


def test_networks_that_add_up_have_no_common_error_but_the_canarys():
    networks = [network(i) for i in range(40)]
    assert check(networks).half_width == 0
    assert check(networks, canary_spread=0.02).half_width == pytest.approx(0.0392)


def test_a_network_is_not_checked_against_itself():
    """Five networks without a segment in common could each predict themselves perfectly."""
    alone = [TimedNetwork(f"arch{i}", "good", "s/infer", ((f"k{i}", 100.0),)) for i in range(5)]
    assert check(alone).networks == 0
    repeated = [TimedNetwork("same", "good", "s/infer", (("k", 100.0),)) for i in range(9)]
    assert check(repeated).networks == 0


def test_flagged_networks_are_not_checked():
    flagged = [network(100 + i, 3.0, "noisy") for i in range(10)]
    found = check([network(i) for i in range(10)] + flagged)
    assert (found.networks, found.half_width) == (10, 0)


def test_flagged_networks_are_better_than_an_assumption_where_there_are_no_others():
    found = check([network(i, quality="noisy") for i in range(10)])
    assert (found.networks, found.half_width) == (10, 0)


def test_an_error_that_was_not_checked_is_assumed_to_be_ten_percent():
    assert check([]).half_width == 0.10
