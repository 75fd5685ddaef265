import time
from collections.abc import Callable
from pathlib import Path

import pytest

from device_agents import agent
from tests.device_agents.agent_host import INFER, job
from tests.device_agents.boards import unpack, write

COUNTER = "sys/class/powercap/intel-rapl:0/energy_uj"


def rest() -> None:
    time.sleep(0.02)


def set_to(root: Path, count_uj: int) -> Callable[[], None]:
    """Work after which the counter stands so."""

    def work() -> None:
        rest()
        write(root, COUNTER, str(count_uj))

    return work


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("laptop-intel", "rapl:package-0"),
        ("jetson-orin-nano", "ina3221:VDD_IN"),
        ("jetson-nano", "ina3221:POM_5V_IN"),
        ("jetson-agx-xavier", "ina3221:CPU+GPU+SYS5V"),  # no rail feeds all of it
        ("raspberry-pi-5", "pmic"),
    ],
)
def test_each_board_has_its_sensor(tmp_path, board, name):
    assert agent.find_sensor(str(unpack(board, tmp_path))).name == name


def test_a_board_without_a_sensor_says_what_was_looked_for(tmp_path):
    with pytest.raises(agent.NoSensor) as caught:
        agent.find_sensor(str(unpack("raspberry-pi-4", tmp_path)))
    assert str(caught.value) == "no sensor: no RAPL, no INA3221, no PMIC that vcgencmd can read"


def test_a_counter_that_may_not_be_read_is_no_sensor(tmp_path):
    root = unpack("laptop-intel", tmp_path)
    (root / COUNTER).unlink()
    (root / COUNTER).mkdir()  # which not even root can read as a file
    with pytest.raises(agent.NoSensor, match="RAPL is there for root alone"):
        agent.find_sensor(str(root))


def test_a_counter_gives_the_energy_between(tmp_path):
    root = unpack("laptop-intel", tmp_path)
    sensor = agent.find_sensor(str(root))
    sample = agent.metered(sensor, set_to(root, 262_143_000_000 + 300_000))
    assert sample.energy_uj == 300_000


def test_a_counter_that_begins_again_goes_on(tmp_path):
    root = unpack("laptop-intel", tmp_path)
    sensor = agent.find_sensor(str(root))
    sample = agent.metered(sensor, set_to(root, 150))
    assert sample.energy_uj == 328_850 + 150


@pytest.mark.parametrize("count_uj", [262_143_000_000, 262_143_000_000 - 1])
def test_a_counter_that_stands_still_or_leaps_is_not_believed(tmp_path, count_uj):
    root = unpack("laptop-intel", tmp_path)
    sensor = agent.find_sensor(str(root))
    with pytest.raises(agent.NoSensor, match="which is absurd"):
        agent.metered(sensor, set_to(root, count_uj))


def test_rails_have_their_power_by_name(tmp_path):
    rails = agent.ina3221_rails(str(unpack("jetson-orin-nano", tmp_path)))
    assert {name: read() for name, read in rails.items()} == {
        "VDD_IN": 5056 * 912,
        "VDD_CPU_GPU_CV": 5048 * 128,
        "VDD_SOC": 5048 * 280,
    }
    old = agent.ina3221_rails(str(unpack("jetson-nano", tmp_path)))
    assert {name: read() for name, read in old.items()} == {
        "POM_5V_IN": 1_902_000,
        "POM_5V_GPU": 41_000,
        "POM_5V_CPU": 372_000,
    }


def test_the_rails_of_a_power_chip_are_summed(tmp_path):
    said = "  A_A current(0)=0.50000000A\n B_B_A current(1)=0.10000000A\n"
    said += "  A_V volt(2)=2.00000000V\n B_B_V volt(3)=5.00000000V\n EXT5V_V volt(4)=5.1V\n"
    write(tmp_path, "usr/bin/vcgencmd", f"#!/bin/sh\ncat <<'END'\n{said}END\n")
    assert agent.pmic_uw(str(tmp_path)) == 1_500_000
    assert agent.pmic_uw(str(unpack("raspberry-pi-5", tmp_path))) == 2_075_488


@pytest.mark.parametrize("board", ["jetson-orin-nano", "raspberry-pi-5"])
def test_a_meter_of_power_gives_the_energy_of_a_stretch_of_time(tmp_path, board):
    sensor = agent.find_sensor(str(unpack(board, tmp_path)))
    power_uw = {"jetson-orin-nano": 5056 * 912, "raspberry-pi-5": 2_075_488}[board]
    sample = agent.metered(sensor, lambda: time.sleep(0.2))
    assert sample.power_uw == pytest.approx(power_uw, rel=0.02)


def test_a_meter_follows_the_power(tmp_path):
    root = unpack("jetson-orin-nano", tmp_path)
    current = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/curr1_input"

    def work() -> None:
        time.sleep(0.3)
        write(root, current, "9120")  # ten times as much
        time.sleep(0.3)

    sample = agent.metered(agent.find_sensor(str(root)), work)
    assert 2 < sample.power_uw / (5056 * 912) < 9


def test_a_meter_that_fails_in_the_middle_gives_nothing(tmp_path):
    root = unpack("jetson-orin-nano", tmp_path)
    sensor = agent.find_sensor(str(root))
    path = root / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon1/curr1_input"
    with pytest.raises(agent.NoSensor, match="curr1_input cannot be read"):
        agent.metered(sensor, path.unlink)


def test_a_sample_is_long_and_has_many_runs():
    assert agent.energy_runs(1_000_000) == 2000  # 2 s
    assert agent.energy_runs(50_000_000) == 200  # 10 s
    assert agent.energy_runs(1_000_000_000) == 20  # the cap
    assert agent.energy_runs(60_000_000_000) == 1


def bench_reply(root: Path, models: Path, work: Path, energy: bool | None = True) -> agent.Json:
    request = job("none", energy=energy, phases=[INFER])
    request.update(path=str(models / "network.onnx"), model=None, canary_path=None)
    bench, end = agent.Bench(str(root), lambda: None), time.monotonic()
    return bench.reply(request, str(work), end, lambda word: None)["result"]


def test_a_job_tells_the_energy_of_a_run_and_of_rest(tmp_path, models, monkeypatch):
    monkeypatch.setattr(agent, "IDLE_S", 0.1)
    root = unpack("jetson-orin-nano", tmp_path)
    result = bench_reply(root, models, tmp_path)
    (phase,) = result["phases"]
    energy = phase["energy"]
    assert result["energy_absent"] is None
    assert energy["sensor"] == "ina3221:VDD_IN"
    assert energy["idle_uw"] == pytest.approx(5056 * 912, rel=0.02)
    assert energy["energy_uj"] == pytest.approx(5056 * 912 * energy["run_ns"] / 1e9, rel=0.05)
    assert energy["runs"] >= 200
    assert phase["temp_c"] == 45.593


@pytest.mark.parametrize(
    ("board", "energy", "reason"),
    [
        ("raspberry-pi-4", True, "no sensor: no RAPL, no INA3221, no PMIC that vcgencmd can read"),
        ("jetson-orin-nano", False, "not asked for"),
        ("jetson-orin-nano", None, "not asked for"),
    ],
)
def test_energy_that_is_absent_is_null_and_said(tmp_path, models, board, energy, reason):
    result = bench_reply(unpack(board, tmp_path), models, tmp_path, energy)
    assert result["phases"][0]["energy"] is None
    assert result["energy_absent"] == reason
