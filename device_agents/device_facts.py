"""The state of a device now: disk, memory, clock, load, heat, its meter, who measures there."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from device_agents.answers import Answer, read_json
from device_agents.bootstrap import Environment
from device_agents.device_python import DevicePython
from device_agents.errors import ProtocolError, RuntimeUnavailable
from device_agents.identity import Identity, read_identity
from device_agents.inventory import Device
from device_agents.lease import Holder
from device_agents.transport import Completed, Transport

_FACTS_LIMIT_S = 30.0
_LOAD_LIMIT_S = 60.0  # our choice
_MOST = 1e18  # our choice: bytes, seconds, degrees: nothing of it is more

# Runs under the device's Python 3.8 or newer. What cannot be read is null.
_FACTS = """
import json, os, shutil, sys, time
def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return None
memory = dict(line.split(":") for line in (read("/proc/meminfo") or "").splitlines())
available = memory.get("MemAvailable", "").split()
print("facts " + json.dumps({
    "disk_bytes": shutil.disk_usage(sys.argv[1]).free,
    "memory_bytes": int(available[0]) * 1024 if available else None,
    "time_s": time.time(),
    "load": os.getloadavg()[0],
    "cores": os.cpu_count() or 1,
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


@dataclass(frozen=True, kw_only=True)
class BoardState:
    """What the agent's own readers tell about a board now.

    `throttle_now` is what slows the processor down, `throttle_seen` what has done so since the
    start; both None where there are no signs of it. Of the sensor and the reason why there is none
    one is always None. `lease` is None while no host measures there.
    """

    temp_c: float | None
    governor: str | None
    throttle_now: tuple[str, ...] | None
    throttle_seen: tuple[str, ...] | None
    energy_sensor: str | None
    energy_absent: str | None
    lease: Holder | None


def read_board_state(
    transport: Transport, device: Device, agent: Sequence[str], folder: str
) -> BoardState:
    """Ask the agent on a device; `agent` is how to start it. It waits for nobody.

    Raises:
        ProtocolError: it gives no such answer.
    """
    done = transport.run([*agent, "state", "--folder", folder], limit_s=_FACTS_LIMIT_S)
    value = _json(done)
    answer = Answer(value, device=device.name, place="the state")
    lease = value.get("lease") if isinstance(value, dict) else None
    return BoardState(
        temp_c=answer.optional_number("temp_c", low=-273, high=1000),
        governor=answer.optional_text("governor"),
        throttle_now=answer.optional_texts("throttle_now"),
        throttle_seen=answer.optional_texts("throttle_seen"),
        energy_sensor=answer.optional_text("energy_sensor"),
        energy_absent=answer.optional_text("energy_absent"),
        lease=None if lease is None else Holder.read(lease, device=device.name),
    )


def load_runtime(transport: Transport, device: Device, environment: Environment) -> Identity:
    """What the device is with its provider really loaded; nothing there is changed for it.

    Raises:
        RuntimeUnavailable: the runtime does not work there, or not by that provider.
        ProtocolError: the agent gives no such answer.
    """
    argv = [*environment.python, environment.agent_path, "identify", "--keep-governor"]
    argv += ["--threads", str(device.threads), "--provider", device.provider]
    done = transport.run([*argv, "--limit", str(_LOAD_LIMIT_S)], limit_s=2 * _LOAD_LIMIT_S)
    value = _json(done)
    if not isinstance(value, dict):
        last = (done.stderr.strip().splitlines() or [f"exit code {done.exit_code}"])[-1]
        value = {"error": {"message": f"the agent ends with {last[:200]}"}}
    if "error" in value:
        message = Answer(value["error"], device=device.name, place="the error").text("message")
        raise RuntimeUnavailable(
            f"{device.name}: onnxruntime {environment.runtime_version} does not run by "
            f"{device.provider}: {message}. Install an onnxruntime that does, or name another "
            f"provider: nas devices add {device.name} --provider",
            device=device.name,
        )
    return read_identity(value, device=device.name)


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
        facts = _object(read_json(lines[-1].removeprefix("facts ")))
        time_s = _number(facts["time_s"])
        return Facts(
            disk_bytes=_number(facts["disk_bytes"]),
            memory_bytes=_number(facts["memory_bytes"]),
            clock_off_s=None if time_s is None else time_s - (asked_s + answered_s) / 2,
            load=_number(facts["load"]),
            cores=_number(facts["cores"]),
        )
    except (IndexError, KeyError, TypeError, ValueError) as exc:
        words = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProtocolError(
            f"{device.name}: {python.command} cannot tell about the device: {words}. "
            "Check that Python on the device",
            device=device.name,
        ) from exc


def _json(done: Completed) -> object:
    """The object at the end of what was printed: a login script may print before it."""
    lines = done.stdout.splitlines()
    for first in (number for number, line in enumerate(lines) if line.startswith("{")):
        try:
            return read_json("\n".join(lines[first:]))
        except ValueError:
            continue
    return None


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("facts are an object")
    return value


def _number(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) <= _MOST and math.isfinite(value) else None
