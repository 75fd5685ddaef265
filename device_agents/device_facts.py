"""The state of a device now: disk, memory, clock, load, temperature, throttling, its meter."""

import json
import math
import time
from dataclasses import dataclass

from device_agents.answers import Answer
from device_agents.bootstrap import Environment
from device_agents.device_python import DevicePython
from device_agents.errors import ProtocolError
from device_agents.inventory import Device
from device_agents.transport import Transport

_FACTS_LIMIT_S = 30.0

# Runs under the device's Python 3.8 or newer. What cannot be read is null.
_FACTS = """
import glob, json, os, shutil, sys, time
def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None
folders = glob.glob("/sys/class/thermal/thermal_zone*")
# A Jetson's PMIC-Die is at 100 degrees whatever happens.
zones = [read(path + "/temp") for path in folders if read(path + "/type") != "PMIC-Die"]
memory = dict(line.split(":") for line in (read("/proc/meminfo") or "").splitlines())
available = memory.get("MemAvailable", "").split()
print("facts " + json.dumps({
    "disk_bytes": shutil.disk_usage(sys.argv[1]).free,
    "memory_bytes": int(available[0]) * 1024 if available else None,
    "time_s": time.time(),
    "load": os.getloadavg()[0],
    "cores": os.cpu_count() or 1,
    "celsius": max([int(zone) / 1000 for zone in zones if zone and zone.isdigit()], default=None),
    "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
}))
"""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The state of a device now; what could not be read is None."""

    disk_bytes: float | None = None
    memory_bytes: float | None = None
    clock_off_s: float | None = None
    load: float | None = None
    cores: float | None = None
    celsius: float | None = None
    governor: str | None = None


@dataclass(frozen=True, kw_only=True)
class BoardState:
    """What the agent's own readers tell about a board now.

    `throttle_now` is what slows the processor down, `throttle_seen` what has done so since the
    start; both None where there are no signs of it. Of the last two one is always None.
    """

    throttle_now: tuple[str, ...] | None
    throttle_seen: tuple[str, ...] | None
    energy_sensor: str | None
    energy_absent: str | None


def read_board_state(transport: Transport, device: Device, environment: Environment) -> BoardState:
    """Ask the agent on a device.

    Raises:
        ProtocolError: it gives no such answer.
    """
    argv = [*environment.python, environment.agent_path, "state"]
    done = transport.run(argv, limit_s=_FACTS_LIMIT_S)
    try:
        value = json.loads(done.stdout)
    except ValueError:
        value = None
    answer = Answer(value, device=device.name, place="the state")
    return BoardState(
        throttle_now=answer.optional_texts("throttle_now"),
        throttle_seen=answer.optional_texts("throttle_seen"),
        energy_sensor=answer.optional_text("energy_sensor"),
        energy_absent=answer.optional_text("energy_absent"),
    )


def read_facts(transport: Transport, device: Device, python: DevicePython) -> Facts:
    """Ask a device.

    Raises:
        ProtocolError: its Python gives no such answer.
    """
    asked_s = time.time()
    argv = [python.command, "-c", _FACTS, transport.home()]
    done = transport.run(argv, limit_s=_FACTS_LIMIT_S)
    answered_s = time.time()
    lines = [line for line in done.stdout.splitlines() if line.startswith("facts ")]
    try:
        facts = json.loads(lines[-1].removeprefix("facts "))
        time_s, governor = _number(facts["time_s"]), facts["governor"]
        return Facts(
            disk_bytes=_number(facts["disk_bytes"]),
            memory_bytes=_number(facts["memory_bytes"]),
            clock_off_s=None if time_s is None else time_s - (asked_s + answered_s) / 2,
            load=_number(facts["load"]),
            cores=_number(facts["cores"]),
            celsius=_number(facts["celsius"]),
            governor=governor[:40] if isinstance(governor, str) else None,
        )
    except (IndexError, KeyError, TypeError, ValueError) as exc:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProtocolError(
            f"{device.name}: {python.command} cannot tell about the device: {words}. "
            "Check that Python on the device",
            device=device.name,
        ) from exc


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None
