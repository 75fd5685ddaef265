import numpy as np
import pytest

from latency_lut.network_term import CacheTerm, NetworkTerm, fit_term

N = 80
CACHE = 2e6


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def sums_ns(rng):
    return np.exp(rng.uniform(np.log(2e5), np.log(5e6), N))


@pytest.fixture
def nodes(rng):
    return rng.integers(10, 200, N).astype(float)


@pytest.fixture
def touched(rng):
    return np.exp(rng.uniform(np.log(2e5), np.log(2e7), N))


def test_fewer_than_twenty_networks_say_nothing(sums_ns, nodes, touched):
    few = [values[:19] for values in (sums_ns, nodes, touched)]
    fitted = fit_term(few[0] + 1e5, *few, (CACHE,))
    assert fitted.term == NetworkTerm()
    assert fitted.entry_scale == 1.0


def test_what_adds_up_has_no_term(sums_ns, nodes, touched):
    fitted = fit_term(sums_ns, sums_ns, nodes, touched, (CACHE,))
    assert fitted.entry_scale == pytest.approx(1.0, abs=1e-3)
    assert fitted.term.added_ns(nodes, touched).max() < 2e-3 * sums_ns.min()
    assert fitted.term.networks == N


def test_fixed_node_and_cache_costs_are_found_again(sums_ns, nodes, touched):
    latency_ns = 0.9 * sums_ns + 50_000.0 + 1500.0 * nodes + 0.2 * np.maximum(touched - CACHE, 0.0)
    fitted = fit_term(latency_ns, sums_ns, nodes, touched, (CACHE,))
    assert fitted.entry_scale == pytest.approx(0.9, rel=0.01)
    assert fitted.term.fixed_ns == pytest.approx(50_000.0, rel=0.05)
    assert fitted.term.node_ns == pytest.approx(1500.0, rel=0.05)
    (beyond,) = fitted.term.beyond
    assert beyond.cache_bytes == CACHE
    assert beyond.ns_per_byte == pytest.approx(0.2, rel=0.05)


def test_of_several_caches_the_one_that_counts_is_found(sums_ns, nodes, touched):
    latency_ns = sums_ns + 0.3 * np.maximum(touched - 8e6, 0.0)
    fitted = fit_term(latency_ns, sums_ns, nodes, touched, (5e5, CACHE, 8e6))
    added = fitted.term.added_ns(nodes, touched)
    assert added == pytest.approx(latency_ns - sums_ns, abs=0.02 * latency_ns.max())
    rates = {term.cache_bytes: term.ns_per_byte for term in fitted.term.beyond}
    assert max(rates, key=rates.get) == 8e6


def test_disturbances_only_add_and_move_the_fit_little(sums_ns, nodes, touched, rng):
    disturbed = 1 + np.where(np.arange(N) % 3 == 0, rng.exponential(0.3, N), 0.0)
    fitted = fit_term(sums_ns * disturbed, sums_ns, nodes, touched, ())
    usual = fitted.entry_scale + fitted.term.added_ns(nodes, touched) / sums_ns
    assert (usual.mean() - 1) < 0.3 * (disturbed.mean() - 1)  # a mean would have said all of it
    assert usual.min() > 0.99


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_measured_no_term_is_negative_and_none_falls(seed):
    """Latencies that have nothing to do with the networks, or run against their size."""
    rng = np.random.default_rng(seed)
    sums = np.exp(rng.uniform(np.log(1e4), np.log(1e7), 40))
    nodes, touched = rng.integers(1, 99, 40).astype(float), rng.uniform(1e3, 1e8, 40)
    latency = np.exp(rng.uniform(np.log(1e4), np.log(1e7), 40)) if seed % 2 else sums**0.5 * 1e4
    fitted = fit_term(latency, sums, nodes, touched, (1e5, 1e7, 1e9))
    assert fitted.entry_scale >= 0.0
    assert fitted.term.added_ns(nodes, touched).min() >= 0.0
    grown = fitted.term.added_ns(nodes + rng.integers(0, 9, 40), touched * rng.uniform(1, 3, 40))
    assert (grown >= fitted.term.added_ns(nodes, touched)).all()


def test_a_cache_that_no_network_outgrew_has_no_term(sums_ns, nodes, touched):
    fitted = fit_term(sums_ns + 1e5, sums_ns, nodes, touched, (CACHE, 1e12))
    assert 1e12 not in [term.cache_bytes for term in fitted.term.beyond]
    assert np.isfinite(fitted.entry_scale)


def test_a_device_that_does_not_state_its_caches_has_no_term_of_theirs(sums_ns, nodes, touched):
    fitted = fit_term(sums_ns + 1e5, sums_ns, nodes, touched, ())
    assert fitted.term.beyond == ()
    assert fitted.term.fixed_ns == pytest.approx(1e5, rel=0.05)


def test_what_a_term_adds_is_its_formula():
    term = NetworkTerm(fixed_ns=100.0, node_ns=2.0, beyond=(CacheTerm(1000.0, 0.5),), networks=20)
    nodes, touched = np.array([0.0, 10.0, 10.0]), np.array([0.0, 1000.0, 1500.0])
    assert term.added_ns(nodes, touched).tolist() == [100.0, 120.0, 370.0]


def test_networks_with_unknown_parts_get_no_number():
    term = NetworkTerm(fixed_ns=100.0, node_ns=2.0, beyond=(CacheTerm(1000.0, 0.5),))
    unknown = np.array([np.nan, 5.0])
    assert np.isnan(term.added_ns(unknown, unknown[::-1])).all()
    assert np.isnan(NetworkTerm().added_ns(unknown, unknown))[0]
