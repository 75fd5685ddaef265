import dataclasses
import json

import pytest

from device_agents.errors import ProtocolError
from device_agents.identity import Identity, read_identity

FACTS = {
    "board": "Raspberry Pi 5 Model B Rev 1.0",
    "cpu_model": None,
    "num_cores": 4,
    "cache_bytes": {"l1d": 65536, "l2": 524288, "l3": None},
    "arch": "aarch64",
    "ram_bytes": 8 * 2**30,
    "os": "Debian GNU/Linux 12 (bookworm)",
    "kernel": "6.6.20",
    "python": "3.11.2",
    "runtime": "onnxruntime",
    "runtime_version": "1.20.1",
    "provider": "CPUExecutionProvider",
    "threads": 2,
    "cores": [2, 3],
    "governor": "performance",
    "clock_hz": {"min": 1500000000, "max": 2400000000},
    "spinning": True,
    "method": 1,
    "power_mode": None,
    "governor_set": True,
}


@pytest.fixture
def identity() -> Identity:
    return read_identity(FACTS, device="board")


def test_facts_arrive_and_unknown_ones_stay_unknown(identity):
    assert identity.board == "Raspberry Pi 5 Model B Rev 1.0"
    assert identity.l2_bytes == 524288
    assert identity.clock_max_hz == 2400000000
    assert identity.cpu_model is identity.l3_bytes is None


@pytest.mark.parametrize(
    "change",
    [
        {"governor": "powersave"},
        {"clock_max_hz": 1800000000},
        {"runtime_version": "1.20.2"},
        {"kernel": "6.6.21"},
        {"threads": 4},
        {"cores": (0, 1)},
        {"spinning": False},
        {"method": 2},
        {"power_mode": "1: 7W"},
        {"ram_bytes": 4 * 2**30},
    ],
)
def test_what_changes_latencies_makes_a_new_profile(identity, change):
    assert dataclasses.replace(identity, **change).profile_id != identity.profile_id


@pytest.mark.parametrize(
    "change",
    [{"python": "3.11.9"}, {"ram_bytes": 8 * 2**30 - 2**24}, {"governor_set": False}],
)
def test_what_does_not_change_latencies_keeps_the_profile(identity, change):
    assert dataclasses.replace(identity, **change).profile_id == identity.profile_id


def test_a_board_without_power_modes_keeps_the_profile_that_it_had_before_they_were_read(identity):
    assert identity.profile_id == "35e7dbdbe8eb"


def test_it_can_be_kept_as_json(identity):
    kept = json.loads(json.dumps(identity.as_json()))
    assert kept["profile_id"] == identity.profile_id
    assert kept["cores"] == [2, 3]


@pytest.mark.parametrize(
    ("fact", "lie"),
    [
        ("num_cores", 0),
        ("ram_bytes", -1),
        ("provider", None),
        ("cores", [99999]),
        ("cache_bytes", 5),
        ("clock_hz", {"min": 1}),
        ("spinning", 1),
        ("board", 7),
        ("power_mode", 0),
        ("governor_set", None),
    ],
)
def test_an_absurd_fact_is_refused_with_its_name(fact, lie):
    with pytest.raises(ProtocolError, match=fact):
        read_identity({**FACTS, fact: lie}, device="board")
