from dataclasses import replace

import numpy as np
import pytest

from latency_lut import TRANSFERRED
from latency_lut.transfer.transfer import transfer
from tests.latency_lut.two_devices import KEYS, measured, new_times, old_times

NUMBER = {key: n for n, key in enumerate(KEYS)}


def source():
    return measured(old_times(), 80, seed=9).lut()


def errors(lut, times, keys):
    return np.array([lut.entries[key].latency_ns / times[NUMBER[key]] - 1 for key in keys])


def test_every_segment_of_the_source_gets_an_entry_and_the_unseen_ones_say_so():
    own = measured(new_times(scatter=0.05), 6).lut()
    lut = transfer(source(), own)
    assert lut.entries.keys() == set(KEYS)
    assert own.entries.keys() < lut.entries.keys()
    for key, entry in lut.entries.items():
        assert (entry.quality == TRANSFERRED) == (key not in own.entries)
        assert entry.carriers == len(entry.samples_ns)
        assert entry.low_ns <= entry.latency_ns <= entry.high_ns
        assert entry.key == key
    assert lut.costs.keys() == set(KEYS)
    assert lut.profile == own.profile


def test_unseen_segments_come_out_near_what_they_take_on_the_new_device():
    times = new_times(scatter=0.05)
    own = measured(times, 6).lut()
    lut = transfer(source(), own)
    unseen = lut.entries.keys() - own.entries.keys()
    found = errors(lut, times, unseen)
    assert np.abs(found).mean() < 0.08
    assert abs(found.mean()) < 0.05


def test_intervals_of_unseen_segments_hold_what_they_take():
    times, inside = new_times(scatter=0.1), []
    for seed in range(5):
        own = measured(times, 6, seed=seed).lut()
        entries = transfer(source(), own).entries
        unseen = entries.keys() - own.entries.keys()
        inside += [entries[k].low_ns <= times[NUMBER[k]] <= entries[k].high_ns for k in unseen]
    assert 0.9 <= np.mean(inside) <= 0.99


def test_a_segment_that_was_seen_well_keeps_its_own_estimate():
    times = new_times(scatter=0.2)
    own = measured(times, 60, seed=4).lut()
    lut = transfer(source(), own)
    for key, entry in own.entries.items():
        assert lut.entries[key].latency_ns == pytest.approx(entry.latency_ns, rel=0.02)
        assert lut.entries[key].samples_ns == entry.samples_ns


def test_a_segment_seen_badly_lies_between_its_own_and_the_transferred_estimate():
    own = measured(new_times(), 10).lut()
    key = min(own.entries)
    wrong = own.entries[key]
    wrong = replace(
        wrong,
        latency_ns=2 * wrong.latency_ns,
        low_ns=0,
        high_ns=5 * wrong.latency_ns,
        carriers=1,
        samples_ns=(2 * wrong.latency_ns,),
        quality="noisy",
    )
    lut = transfer(source(), replace(own, entries={**own.entries, key: wrong}))
    found = lut.entries[key]
    true_ns = new_times()[NUMBER[key]]
    assert true_ns * 0.95 < found.latency_ns < 1.3 * true_ns
    assert found.quality == "noisy"
    assert found.high_ns - found.low_ns < wrong.high_ns - wrong.low_ns


def test_of_a_family_that_no_carrier_had_nothing_is_made_up():
    filters = [key for key in KEYS if key.startswith("filter")]
    own = measured(new_times(), 10, keys=filters).lut()
    assert transfer(source(), own).entries.keys() == set(filters)


def test_without_a_segment_in_common_the_own_lut_is_all_there_is():
    own = measured(new_times(), 0).lut()
    assert transfer(source(), own) is own
    alone = measured(new_times(), 3).lut()
    assert transfer(own, alone) is alone


def test_what_the_source_does_not_know_is_the_devices_own():
    some = KEYS[: len(KEYS) // 4]
    few = measured(old_times(), 30, seed=9, keys=some).lut()
    own = measured(new_times(), 10).lut()
    lut = transfer(few, own)
    for key in own.entries.keys() - few.entries.keys():
        assert lut.entries[key] == own.entries[key]


def test_a_segment_that_takes_no_time_has_no_ratio_and_stays_as_it_is():
    own, old = measured(new_times(), 40, seed=5).lut(), source()
    key = min(own.entries.keys() & old.entries.keys())
    nothing = replace(old.entries[key], latency_ns=0, low_ns=0, high_ns=0)
    lut = transfer(replace(old, entries={**old.entries, key: nothing}), own)
    assert lut.entries[key] == own.entries[key]
    free = replace(own.entries[key], latency_ns=0, low_ns=0, high_ns=0)
    lut = transfer(old, replace(own, entries={**own.entries, key: free}))
    assert lut.entries[key] == free
