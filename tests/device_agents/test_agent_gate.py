import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import sleep

import pytest

from device_agents import agent
from tests.device_agents.agent_host import FOREVER, is_gone, job
from tests.device_agents.boards import give_cores, unpack, write

PI5_TOOL = "usr/bin/vcgencmd"
PI4_WORD = "sys/devices/platform/soc/soc:firmware/get_throttled"
ZONE = "sys/class/thermal/thermal_zone0/temp"


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The root of a Raspberry Pi 4 with as many cores as this machine."""
    root = unpack("raspberry-pi-4", tmp_path)
    give_cores(root)
    return root


class Time:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.events: dict[float, Callable[[], None]] = {}

    def clock(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.now_s += pause_s
        for due_s in [due_s for due_s in self.events if due_s <= self.now_s]:
            self.events.pop(due_s)()

    def at(self, second: float, act: Callable[[], None]) -> None:
        self.events[self.now_s + second] = act

    def gate(self, root: Path) -> agent.Gate:
        return agent.Gate(str(root), nothing, self.clock, self.sleep)


@pytest.fixture
def time() -> Time:
    return Time()


def nothing() -> None:
    pass


NEVER = math.inf
BUSY, IDLE = "9.00 9.00 9.00 9999/12000 17", "9.00 9.00 9.00 1/120 17"


# The gate


def test_a_device_that_is_cool_and_idle_is_not_waited_for(pi, time):
    passage = time.gate(pi).wait(NEVER, threads=1)
    assert passage.missed == passage.news == []
    assert passage.waited_ns < 100_000_000


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [(ZONE, "70000", "69999"), (PI4_WORD, "50005", "50000"), ("proc/loadavg", BUSY, IDLE)],
)
def test_a_device_that_is_hot_throttled_or_busy_is_waited_for(pi, time, path, before, after):
    write(pi, path, before)
    time.at(1.5, lambda: write(pi, path, after))
    passage = time.gate(pi).wait(NEVER, threads=1)
    assert passage.missed == []
    assert passage.waited_ns == pytest.approx(1.6e9, abs=0.2e9)


def test_what_was_not_reached_is_told_once_and_waited_for_less_and_less(pi, time):
    write(pi, ZONE, "81234")
    gate = time.gate(pi)
    passages = [gate.wait(NEVER, threads=1) for _ in range(3)]
    assert [passage.missed for passage in passages] == [
        ["it had 81.2 degrees Celsius, not below 70"]
    ] * 3
    assert [bool(passage.news) for passage in passages] == [True, False, False]
    waited_s = [passage.waited_ns / 1e9 for passage in passages]
    assert waited_s == pytest.approx([60, 15, 3.75], abs=0.5)


def test_a_device_that_was_reached_again_has_full_patience_again(pi, time):
    gate = time.gate(pi)
    for temp in ("81234", "81234", "50000"):
        write(pi, ZONE, temp)
        gate.wait(NEVER, threads=1)
    write(pi, ZONE, "81234")
    passage = gate.wait(NEVER, threads=1)
    assert passage.waited_ns == pytest.approx(60e9, abs=0.5e9)
    assert passage.news == passage.missed


def test_a_load_that_stays_is_in_what_was_missed_but_no_news(pi, time):
    write(pi, "proc/loadavg", BUSY)
    passage = time.gate(pi).wait(NEVER, threads=1)
    assert passage.missed == [f"9998 other processes ran on {os.cpu_count()} cores"]
    assert passage.news == []
    assert passage.waited_ns == pytest.approx(2e9, abs=0.5e9)


def test_nobody_waits_beyond_the_end_of_the_request(pi, time):
    write(pi, ZONE, "81234")
    passage = time.gate(pi).wait(time.clock() + 5.0, threads=1)
    assert len(passage.missed) == 1
    assert passage.waited_ns == pytest.approx(5e9, abs=0.5e9)


def test_for_an_identity_it_is_enough_that_nothing_slows_the_clock(pi, time):
    write(pi, ZONE, "81234")
    write(pi, "proc/loadavg", BUSY)
    gate = time.gate(pi)
    assert gate.wait(NEVER, below_c=math.inf).missed == []
    write(pi, PI4_WORD, "4")
    assert gate.wait(NEVER, below_c=math.inf).missed == ["it was slowed down: throttled"]


def identified(root: Path, work: Path) -> agent.Json:
    request = {"op": "identify", "threads": 1, "provider": "CPUExecutionProvider", "limit_s": 60}
    return agent.Bench(str(root), nothing).reply(request, str(work), 0.0, lambda _: None)["result"]


def test_a_board_that_heat_slows_down_is_not_taken_for_another_board(tmp_path, pi):
    cooling = "sys/class/thermal/cooling_device1"
    write(pi, f"{cooling}/type", "cpufreq-cpu0")
    write(pi, f"{cooling}/cur_state", "0")
    for core in pi.glob("sys/devices/system/cpu/cpu*/cpufreq"):
        write(core, "cpuinfo_max_freq", "1500000")
        write(core, "scaling_max_freq", "806400")
    by_hand = identified(pi, tmp_path)
    assert by_hand["clock_hz"]["max"] == 806_400_000  # a limit of the user's own
    write(pi, f"{cooling}/cur_state", "3")
    with pytest.raises(agent.AgentError, match="cpufreq-cpu0 holds its clock at 806 of 1500 MHz"):
        identified(pi, tmp_path)
    write(pi, f"{cooling}/cur_state", "0")
    assert identified(pi, tmp_path) == by_hand


# Timings that throttling made void


def bench(root: Path, models: Path, work: Path) -> Callable[[], agent.Json]:
    """Does the same short job whenever it is called."""
    request = job("none", max_seconds_per_phase=0.05)
    request.update(model=None, path=str(models / "network.onnx"), canary_path=None)
    device = agent.Bench(str(root), nothing)

    def run() -> agent.Json:
        reply = device.reply(request, str(work), NEVER, lambda _: None)
        assert "result" in reply, reply
        return reply["result"]

    return run


COUNT = 'n=$(cat "$0.count" 2>/dev/null || echo 0); n=$((n + 1)); echo $n > "$0.count"'


def test_a_timing_in_which_a_sticky_bit_appeared_is_repeated(tmp_path, models):
    root = unpack("raspberry-pi-5", tmp_path)
    # Read at the gate, then before and after each of canary, phase, canary: 4 is after the phase.
    late = f"#!/bin/sh\n{COUNT}\n[ $n -lt 4 ] && echo throttled=0x0 || echo throttled=0x20000\n"
    write(root, PI5_TOOL, late)
    result = bench(root, models, tmp_path)()
    assert result["retries"] == 1
    assert result["phases"][0]["throttle"] == []
    assert result["phases"][0]["quality"] != "throttled"
    assert result["warnings"] == []


def test_a_device_that_always_throttles_ends_as_a_flag_and_one_line(tmp_path, models, monkeypatch):
    monkeypatch.setattr(agent, "RETRIES", 2)
    root = unpack("raspberry-pi-5", tmp_path)
    write(root, PI5_TOOL, f"#!/bin/sh\n{COUNT}\necho throttled=0x$((n % 2))0000\n")
    run = bench(root, models, tmp_path)
    first = run()
    assert first["phases"][0]["quality"] == "throttled"
    assert first["phases"][0]["throttle"] == ["under-voltage"]
    assert first["retries"] == 2
    assert first["warnings"] == [
        "the device throttled (under-voltage), so that its timings are void; "
        "2 repeats were no better"
    ]
    assert run()["retries"] == 1  # in vain again and again: less is tried


def test_a_device_that_does_not_recover_is_not_measured_again(tmp_path, models, monkeypatch):
    monkeypatch.setattr(agent, "HEAT_S", 0.5)
    root = unpack("raspberry-pi-5", tmp_path)
    write(root, PI5_TOOL, "#!/bin/sh\necho throttled=0x4\n")
    result = bench(root, models, tmp_path)()
    assert result["phases"][0]["quality"] == "throttled"
    assert result["retries"] == 0
    assert result["gate"]["missed"] == ["it was slowed down: throttled"]
    (line,) = result["warnings"]
    assert line == "the device throttled (throttled), so that its timings are void"


# The governor


def performance(paths: list[Path]) -> bool:
    return {path.read_text() for path in paths} == {"performance"}


def wait_until_given_back(path: Path) -> None:
    for _ in range(1000):
        if path.read_text() == "ondemand":
            break
        sleep(0.01)
    assert path.read_text() == "ondemand"


def test_the_governor_is_set_for_the_cores_used_and_given_back(pi):
    first, *others = paths = give_cores(pi)
    core = int(first.parts[-3].removeprefix("cpu"))
    with agent.steady_clock(str(pi), [core], "performance") as was_set:
        assert was_set
        assert first.read_text() == "performance"
        assert {path.read_text().strip() for path in others} <= {"ondemand"}
    assert {path.read_text().strip() for path in paths} == {"ondemand"}


def test_what_somebody_else_has_changed_meanwhile_is_theirs(pi):
    (path, *_) = give_cores(pi)
    core = int(path.parts[-3].removeprefix("cpu"))
    with agent.steady_clock(str(pi), [core], "performance"):
        path.write_text("powersave")
    assert path.read_text() == "powersave"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("scaling_governor", "userspace"),  # a clock that the user has fixed
        ("scaling_min_freq", "1500000"),  # the same, by its range
        ("scaling_available_governors", "ondemand powersave"),
    ],
)
def test_a_governor_that_is_the_users_or_not_to_be_had_stays(pi, file, content):
    (path, *_) = give_cores(pi)
    path.with_name(file).write_text(content)
    before = path.read_text()
    with agent.steady_clock(
        str(pi), [int(path.parts[-3].removeprefix("cpu"))], "performance"
    ) as it:
        assert not it
        assert path.read_text() == before


def test_a_board_without_governors_is_observed(tmp_path):
    with agent.steady_clock(str(unpack("jetson-nano", tmp_path)), [0], "performance") as was_set:
        assert not was_set


def test_no_other_governor_can_be_asked_for(start_host, pi):
    host = start_host("--root", str(pi))
    assert host.fail(host.put("network"), governor="powersave")["kind"] == "bad_request"


def test_the_governor_of_a_measurement_is_told_and_gone_after_it(start_host, pi):
    paths, host = give_cores(pi), start_host("--root", str(pi))
    facts = {"op": "identify", "threads": len(paths), "provider": "CPUExecutionProvider"}
    identity = host.ask(**facts, governor="performance")["result"]
    assert (identity["governor"], identity["governor_set"]) == ("performance", True)
    result = host.run(host.put("network"), governor="performance")
    assert result["governor"] == "performance"
    assert not any(performance([path]) for path in paths)
    kept = host.ask(**facts, governor=None)["result"]
    assert (kept["governor"], kept["governor_set"]) == ("ondemand", False)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_governor_is_given_back_when_the_agent_is_killed(start_host, pi, number):
    host = start_host("--root", str(pi))
    host.send(**job(host.put("endless"), phases=FOREVER, governor="performance"))
    child = host.wait_for_child()
    (changed,) = [path for path in give_cores(pi) if performance([path])]
    host.process.send_signal(number)
    wait_until_given_back(changed)
    assert is_gone(child)


def test_the_governor_is_given_back_when_the_watchdog_is_killed(start_host, pi):
    host = start_host("--root", str(pi))
    host.send(**job(host.put("endless"), phases=FOREVER, governor="performance", limit_s=4.0))
    child = host.wait_for_child()
    (changed,) = [path for path in give_cores(pi) if performance([path])]
    (watchdog,) = set(host.children()) - {child}
    os.kill(watchdog, signal.SIGKILL)
    while "beat" in (reply := host.receive()):
        pass
    assert reply["error"]["kind"] == "timeout"
    assert changed.read_text() == "ondemand"


def test_the_watchdog_ends_with_the_agent(start_host, pi):
    host = start_host("--root", str(pi))
    host.send(**job(host.put("endless"), phases=FOREVER, governor="performance"))
    child = host.wait_for_child()
    (watchdog,) = set(host.children()) - {child}
    os.kill(watchdog, signal.SIGTERM)  # as when a login ends: it has still to give back
    assert not is_zombie(watchdog)
    host.process.kill()
    assert is_gone(watchdog)


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
