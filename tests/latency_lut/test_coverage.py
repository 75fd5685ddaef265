from latency_lut import coverage
from tests.latency_lut.networks import PROFILE, all_architectures, measure


def test_coverage_names_what_is_missing(store, space):
    measure(store, space, space.smallest())
    found = coverage(space, store.lut(PROFILE.id))
    assert (found.known, found.total) == (2, 7)
    assert len(found.missing) == 5
    assert "dense(bias=0,size=100)@infer/fp32" in found.missing
    assert found.share == 2 / 7


def test_a_space_is_covered_when_every_network_was_measured(store, space):
    for architecture in all_architectures(space):
        measure(store, space, architecture)
    assert coverage(space, store.lut(PROFILE.id)).missing == ()
    assert coverage(space, store.lut(PROFILE.id)).share == 1.0
