from dataclasses import replace

from latency_lut import FEWEST_CHECKED, Predictor, coverage
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
    assert coverage(space, store.lut(PROFILE.id)).complete


def test_a_space_that_other_spaces_know_by_chance_lacks_networks_of_its_own(store, space):
    for architecture in all_architectures(space):
        measure(store, space, architecture)
    alike = replace(space, name="alike")
    found = coverage(alike, store.lut(PROFILE.id))
    assert (found.known, found.missing, found.unmeasured) == (7, (), ("infer",))
    assert not found.complete
    measure(store, alike, alike.smallest())
    assert coverage(alike, store.lut(PROFILE.id)).complete


def test_a_prediction_says_when_its_interval_is_assumed(store, space):
    own, others = list(all_architectures(space)), replace(space, name="alike")
    for architecture in own[: FEWEST_CHECKED - 1]:
        assert Predictor(space, store.lut(PROFILE.id)).unchecked == ("infer",)
        measure(store, space, architecture)
    for architecture in own:
        measure(store, space, architecture)
    assert Predictor(space, store.lut(PROFILE.id)).unchecked == ()
    assert Predictor(others, store.lut(PROFILE.id)).predict(own[0]).unchecked == ("infer",)
