import numpy as np
import pytest

from latency_lut.fit.network_term import CacheTerm, NetworkTerm, Traffic


def test_what_a_term_adds_is_its_formula():
    term = NetworkTerm(100.0, (CacheTerm(1000.0, 0.5), CacheTerm(1400.0, 2.0)), networks=20)
    sizes = np.array([0.0, 1000.0, 1500.0])
    assert term.added_ns(Traffic(sizes, sizes)).tolist() == [100.0, 100.0, 550.0]


def test_runs_that_touch_other_bytes_take_a_cache_from_each_other():
    term = NetworkTerm(reloaded=CacheTerm(1000.0, 0.5), networks=20)
    touched, kept = np.array([0.0, 400.0, 400.0, 400.0]), np.array([0.0, 1000.0, 2000.0, 8000.0])
    assert term.added_ns(Traffic(touched, kept)).tolist() == [0.0, 0.0, 100.0, 175.0]


def test_a_network_that_keeps_only_what_it_touches_reloads_what_is_beyond_the_cache():
    sizes = np.array([500.0, 1000.0, 1500.0])
    traffic = Traffic(sizes, sizes)
    assert traffic.reloaded(1000.0) == pytest.approx(traffic.beyond(1000.0))


def test_no_networks_add_nothing():
    sizes = np.array([0.0, 1e9])
    assert NetworkTerm().added_ns(Traffic(sizes, sizes)).tolist() == [0.0, 0.0]


def test_networks_with_unknown_parts_get_no_number():
    unknown, known = np.array([np.nan]), np.array([1.0])
    terms = (
        NetworkTerm(),
        NetworkTerm(100.0, (CacheTerm(1000.0, 0.5),)),
        NetworkTerm(reloaded=CacheTerm(1000.0, 0.5)),
    )
    for term in terms:
        for traffic in (Traffic(unknown, unknown), Traffic(known, unknown)):
            assert np.isnan(term.added_ns(traffic)).all()
