import json
import multiprocessing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from latency_lut import (
    AttributionError,
    BadRecord,
    Ceilings,
    DeviceProfile,
    NodeTiming,
    StoreError,
    open_store,
)
from search_spaces import Place, Space, Value
from tests.latency_lut.networks import (
    PROFILE,
    Dense,
    all_architectures,
    cost_of,
    costs_of,
    measure,
    record_of,
    store_in,
    timing,
    tiny_space,
)


def test_a_record_comes_back_as_it_went_in(store):
    space = tiny_space(("infer", "learn"))
    record = record_of(space, space.largest(), canary_ns=5, peak_bytes=2**40)
    segments = space.segments(space.largest())
    store.add_network(record, segments, costs_of(space, segments))
    assert store.networks(PROFILE.id) == (record,)


def test_networks_are_chosen_by_space_precision_and_purpose(store, space):
    measure(store, space, space.smallest())
    measure(store, space, space.largest(), purpose="verify")
    measure(store, space, space.smallest(), precision="int8")

    def found(**wanted: str) -> list[str]:
        return [n.architecture_id for n in store.networks(PROFILE.id, **wanted)]

    small, large = space.smallest().id, space.largest().id
    assert found() == [small, large, small]
    assert found(purpose="verify") == [large]
    assert found(precision="int8") == [small]
    assert found(precision="fp32", space="tiny") == [small, large]
    assert found(space="mobile") == []
    assert store.networks("another profile") == ()


def test_what_else_was_observed_comes_back_word_for_word(store, space):
    observed = '{"energy_j": 0.25, "temperature_c": [51.5, null]}'
    measure(store, space, space.smallest(), observed_json=observed)
    assert store.networks(PROFILE.id)[0].observed_json == observed
    measure(store, space, space.smallest(), observed_json="{}")
    assert len(store.networks(PROFILE.id)) == 2


def test_carriers_are_told_once_each_and_without_networks_of_other_purposes(store, space):
    networks = list(all_architectures(space))
    for day in ("first", "second"):
        measure(store, space, networks[0], created_utc=day)
    measure(store, space, networks[1], purpose="verify")
    measure(store, space, networks[2], precision="int8")
    assert store.carriers(space, PROFILE.id, "fp32") == (networks[0],)
    assert store.carriers(space, PROFILE.id, "int8") == (networks[2],)
    assert store.carriers(space, "another profile", "fp32") == ()


def test_carriers_of_a_part_of_a_space_are_those_within_it(store, space):
    for architecture in all_architectures(space):
        measure(store, space, architecture)
    part = space.restricted({"size": [1]})
    found = store.carriers(part, PROFILE.id, "fp32")
    assert len(found) == part.count()
    assert {a.choices["size"] for a in found} == {1}
    assert len(store.carriers(space, PROFILE.id, "fp32")) == space.count()


def test_carriers_of_another_space_are_not_taken_for_ones_own(store, space):
    measure(store, space, space.smallest())
    assert store.carriers(replace(space, name="other"), PROFILE.id, "fp32") == ()


def on_other_data(space: Space) -> Space:
    """The same choices, whose stem has another shape."""

    def stem(values: Mapping[str, Value]) -> Dense:
        return Dense(size=1000 * int(values["size"]))

    return replace(space, places=(Place("stem", ("size",), stem), *space.places[1:]))


def test_carriers_on_data_of_another_shape_are_not_taken_for_ones_own(store, space):
    other, network = on_other_data(space), space.smallest()
    measure(store, other, network, created_utc="first")
    assert store.carriers(space, PROFILE.id, "fp32") == ()
    measure(store, space, network, created_utc="second")
    assert store.carriers(space, PROFILE.id, "fp32") == (network,)
    for of, day in ((other, "first"), (space, "second")):
        (record,) = store.carrier_records(of, PROFILE.id, "fp32")
        assert record.created_utc == day


def test_one_network_on_data_of_two_shapes_is_not_one_that_ran_twice(store, space):
    other, network = on_other_data(space), space.largest()
    for of in (other, space):
        measure(store, of, network)
    groups = store.lut(PROFILE.id).groups
    assert [group.repeat for group in groups.values()] == [None]


def test_the_same_record_twice_is_kept_once(store, space):
    for _ in range(3):
        measure(store, space, space.smallest())
    assert len(store.networks(PROFILE.id)) == 1
    measure(store, space, space.smallest(), created_utc="2026-01-02T03:04:06+00:00")
    assert len(store.networks(PROFILE.id)) == 2


def test_a_profile_added_again_becomes_the_newest_of_its_device(store):
    second = DeviceProfile("profile-2", "board1", {"threads": 2})
    store.add_profile(second)
    assert store.profiles("board1") == (PROFILE, second)
    store.add_profile(PROFILE)
    assert store.profiles("board1") == (second, PROFILE)
    assert store.profiles("board2") == ()


def test_two_devices_of_one_profile_share_its_lut(store, space):
    store.add_profile(DeviceProfile(PROFILE.id, "board2", PROFILE.facts))
    measure(store, space, space.smallest())
    (theirs,) = store.profiles("board2")
    assert theirs.facts == PROFILE.facts
    assert len(store.lut(theirs.id).entries) == 2
    assert len(store.profiles()) == 2


def test_an_entry_is_the_median_of_networks_scaled_by_their_canaries(store, space):
    """A device that is half as fast for a while, and its canary with it, changes nothing."""
    wanted = {"size": 1, "bias1": False}
    networks = (a for a in all_architectures(space) if wanted.items() <= a.choices.items())
    for i, slower in enumerate((1, 1, 2, 1, 4)):
        measure(
            store,
            space,
            next(networks),
            slower=slower,
            canary_ns=1000 * slower,
            created_utc=f"day {i}",
        )
    lut = store.lut(PROFILE.id)
    entry = lut.entries["dense(bias=0,size=10)@infer/fp32"]
    assert entry.samples_ns == (10_000,) * 5
    assert lut.canary.usual_ns == 1000
    assert [lut.canary.scale(n.canary_ns) for n in store.networks(PROFILE.id)] == [
        1,
        1,
        0.5,
        1,
        0.25,
    ]


def test_each_precision_and_profile_has_a_lut_of_its_own(store, space):
    store.add_profile(DeviceProfile("profile-2", "board1"))
    measure(store, space, space.smallest())
    measure(store, space, space.smallest(), precision="int8", slower=0.5)
    measure(store, space, space.smallest(), profile_id="profile-2", slower=3)
    key = "dense(bias=0,size=1)@infer/"
    assert store.lut(PROFILE.id).entries[key + "fp32"].latency_ns == 1000
    assert store.lut(PROFILE.id, "int8").entries.keys() == {
        "dense(bias=0,size=1)@infer/int8",
        "dense(bias=0,size=10)@infer/int8",
    }
    assert store.lut("profile-2").entries[key + "fp32"].latency_ns == 3000


def test_networks_timed_without_their_nodes_make_no_entry_but_keep_their_memory(store, space):
    for i in range(8):
        measure(store, space, space.smallest(), profiled=False, peak_bytes=9, static_bytes=i)
    lut = store.lut(PROFILE.id)
    assert lut.entries == {}
    assert lut.memory_of(space.name).records == 8
    assert len(store.networks(PROFILE.id)) == 8


def test_costs_are_kept_by_segment_key(store, space):
    measure(store, space, space.largest())
    phase, segments = space.phases[0], space.segments(space.largest())
    assert store.lut(PROFILE.id).costs == {s.key(phase): cost_of(s, phase) for s in segments}


def test_a_profile_of_another_network_is_refused_and_nothing_of_it_is_kept(store, space):
    record = record_of(space, space.largest())
    segments = space.segments(space.smallest())
    with pytest.raises(AttributionError):
        store.add_network(record, segments, costs_of(space, segments))
    assert store.networks(PROFILE.id) == ()
    assert store.lut(PROFILE.id).costs == {}


def test_a_network_fails_as_a_whole_when_its_last_phase_does(store):
    space = tiny_space(("infer", "learn"))
    record = record_of(space, space.smallest())
    bad = replace(record.phases[1], nodes=(NodeTiming("elsewhere/0_Conv", "Conv", 1),))
    segments = space.segments(space.smallest())
    with pytest.raises(AttributionError):
        store.add_network(
            replace(record, phases=(record.phases[0], bad)), segments, costs_of(space, segments)
        )
    assert store.networks(PROFILE.id) == ()


def test_a_network_without_the_cost_of_a_segment_is_refused(store, space):
    with pytest.raises(BadRecord, match="no cost of dense"):
        store.add_network(record_of(space, space.smallest()), space.segments(space.smallest()), {})


def test_an_unknown_profile_is_named(store, space):
    with pytest.raises(StoreError, match="'nobody'"):
        store.lut("nobody")
    with pytest.raises(StoreError, match="'nobody'"):
        measure(store, space, space.smallest(), profile_id="nobody")


def test_what_was_measured_is_there_after_closing(tmp_path, space):
    with store_in(tmp_path) as store:
        measure(store, space, space.smallest())
    with store_in(tmp_path) as store:
        assert len(store.networks(PROFILE.id)) == 1


def test_a_store_and_a_study_live_in_one_database(tmp_path, space):
    url = f"sqlite:///{tmp_path}/nas.db"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for first in ("study", "store"):
        if first == "study":
            optuna.create_study(storage=url, study_name="s")
        with store_in(tmp_path) as store:
            measure(store, space, space.smallest())
        study = optuna.load_study(storage=url, study_name="s")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    assert len(study.trials) == 2


def test_a_study_may_be_added_to_the_file_of_a_store(tmp_path, space):
    with store_in(tmp_path) as store:
        study = optuna.create_study(storage=f"sqlite:///{tmp_path}/nas.db")
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
        measure(store, space, space.smallest())
        assert len(store.networks(PROFILE.id)) == 1


def _add_many(folder: Path, worker: int) -> None:
    space = tiny_space()
    with store_in(folder) as store:
        for i in range(20):
            measure(store, space, space.largest(), created_utc=f"{worker}:{i}")
            store.lut(PROFILE.id)


def test_several_processes_write_one_file_without_locking_each_other_out(tmp_path):
    """All start on a file that is not there yet, and add the same segments and profile."""
    spawn = multiprocessing.get_context("fork")
    workers = [spawn.Process(target=_add_many, args=(tmp_path, w)) for w in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with store_in(tmp_path) as store:
        assert len(store.networks(PROFILE.id)) == 80
        (entry, *_) = store.lut(PROFILE.id).entries.values()
        assert entry.carriers + entry.set_aside == 80


def test_facts_survive_as_json(tmp_path):
    facts = {"board": "Raspberry Pi 5 – 8 GB", "cores": [0, 1], "l3_bytes": None, "spin": True}
    with open_store(f"sqlite:///{tmp_path}/a/b/nas.db") as store:
        store.add_profile(DeviceProfile("p", "board", facts))
        (found,) = store.profiles("board")
    assert json.dumps(dict(found.facts), sort_keys=True) == json.dumps(facts, sort_keys=True)


def test_a_failed_phase_leaves_its_record_but_no_entry(store, space):
    architecture = space.smallest()
    segments = space.segments(architecture)
    failed = timing(1, latency_ns=0, low_ns=0, high_ns=0, p90_ns=0, runs=0, quality="failed")
    record = record_of(space, architecture, phases=(failed,))
    store.add_network(record, segments, costs_of(space, segments))
    assert store.lut(PROFILE.id).entries == {}
    assert store.networks(PROFILE.id)[0].phases[0].quality == "failed"


def test_every_network_of_a_space_is_predicted_as_it_was_measured(store, space):
    for architecture in all_architectures(space):
        measure(store, space, architecture)
    lut = store.lut(PROFILE.id)
    fit = lut.group(space.name, space.phases[0].key)
    assert fit.common_error.networks == len(list(all_architectures(space)))
    assert fit.common_error.half_width == 0


def ceilings(gflops: int, gigabytes: int, quality: str = "good") -> Ceilings:
    return Ceilings(flops_per_s=gflops * 10**9, bytes_per_s=gigabytes * 10**9, quality=quality)


def test_the_ceilings_of_a_profile_are_none_until_they_are_measured(store):
    assert store.ceilings(PROFILE.id) is None
    store.add_ceilings(PROFILE.id, ceilings(110, 12))
    assert store.ceilings(PROFILE.id) == ceilings(110, 12)


def test_of_two_measured_ceilings_the_higher_stays_rate_by_rate(store):
    store.add_ceilings(PROFILE.id, ceilings(100, 12))
    store.add_ceilings(PROFILE.id, ceilings(110, 9))
    assert store.ceilings(PROFILE.id) == ceilings(110, 12)


def test_ceilings_are_good_once_one_measurement_was(store):
    for quality, expected in (("noisy", "noisy"), ("good", "good"), ("throttled", "good")):
        store.add_ceilings(PROFILE.id, ceilings(100, 12, quality))
        assert store.ceilings(PROFILE.id).quality == expected


def test_ceilings_of_a_profile_that_is_not_there_are_refused(store):
    with pytest.raises(StoreError, match="no device profile 'elsewhere'"):
        store.add_ceilings("elsewhere", ceilings(100, 12))
    assert store.ceilings("elsewhere") is None
