import numpy as np
import pytest

from latency_lut.sharing import node_overhead_ns, share_out
from latency_lut.timed_table import timed_table
from tests.latency_lut.synthetic import device, networks_of


def of_one(latency_ns, *segments):
    """A network of segments, each with its profiled time and its number of nodes."""
    rows = [(0, f"k{i}", node_ns, nodes) for i, (node_ns, nodes) in enumerate(segments)]
    return timed_table([("arch", "good", latency_ns)], rows)


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_of_a_network_add_up_to_its_unprofiled_time(seed):
    given = device(seed, stretch=1.3, overhead_ns=3000.0).table(networks_of(40, seed))
    shares = share_out(given)
    assert given.by_network(shares) == pytest.approx(given.latency_ns)
    assert shares.min() > 0


def test_where_all_nodes_slow_alike_time_is_shared_in_proportion():
    true = device(stretch=1.4)
    given = true.table(networks_of(40))
    assert node_overhead_ns(given) == pytest.approx(0.0, abs=1.0)
    expected = true.entry_ns[[int(given.keys[k][1:]) for k in given.key]]
    assert share_out(given) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("stretch", [1.0, 1.16, 2.5])
@pytest.mark.parametrize("overhead_ns", [500.0, 6000.0])
def test_what_the_profiler_adds_to_each_node_is_found(stretch, overhead_ns):
    given = device(stretch=stretch, overhead_ns=overhead_ns).table(networks_of(60))
    assert node_overhead_ns(given) == pytest.approx(overhead_ns, rel=1e-3)


def test_a_profiler_that_makes_nodes_faster_adds_nothing():
    given = device(stretch=1.5, overhead_ns=-400.0).table(networks_of(60))
    assert node_overhead_ns(given) == 0.0


def of_ten(*, short_ns, short_nodes, rest_ns, rest_nodes):
    """Ten networks of two kinds, in all of which S = T + 1000 n; the first is as given."""
    networks = [(f"arch{i}", "good", 20_000.0 if i % 2 else 10_000.0) for i in range(10)]
    segments = []
    for i in range(0, 10, 2):
        segments += [(i, "short", short_ns, short_nodes), (i, "rest", rest_ns, rest_nodes)]
        segments += [(i + 1, "long", 23_000.0, 3)]
    return timed_table(networks, segments)


def test_half_of_what_was_added_to_a_node_is_taken_from_it_before_sharing():
    given = of_ten(short_ns=6000.0, short_nodes=1, rest_ns=8000.0, rest_nodes=3)
    assert node_overhead_ns(given) == pytest.approx(1000.0)
    assert share_out(given)[:2] == pytest.approx([10_000 * 5500 / 12_000, 10_000 * 6500 / 12_000])


def test_a_tenth_of_a_nodes_time_is_its_own_however_short_it_is():
    given = of_ten(short_ns=100.0, short_nodes=2, rest_ns=13_900.0, rest_nodes=2)
    assert node_overhead_ns(given) == pytest.approx(1000.0)
    short, rest = share_out(given)[:2]
    assert short / rest == pytest.approx(10.0 / 12_900.0)


def test_nine_networks_are_too_few_to_tell_what_the_profiler_adds_to_a_node():
    true = device(overhead_ns=3000.0)
    assert node_overhead_ns(true.table(networks_of(9))) == 0.0
    assert node_overhead_ns(true.table(networks_of(10))) == pytest.approx(3000.0, rel=1e-3)


def test_a_device_half_as_fast_gives_shares_twice_as_large():
    true = device(overhead_ns=2000.0)
    once, twice = (share_out(true.table(networks_of(30), slower=f)) for f in (1.0, 2.0))
    assert twice == pytest.approx(2 * once)


def test_a_single_network_is_shared_in_proportion_to_its_nodes_times():
    given = of_one(1000.0, (300.0, 1), (900.0, 9))
    assert share_out(given) == pytest.approx(np.array([250.0, 750.0]))


def test_a_place_whose_nodes_were_fused_away_gets_nothing():
    assert share_out(of_one(1000.0, (1200.0, 4), (0.0, 0))).tolist() == [1000.0, 0.0]
