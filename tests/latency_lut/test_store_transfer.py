"""A profile whose LUT starts from another's, in a real store."""

import pytest

from latency_lut import TRANSFERRED, DeviceProfile, StoreError
from latency_lut.storage.store import Store
from search_spaces import Architecture, Space
from tests.latency_lut.networks import PROFILE, all_architectures, measure, store_in, tiny_space

NEW = DeviceProfile("profile-2", "board2")
THIRD = DeviceProfile("profile-3", "board3")
BIASED = "dense(bias=1,size=10)@infer/fp32"


@pytest.fixture
def begun(store: Store, space: Space) -> Store:
    """The old device ran every network, the new one the smallest, four times as slowly."""
    store.add_profile(NEW)
    for architecture in all_architectures(space):
        measure(store, space, architecture)
    on_new(store, space, space.smallest())
    return store


def on_new(store: Store, space: Space, architecture: Architecture, slower: float = 4) -> None:
    measure(store, space, architecture, profile_id=NEW.id, slower=slower)


def test_what_the_device_lacks_is_taken_from_its_source_and_marked(begun):
    assert BIASED not in begun.lut(NEW.id).entries
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    lut = begun.lut(NEW.id)
    assert lut.entries.keys() == begun.lut(PROFILE.id).entries.keys()
    assert lut.entries[BIASED].quality == TRANSFERRED
    assert lut.entries[BIASED].latency_ns == pytest.approx(4 * 10_500, rel=0.1)
    assert lut.profile == NEW
    assert lut.costs.keys() >= lut.entries.keys()


def test_a_transferred_lut_is_kept_and_read_again_as_it_was(begun):
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    assert begun.lut(NEW.id) == begun.lut(NEW.id)


def test_what_is_measured_later_takes_over(begun, space):
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    before = begun.lut(NEW.id).entries[BIASED]
    for architecture in all_architectures(space):
        on_new(begun, space, architecture, slower=8)
    after = begun.lut(NEW.id).entries[BIASED]
    assert (before.carriers, before.quality) == (0, TRANSFERRED)
    assert (after.carriers > 0, after.quality) == (True, "good")
    assert after.latency_ns == pytest.approx(8 * 10_500, rel=0.1)


def test_what_the_source_learns_later_counts_too(store, space):
    store.add_profile(NEW)
    measure(store, space, space.smallest())
    on_new(store, space, space.smallest())
    store.start_from(NEW.id, "fp32", PROFILE.id)
    assert BIASED not in store.lut(NEW.id).entries
    for architecture in all_architectures(space):
        measure(store, space, architecture, created_utc="later")
    assert store.lut(NEW.id).entries[BIASED].quality == TRANSFERRED


def test_each_precision_has_a_source_of_its_own(begun):
    begun.start_from(NEW.id, "int8", PROFILE.id)
    assert BIASED not in begun.lut(NEW.id).entries


def test_another_source_takes_the_place_of_the_first(begun, space):
    begun.add_profile(THIRD)
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    begun.start_from(NEW.id, "fp32", THIRD.id)
    assert BIASED not in begun.lut(NEW.id).entries  # the third board knows nothing


def test_a_device_may_start_from_one_that_started_from_another(begun, space):
    begun.add_profile(THIRD)
    measure(begun, space, space.smallest(), profile_id=THIRD.id, slower=2)
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    begun.start_from(THIRD.id, "fp32", NEW.id)
    entry = begun.lut(THIRD.id).entries[BIASED]
    assert entry.latency_ns == pytest.approx(2 * 10_500, rel=0.1)
    of_source = begun.lut(NEW.id).entries[BIASED]
    assert entry.high_ns / entry.latency_ns > of_source.high_ns / of_source.latency_ns


def test_a_device_cannot_start_from_itself_by_whatever_way(begun):
    begun.add_profile(THIRD)
    with pytest.raises(StoreError, match="board2 cannot start from the LUT of board2"):
        begun.start_from(NEW.id, "fp32", NEW.id)
    begun.start_from(NEW.id, "fp32", PROFILE.id)
    begun.start_from(THIRD.id, "fp32", NEW.id)
    with pytest.raises(StoreError, match="board1 cannot start from the LUT of board3"):
        begun.start_from(PROFILE.id, "fp32", THIRD.id)
    assert begun.lut(PROFILE.id).entries[BIASED].quality == "good"


@pytest.mark.parametrize(("own", "source"), [("unheard", PROFILE.id), (NEW.id, "unheard")])
def test_a_profile_that_nobody_knows_is_named(begun, own, source):
    with pytest.raises(StoreError, match="no device profile 'unheard'"):
        begun.start_from(own, "fp32", source)


def test_a_transfer_is_checked_phase_by_phase(tmp_path):
    space = tiny_space(("infer", "learn"))
    with store_in(tmp_path) as store:
        store.add_profile(NEW)
        for number, architecture in enumerate(all_architectures(space)):
            measure(store, space, architecture)
            if number % 2:
                on_new(store, space, architecture)
        assert store.check_transfer(space, NEW.id, "fp32") == {}
        store.start_from(NEW.id, "fp32", PROFILE.id)
        checks = store.check_transfer(space, NEW.id, "fp32")
    assert list(checks) == ["infer", "learn"]
    assert all(check.mean_error < 0.02 and not check.failed for check in checks.values())
