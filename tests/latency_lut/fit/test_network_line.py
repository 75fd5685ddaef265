from dataclasses import dataclass

import numpy as np
import pytest

from latency_lut.fit.network_line import Segments, asymmetric_weights, fit_line
from latency_lut.fit.network_term import NetworkTerm, Traffic
from latency_lut.fit.networks import Networks
from latency_lut.fit.timed_table import Floats

N, K = 80, 30
CACHE = 2e6


@dataclass(frozen=True, kw_only=True)
class Made:
    """Networks of 3 to 20 random segments, on which the profiler says what it says."""

    holds: Floats
    segments: Segments

    def line(self, latency_ns, caches=(CACHE,), good=None, count=N):
        good = np.ones(N, bool) if good is None else good
        networks = Networks(
            latency_ns=latency_ns[:count], good=good[:count], holds=self.holds[:count]
        )
        return fit_line(networks, self.segments, caches)

    def predicted_ns(self, line):
        segments_ns = line.stretch * self.segments.known_ns + line.piece_ns * self.segments.pieces
        return self.holds @ segments_ns + line.term.added_ns(self.traffic)

    @property
    def profiled_ns(self):
        return self.holds @ self.segments.known_ns

    @property
    def nodes(self):
        return self.holds @ self.segments.pieces

    @property
    def traffic(self):
        segments = self.segments.traffic
        return Traffic(self.holds @ segments.touched, self.holds @ segments.kept)


@pytest.fixture
def networks():
    rng = np.random.default_rng(0)
    known_ns = np.exp(rng.uniform(np.log(2e4), np.log(1e6), K))
    pieces = rng.integers(1, 13, K).astype(float)
    touched = np.exp(rng.uniform(np.log(2e4), np.log(2e6), K))
    return Made(
        holds=(rng.random((N, K)) < rng.uniform(0.1, 0.7, (N, 1))).astype(float) + np.eye(N, K),
        segments=Segments(
            known_ns=known_ns,
            pieces=pieces,
            # Some segments keep ten times as much as they touch in a run, as mixtures do.
            traffic=Traffic(touched, touched * np.where(np.arange(K) % 3, 1.0, 10.0)),
        ),
    )


def test_a_profiler_that_only_stretches_is_undone(networks):
    line = networks.line(networks.profiled_ns / 1.6)
    assert networks.predicted_ns(line) == pytest.approx(networks.profiled_ns / 1.6, rel=0.01)


def test_a_profiler_that_makes_each_node_longer_is_undone(networks):
    true_ns = networks.profiled_ns / 1.2 - 2000.0 * networks.nodes
    line = networks.line(true_ns)
    assert line.piece_ns < 0
    assert networks.predicted_ns(line) == pytest.approx(true_ns, rel=0.02)


def test_what_runs_between_nodes_is_a_cost_of_each_node(networks):
    true_ns = networks.profiled_ns + 20_000.0 * networks.nodes
    line = networks.line(true_ns)
    assert line.piece_ns == pytest.approx(20_000.0, rel=0.2)
    assert networks.predicted_ns(line) == pytest.approx(true_ns, rel=0.03)


def test_a_fixed_cost_and_that_of_a_byte_beyond_a_cache_are_found(networks):
    true_ns = networks.profiled_ns + 300_000.0 + 0.5 * networks.traffic.beyond(CACHE)
    line = networks.line(true_ns, (CACHE, 1e12))
    assert networks.predicted_ns(line) == pytest.approx(true_ns, rel=0.03)
    (term,) = line.term.beyond
    assert (term.cache_bytes, term.ns_per_byte) == (CACHE, pytest.approx(0.5, rel=0.2))


def test_the_cost_of_a_byte_that_other_runs_displace_is_found(networks):
    cache = 5 * CACHE
    true_ns = networks.profiled_ns + 2.0 * networks.traffic.reloaded(cache)
    line = networks.line(true_ns, (cache,))
    assert networks.predicted_ns(line) == pytest.approx(true_ns, rel=0.03)
    assert line.term.reloaded.cache_bytes == cache
    assert line.term.reloaded.ns_per_byte == pytest.approx(2.0, rel=0.2)


def test_a_cache_that_no_network_outgrew_has_no_term(networks):
    line = networks.line(networks.profiled_ns + 1e5, (CACHE, 1e11, 1e12))
    assert 1e11 not in [term.cache_bytes for term in line.term.beyond]
    assert line.term.reloaded is None


def test_a_device_that_does_not_state_its_caches_has_no_term_of_theirs(networks):
    term = networks.line(networks.profiled_ns + 1e5, ()).term
    assert (term.beyond, term.reloaded) == ((), None)


def test_of_fewer_than_twenty_networks_only_the_stretch_is_learnt(networks):
    line = networks.line(networks.profiled_ns * 0.5 + 1e5, count=19)
    assert (line.piece_ns, line.term) == (0.0, NetworkTerm())
    assert line.stretch > 0.5


def test_disturbances_only_add_and_move_the_line_little(networks):
    rng = np.random.default_rng(1)
    disturbed = 1 + np.where(np.arange(N) % 3 == 0, rng.exponential(0.3, N), 0.0)
    line = networks.line(networks.profiled_ns * disturbed)
    ratios = networks.predicted_ns(line) / networks.profiled_ns
    assert abs(ratios.mean() - 1) < 0.3 * (disturbed.mean() - 1)  # a mean would have said all of it


def test_flagged_networks_say_less_than_good_ones(networks):
    wrong = np.where(np.arange(N) % 2, 0.7, 1.0)
    flagged = networks.line(networks.profiled_ns * wrong, good=wrong == 1)
    believed = networks.line(networks.profiled_ns * wrong)
    off = [networks.predicted_ns(line) / networks.profiled_ns for line in (flagged, believed)]
    assert np.abs(off[0] - 1).mean() < np.abs(off[1] - 1).mean() / 1.5


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_measured_no_cost_but_that_of_a_node_is_negative(networks, seed):
    """Latencies that have nothing to do with the networks, or run against their size."""
    rng = np.random.default_rng(seed)
    wild = np.exp(rng.uniform(np.log(1e4), np.log(1e7), N))
    line = networks.line(wild if seed % 2 else 1e12 / networks.profiled_ns, (1e5, 1e7, 1e9))
    assert line.stretch >= 0
    assert line.term.fixed_ns >= 0
    assert all(term.ns_per_byte > 0 for term in line.term.beyond)


def test_what_lies_far_above_counts_less_than_what_lies_near():
    near, far, below = asymmetric_weights(np.array([0.01, 1.0, -0.01]))
    assert 0 < far < 0.1 * near
    assert near < below
