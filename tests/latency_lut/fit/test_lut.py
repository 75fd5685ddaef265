"""LUTs fitted from what synthetic devices measured: what they say of networks never seen."""

from dataclasses import replace

import numpy as np
import pytest

from latency_lut import CanaryState, DeviceProfile
from latency_lut.fit.lut import cache_sizes, fit_lut
from latency_lut.fit.network_term import CacheTerm, NetworkTerm, Traffic
from latency_lut.fit.timed_table import group_of
from tests.latency_lut.synthetic import GROUP, KEYS, STEADY, device, networks_of, predicted_ns

UNSEEN = networks_of(200, seed=1000)
WHOLE = {"cache_bytes": 2e6, "byte_ns": 0.3, "fixed_ns": 1e5, "node_ns": 2000.0}
PROFILER = {"stretch": 1.1, "overhead_ns": 4000.0}


def errors(true, lut):
    """Of networks that were never measured, relative."""
    return predicted_ns(lut, true, UNSEEN) / true.latency_ns(UNSEEN) - 1


def in_contexts(true, networks, rng, *, spread, common, first=0):
    """Segments that take more or less by context, networks that are faster or slower as a whole."""
    table = true.table(networks, slower=np.exp(rng.normal(0.0, common, len(networks))), first=first)
    factor = np.exp(rng.normal(0.0, spread, len(table.node_ns)))
    own_ns = true.entry_ns[[int(table.keys[k][1:]) for k in table.key]]
    more_ns = table.by_network((factor - 1) * own_ns)
    return replace(table, node_ns=table.node_ns * factor, latency_ns=table.latency_ns + more_ns)


@pytest.mark.parametrize("seed", range(4))
def test_segments_that_only_add_up_are_found_exactly(seed):
    true = device(seed, stretch=1.3)
    lut = true.lut(true.table(networks_of(60, seed)))
    assert np.abs(errors(true, lut)).max() < 1e-4
    found = [lut.entries[f"k{k}"].latency_ns for k in range(KEYS)]
    assert found == pytest.approx(true.entry_ns, rel=1e-4)
    assert lut.groups[GROUP].common_error.half_width < 1e-4


@pytest.mark.parametrize(
    "costs",
    [{"fixed_ns": 2e5}, {"node_ns": 3000.0}, {"cache_bytes": 2e6, "byte_ns": 0.3}],
    ids=["a run", "a node", "a byte beyond the cache"],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_cost_of_the_whole_network_is_no_cost_of_its_segments(costs, seed):
    true = device(seed, **costs)
    lut = true.lut(true.table(networks_of(60, seed + 10)))
    assert np.abs(errors(true, lut)).mean() < 0.005
    assert np.abs(errors(true, lut)).max() < 0.06
    term = lut.groups[GROUP].term
    assert term.fixed_ns == pytest.approx(true.fixed_ns, rel=0.01, abs=5000)
    if true.byte_ns:
        assert term.reloaded == CacheTerm(2e6, pytest.approx(0.3, rel=0.03))


@pytest.mark.parametrize("seed", range(3))
def test_all_costs_together_and_a_profiler_that_bends_them_are_told_apart(seed):
    true = device(seed, **WHOLE, **PROFILER)
    lut = true.lut(true.table(networks_of(80, seed + 10)))
    assert np.abs(errors(true, lut)).mean() < 0.01
    assert np.abs(errors(true, lut)).max() < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_a_profiler_that_slows_short_nodes_more_misleads_by_a_few_percent_only(seed):
    """Nodes of a few microseconds that the profiler makes five longer: half of that is believed."""
    true = device(seed, stretch=1.2, overhead_ns=5000.0)
    lut = true.lut(true.table(networks_of(60, seed + 10)))
    assert np.abs(errors(true, lut)).mean() < 0.05


def test_disturbed_networks_do_not_make_a_lut_dearer():
    rng, networks = np.random.default_rng(0), networks_of(80)
    slower = 1 + np.where(rng.random(80) < 0.3, rng.exponential(0.4, 80), 0.0)
    lut = (true := device()).lut(true.table(networks, slower=slower))
    assert np.mean(slower) > 1.1
    assert 0 <= errors(true, lut).mean() < 0.04


def test_a_device_half_as_fast_has_a_lut_of_twice_the_times():
    true, networks = device(**WHOLE), networks_of(60)
    once, twice = (true.lut(true.table(networks, slower=f)) for f in (1.0, 2.0))
    doubled = predicted_ns(twice, true, UNSEEN) / predicted_ns(once, true, UNSEEN)
    assert doubled == pytest.approx(np.full(len(UNSEEN), 2.0), rel=1e-3)


@pytest.mark.parametrize(
    ("spread", "common"), [(0.0, 0.03), (0.05, 0.0), (0.05, 0.02), (0.02, 0.01)]
)
@pytest.mark.parametrize("carriers", [36, 100])
def test_intervals_cover_ninety_to_ninety_nine_percent_of_networks_never_seen(
    spread, common, carriers
):
    """Averaged over ten devices: one alone rests on too few networks to be within these bounds."""
    covered = []
    for seed in range(10):
        true, rng = device(seed, **WHOLE, **PROFILER), np.random.default_rng(seed)
        noise = {"spread": spread, "common": common}
        table = in_contexts(true, networks_of(carriers, seed), rng, **noise)
        if len(table.keys) < KEYS:
            continue
        lut = true.lut(table)
        entries, common_error = lut.entries, lut.groups[GROUP].common_error.half_width
        measured = in_contexts(true, UNSEEN, rng, first=1000, **noise).latency_ns
        found = predicted_ns(lut, true, UNSEEN)
        halves = [
            [entries[f"k{k}"].high_ns - entries[f"k{k}"].latency_ns for k in n] for n in UNSEEN
        ]
        squares = np.array([sum(half**2 for half in of_network) for of_network in halves])
        covered.append(np.abs(measured - found) <= np.sqrt(squares + (common_error * found) ** 2))
    assert 0.90 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("seed", range(12))
def test_whatever_a_device_says_a_prediction_never_falls_as_a_network_grows(seed):
    """Times out of thin air: no latency, no interval below 0, and each segment only adds."""
    rng = np.random.default_rng(seed)
    true = device(seed, cache_bytes=2e6)
    table = true.table(networks_of(50, seed))
    wild = replace(
        table,
        latency_ns=np.exp(rng.uniform(np.log(1e4), np.log(1e7), 50)),
        node_ns=np.exp(rng.uniform(0.0, np.log(1e6), len(table.node_ns))),
    )
    lut = true.lut(wild)
    assert all(0 <= e.low_ns <= e.latency_ns <= e.high_ns for e in lut.entries.values())
    assert lut.groups[GROUP].common_error.half_width >= 0
    known = [k for k in range(KEYS) if f"k{k}" in lut.entries]
    term, order = lut.groups[GROUP].term, rng.permutation(known)
    sums_ns = np.cumsum([lut.entries[f"k{k}"].latency_ns for k in order])
    touched = np.cumsum(true.touched_bytes[order])
    added_ns = term.added_ns(Traffic(touched, touched))
    assert (np.diff(sums_ns + added_ns) >= 0).all()
    assert (sums_ns + added_ns >= 0).all()


def test_a_space_is_predicted_by_its_own_networks_whatever_another_pays_for_the_same_segments():
    """Fifteen networks are too few to tell the cost of a run from what the segments take."""
    true, other, foreign = device(), device(fixed_ns=5e5), group_of("other", "infer")
    tables = {GROUP: true.table(networks_of(80)), foreign: other.table(networks_of(15, seed=9))}
    both = fit_lut(
        profile=DeviceProfile("profile-1", "board1", {}),
        precision="fp32",
        tables=tables,
        costs=true.costs(),
        canary=STEADY,
        memory={},
    )
    assert np.abs(errors(true, both)).max() < 1e-4
    own, mean = both.groups[GROUP].own_ns, {k: e.latency_ns for k, e in both.entries.items()}
    assert own.keys() == both.groups[foreign].own_ns.keys() == set(tables[foreign].keys)
    assert sum(own.values()) < sum(mean[key] for key in own)
    assert true.lut(tables[GROUP]).groups[GROUP].own_ns == {}


def test_networks_that_all_take_the_same_time_are_predicted_to():
    """Nothing but a fixed cost: no segment has a time of its own."""
    true = device()
    table = true.table(networks_of(60))
    flat = replace(table, latency_ns=np.full(60, 1e6))
    assert predicted_ns(true.lut(flat), true, UNSEEN) == pytest.approx(
        np.full(len(UNSEEN), 1e6), rel=0.02
    )


def test_fewer_than_twenty_networks_are_kept_as_they_were_measured():
    true = device(fixed_ns=1e5)
    lut = true.lut(true.table(networks_of(19), slower=np.linspace(1.0, 2.0, 19)))
    assert lut.groups[GROUP].term == NetworkTerm()
    shares = [ns for entry in lut.entries.values() for ns in entry.samples_ns]
    assert sum(shares) == pytest.approx(
        sum(true.latency_ns(networks_of(19)) * np.linspace(1.0, 2.0, 19)), rel=1e-4
    )


def test_flagged_networks_are_set_aside_where_good_ones_show_the_same_segment():
    true, flags = device(), ["good", "noisy"] * 40
    slower = np.where(np.arange(80) % 2, 5.0, 1.0)
    lut = true.lut(true.table(networks_of(80), slower=slower, qualities=flags))
    assert {entry.quality for entry in lut.entries.values()} == {"good"}
    assert sum(entry.set_aside for entry in lut.entries.values()) > 0
    assert lut.groups[GROUP].common_error.networks == 40


def test_a_network_that_ran_twice_shows_how_far_two_measurements_are_apart():
    true, networks = device(), networks_of(40)
    table = true.table([*networks, *networks[:4]], slower=np.r_[np.ones(40), np.full(4, 0.8)])
    again = replace(
        table, architecture_ids=(*table.architecture_ids[:40], *table.architecture_ids[:4])
    )
    found = true.lut(again).groups[GROUP].repeat
    assert found.networks == 4
    assert found.median == pytest.approx(0.25)
    assert true.lut(true.table(networks)).groups[GROUP].repeat is None


def test_an_unsteady_canary_widens_what_is_common_to_a_network():
    true = device()
    lut = true.lut(true.table(networks_of(60)), CanaryState(1000.0, 0.02))
    assert lut.groups[GROUP].common_error.half_width == pytest.approx(1.96 * 0.02)


def test_a_device_that_measured_nothing_has_an_empty_lut():
    lut = fit_lut(
        profile=DeviceProfile("profile-1", "board1", {}),
        precision="fp32",
        tables={},
        costs={},
        canary=STEADY,
        memory={},
    )
    assert lut.entries == {}
    assert lut.group("space", "infer").common_error.half_width == 0.10
    assert lut.group("space", "infer").common_error.networks == 0


@pytest.mark.parametrize(
    ("facts", "sizes"),
    [
        ({"l2_bytes": 2**20, "l3_bytes": 2**24}, (2.0**20, 2.0**22, 2.0**23, 2.0**24)),
        ({"l2_bytes": 2**19, "l3_bytes": None}, (2.0**19,)),
        ({"l3_bytes": 2**21}, (2.0**19, 2.0**20, 2.0**21)),
        ({"threads": 1}, ()),
    ],
)
def test_caches_are_those_that_the_device_states_and_parts_of_a_shared_one(facts, sizes):
    assert cache_sizes(DeviceProfile("p", "board", facts)) == sizes
