import itertools
from collections import Counter
from dataclasses import replace

import pytest

from device_agents import Inventory, JobFailed, UnknownDevice
from latency_lut import TRANSFERRED, DeviceProfile, Predictor, StoreError
from nas.campaign.crew import Crew
from nas.campaign.ledger import space_keys
from nas.campaign.profiling import profile
from nas.campaign.transferring import choose_source, find_sources, start_from
from nas.errors import BadInput
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, arithmetic_rig, scripted

NEW = DeviceProfile("profile-2", "board2", {"threads": 2})


def new_device(rig, session=None):
    """The rig of another board, thrice as slow, with the store of the first."""
    session = session or ArithmeticSession()
    session.slowness = session.canary_slowness = 3.0
    rig.store.add_profile(NEW)
    return replace(rig, profile=NEW, session=session)


def ran(rig):
    """How often each carrier ran on the new device."""
    records = rig.store.networks(NEW.id, purpose="carrier")
    return Counter(record.architecture_id for record in records)


@pytest.fixture
def old(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]))
        yield rig


def test_a_few_carriers_and_the_old_lut_make_a_whole_one(old):
    rig = new_device(old)
    transfer = start_from(Crew([rig]), old.profile, samples=1)
    entries = rig.store.lut(NEW.id).entries
    assert entries.keys() == space_keys(rig.space)
    kinds = Counter(entry.quality for entry in entries.values())
    assert kinds == {"good": transfer.known, TRANSFERRED: transfer.transferred}
    assert transfer.known + transfer.transferred == transfer.total == 7
    assert transfer.transferred > 0
    assert len(ran(rig)) == 1
    of_old = rig.store.lut(old.profile.id).entries
    for key, entry in entries.items():
        assert entry.latency_ns == pytest.approx(3 * of_old[key].latency_ns, rel=0.05)


def test_networks_of_transferred_segments_say_so(old):
    rig = new_device(old)
    start_from(Crew([rig]), old.profile, samples=1)
    lut = rig.store.lut(NEW.id)
    prediction = Predictor(rig.space, lut).predict(rig.space.largest())
    transferred = {key for key, entry in lut.entries.items() if entry.quality == TRANSFERRED}
    assert prediction.missing == ()
    assert transferred & set(prediction.doubtful)


def test_devices_that_differ_by_a_factor_are_reported_to_transfer_well(old):
    transfer = start_from(Crew([new_device(old)]), old.profile, samples=10)
    (check,) = transfer.checks.values()
    assert check.mean_error < 0.03
    assert not transfer.failed
    assert transfer.wanted == 0


def test_some_carriers_run_twice_so_that_the_repeat_error_is_known(old):
    rig = new_device(old)
    transfer = start_from(Crew([rig]), old.profile, samples=6)
    assert sorted(ran(rig).values()) == [1] * 5 + [2]
    assert transfer.sampling.carriers == 7
    (check,) = transfer.checks.values()
    assert check.repeat.networks == 1


def test_a_killed_run_goes_on_and_more_samples_are_added_to_those_that_ran(old):
    rig = new_device(old)
    start_from(Crew([rig]), old.profile, samples=4)
    first = set(ran(rig))
    assert start_from(Crew([rig]), old.profile, samples=4).sampling.carriers == 0
    start_from(Crew([rig]), old.profile, samples=7)
    assert first < set(ran(rig))
    assert len(ran(rig)) == 7


def test_a_space_of_few_networks_ends_before_so_many_samples(old):
    rig = new_device(old)
    transfer = start_from(Crew([rig]), old.profile, samples=500)
    assert transfer.sampling.left == 0
    assert transfer.transferred == 0
    assert len(ran(rig)) <= rig.space.count()


def test_when_the_minutes_are_over_the_carrier_in_flight_is_the_last(old):
    seconds = itertools.count(step=10)
    rig = new_device(old)
    transfer = start_from(Crew([rig]), old.profile, minutes=0.6, clock=lambda: next(seconds))
    assert 0 < transfer.sampling.carriers < 30
    assert transfer.sampling.left > 0
    assert sum(ran(rig).values()) == transfer.sampling.carriers


def test_progress_grows_with_each_carrier(old):
    seen = []
    transfer = start_from(Crew([new_device(old)]), old.profile, samples=5, on_progress=seen.append)
    assert [s.carriers for s in seen] == list(range(1, transfer.sampling.carriers + 1))
    assert [s.done for s in seen] == sorted(s.done for s in seen)
    assert seen[-1].done == 1.0


def test_a_flagged_carrier_runs_once_more_behind_the_others(old):
    rig = new_device(old, ArithmeticSession(scripted("noisy")))
    start_from(Crew([rig]), old.profile, samples=3)
    records = rig.store.networks(NEW.id)
    assert records[0].architecture_id == records[-1].architecture_id
    assert [r.phases[0].quality for r in records] == ["noisy", "good", "good", "good"]


def test_a_carrier_that_fails_is_told_and_three_in_a_row_end_the_run(old):
    rig = new_device(old, ArithmeticSession(scripted("good", FAILURE)))
    transfer = start_from(Crew([rig]), old.profile, samples=4)
    assert transfer.sampling.failures == (str(FAILURE),)
    assert len(ran(rig)) == 3
    broken = replace(rig, session=ArithmeticSession(lambda _: FAILURE))
    with pytest.raises(JobFailed, match="it died"):
        start_from(Crew([broken]), old.profile, samples=12)
    assert len(ran(rig)) == 3


def test_a_campaign_afterwards_measures_what_was_transferred(old):
    rig = new_device(old)
    start_from(Crew([rig]), old.profile, samples=1)
    campaign = profile(Crew([rig]), contexts_wanted=1)
    assert campaign.carriers > 0
    qualities = {entry.quality for entry in rig.store.lut(NEW.id).entries.values()}
    assert qualities == {"good"}


def test_a_device_cannot_start_from_its_own_profile(old):
    with pytest.raises(StoreError, match="cannot start from the LUT of board1"):
        start_from(Crew([old]), old.profile)
    with pytest.raises(BadInput, match="have one device profile"):
        choose_source(old, [old.profile])
    assert choose_source(old, [old.profile, NEW]) is NEW


def inventory(tmp_path, *names):
    path = tmp_path / "devices.toml"
    text = "".join(f'[devices.{name}]\nhost = "192.0.2.7"\n' for name in names)
    path.write_text(text)
    return path


def test_a_source_is_a_device_whose_lut_knows_the_space(old, tmp_path):
    devices = inventory(tmp_path, "board1", "board2", "board3")
    storage, space = f"sqlite:///{tmp_path}/nas.db", old.space
    old.store.add_profile(NEW)
    assert find_sources("board1", devices, storage, space, "fp32") == (old.profile,)
    with pytest.raises(BadInput, match="board2' knows no segment of 'tiny' in fp32"):
        find_sources("board2", devices, storage, space, "fp32")
    with pytest.raises(BadInput, match="no LUT of device 'board3'"):
        find_sources("board3", devices, storage, space, "fp32")
    with pytest.raises(UnknownDevice, match="board1"):
        find_sources("bord1", devices, storage, space, "fp32")


def test_of_the_profiles_of_a_device_the_newest_is_the_first_source(old, tmp_path):
    older = replace(old, profile=DeviceProfile("profile-0", "board1"))
    old.store.add_profile(older.profile)
    profile(Crew([older]))
    devices = inventory(tmp_path, "board1")
    assert Inventory.load(devices).get("board1").threads == 1
    found = find_sources("board1", devices, f"sqlite:///{tmp_path}/nas.db", old.space, "fp32")
    assert found == (older.profile, old.profile)
