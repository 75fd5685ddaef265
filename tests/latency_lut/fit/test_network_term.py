import numpy as np

from latency_lut.fit.network_term import CacheTerm, NetworkTerm


def test_what_a_term_adds_is_its_formula():
    term = NetworkTerm(100.0, (CacheTerm(1000.0, 0.5), CacheTerm(1400.0, 2.0)), 20)
    assert term.added_ns(np.array([0.0, 1000.0, 1500.0])).tolist() == [100.0, 100.0, 550.0]


def test_no_networks_add_nothing():
    assert NetworkTerm().added_ns(np.array([0.0, 1e9])).tolist() == [0.0, 0.0]


def test_networks_with_unknown_parts_get_no_number():
    unknown = np.array([np.nan])
    assert np.isnan(NetworkTerm(100.0, (CacheTerm(1000.0, 0.5),)).added_ns(unknown)).all()
    assert np.isnan(NetworkTerm().added_ns(unknown)).all()
