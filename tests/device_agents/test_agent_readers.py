import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from device_agents import agent
from tests.device_agents.agent_host import AGENT
from tests.device_agents.boards import unpack, write


@pytest.mark.parametrize(
    ("board", "temp_c"),
    [
        ("raspberry-pi-4", 48.686),
        ("raspberry-pi-5", 51.55),
        ("jetson-orin-nano", 45.593),  # a zone without power says -256 degrees
        ("jetson-nano", 31.0),  # PMIC-Die says 100 degrees whatever happens
        ("jetson-agx-xavier", None),
        ("laptop-intel", 52.0),  # the radio is hotter
        ("desktop-amd", 42.125),  # no thermal zone; the disk is hotter
    ],
)
def test_the_temperature_is_the_processors(tmp_path, board, temp_c):
    assert agent.temperature_c(str(unpack(board, tmp_path))) == temp_c


def test_without_a_zone_of_the_processor_the_hottest_counts(tmp_path):
    root = unpack("jetson-nano", tmp_path)
    write(root, "sys/class/thermal/thermal_zone1/temp", "-256000")
    assert agent.temperature_c(str(root)) == 39.5


@pytest.mark.parametrize(
    ("board", "word"), [("raspberry-pi-4", 0), ("raspberry-pi-5", 0x50000), ("laptop-intel", None)]
)
def test_the_throttle_word_is_read_from_the_kernel_or_the_firmware(tmp_path, board, word):
    assert agent.throttle_word(str(unpack(board, tmp_path))) == word


def test_the_kernel_prints_the_throttle_word_in_bare_hexadecimal(tmp_path):
    root = unpack("raspberry-pi-4", tmp_path)
    write(root, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    signs = agent.throttle_signs(str(root))
    assert signs.now == ["under-voltage", "throttled"]
    assert [name for name, count in signs.seen.items() if count] == ["under-voltage", "throttled"]


@pytest.mark.parametrize("bit", range(4))
def test_every_bit_of_the_throttle_word_has_its_name_now_and_sticky(tmp_path, bit):
    root = unpack("raspberry-pi-5", tmp_path)
    write(
        root, "usr/bin/vcgencmd", f"#!/bin/sh\necho throttled={(1 << bit) + (1 << 16 + bit):#x}\n"
    )
    name = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")[bit]
    signs = agent.throttle_signs(str(root))
    assert signs.now == [name]
    assert [key for key, count in signs.seen.items() if count] == [name]


def test_a_board_has_the_signs_that_its_kernel_shows(tmp_path):
    orin = agent.throttle_signs(str(unpack("jetson-orin-nano", tmp_path)))
    assert orin == ([], {"oc1_event_cnt": 0, "oc3_event_cnt": 4})
    laptop = agent.throttle_signs(str(unpack("laptop-intel", tmp_path)))
    assert laptop.now == []
    assert laptop.seen == {"core_throttle_count": 2, "package_throttle_count": 118}
    assert agent.throttle_signs(str(unpack("jetson-nano", tmp_path))) is None


def test_a_cooling_device_at_work_is_throttling_but_a_fan_is_not(tmp_path):
    root = unpack("jetson-orin-nano", tmp_path)
    write(root, "sys/class/thermal/cooling_device0/cur_state", "3")
    assert agent.throttle_signs(str(root)).now == ["cpufreq-cpu0"]


def mark(now: list[str], **seen: int) -> agent.Mark:
    return agent.Mark(agent.Signs(now, seen), None)


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (mark([], counts=118), mark([], counts=118), []),
        (mark([], counts=118), mark([], counts=119), ["counts"]),
        (mark([], sticky=1), mark([], sticky=0), ["sticky"]),
        (mark(["Processor"]), mark([]), ["Processor"]),
        (mark([]), mark(["Processor"]), ["Processor"]),
        (agent.Mark(None, None), mark([]), None),
    ],
)
def test_throttling_is_what_holds_or_has_changed(before, after, names):
    assert agent.throttling([before, after]) == names


@pytest.mark.parametrize(
    ("board", "mode"),
    [("jetson-orin-nano", "1: 7W"), ("jetson-nano", "0: MAXN"), ("raspberry-pi-5", None)],
)
def test_the_power_mode_of_a_jetson_has_number_and_name(tmp_path, board, mode):
    assert agent.power_mode(str(unpack(board, tmp_path))) == mode


def test_the_load_has_its_mean_and_this_moment(tmp_path):
    load = agent.load(str(unpack("laptop-intel", tmp_path)))
    assert load == {"one_minute": 0.85, "running": 2}
    assert agent.load(str(unpack("desktop-amd", tmp_path))) is None


@pytest.mark.parametrize(
    "script", ["sleep 30", "echo throttled=0x1; exit 1", "echo VCHI initialization failed"]
)
def test_a_tool_without_an_answer_is_no_tool(tmp_path, monkeypatch, script):
    monkeypatch.setattr(agent, "TOOL_LIMIT_S", 0.2)
    write(tmp_path, "usr/bin/vcgencmd", f"#!/bin/sh\n{script}\n")
    assert agent.throttle_word(str(tmp_path)) is None


def test_on_the_board_itself_a_tool_is_found_by_path(tmp_path, monkeypatch):
    root = unpack("raspberry-pi-5", tmp_path)
    monkeypatch.setenv("PATH", f"{root}/usr/bin:{os.environ['PATH']}")
    assert agent.throttle_word("/") == 0x50000


def test_the_state_can_be_looked_at_by_hand(tmp_path):
    root = unpack("raspberry-pi-5", tmp_path)
    command = [sys.executable, "-S", str(AGENT), "state", "--root", str(root)]
    state = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert state["temp_c"] == 51.55
    assert state["throttle_now"] == []
    assert state["throttle_seen"] == ["under-voltage", "throttled"]
    assert state["energy_sensor"] == "pmic"


def test_the_identity_is_the_boards(tmp_path: Path):
    root = unpack("raspberry-pi-4", tmp_path)
    command = [sys.executable, str(AGENT), "identify", "--root", str(root)]
    facts = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert facts["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert facts["cpu_model"] == "ARM implementer 0x41 parts 0xd08"
    assert facts["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert facts["power_mode"] is None
