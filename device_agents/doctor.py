"""What is wrong with a device, from its name to a test inference, and what helps."""

import socket
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from device_agents.agent import EMPTY_MODEL
from device_agents.bootstrap import Environment, bring_agent, home_folder, prepare
from device_agents.check import Check, good, unknown, within
from device_agents.device_facts import (
    BoardState,
    Facts,
    load_runtime,
    read_board_state,
    read_facts,
)
from device_agents.device_python import DevicePython, find_pythons
from device_agents.disk import probe_disk
from device_agents.errors import (
    DeviceError,
    DeviceSilent,
    DeviceUnreachable,
    RuntimeUnavailable,
)
from device_agents.host_keys import KnownHosts
from device_agents.inventory import Device
from device_agents.jobs import Feed, Job, Phase
from device_agents.local import LocalTransport
from device_agents.session import session_on
from device_agents.ssh import SshTransport
from device_agents.ssh_config import Endpoint, resolve
from device_agents.ssh_login import Connection, hops, open_tcp
from device_agents.transport import Transport

# Our choice, all: below or above it measuring fails or is not worth much.
ENOUGH_DISK_BYTES = 200 * 2**20  # onnxruntime and numpy beside their wheels, and a few models
ENOUGH_MEMORY_BYTES = 256 * 2**20
HOT_CELSIUS = 70.0
BUSY_LOAD = 0.5  # runnable processes for each core, averaged over a minute
CLOCK_TOLERANCE_S = 60.0  # a device further off refuses the certificates of a package index

# Our choice: how long one waits. A bare board on a slow card needs minutes to be set up.
WHOLE_LIMIT_S = 300.0
STEP_LIMIT_S = 30.0
LIMITS_S = {"onnxruntime": 240.0, "test inference": 60.0}  # of the steps that may take longer


def examine(device: Device, *, whole_limit_s: float = WHOLE_LIMIT_S) -> list[Check]:
    """All checks in order; after a failure, those that need what failed are skipped.

    Sets up the agent and onnxruntime as a measurement would. Every step has a time limit, and so
    have all together. While another host measures there, no model runs.
    """
    examination = _Examination(device, time.monotonic() + whole_limit_s)
    try:
        return examination.checks()
    finally:
        examination.close()


class _Examination:
    """What is known so far; each step adds to it and gives its check."""

    def __init__(self, device: Device, deadline: float) -> None:
        self._device = device
        self._deadline = deadline
        self._connection: Connection | None = None
        self._transport: Transport | None = None
        self._pythons: list[DevicePython] = []
        self._facts = Facts()
        self._agent_path = ""
        self._environment: Environment | None = None

    def checks(self) -> list[Check]:
        """All of them."""
        done: list[Check] = []
        broken = ""
        for name, step in self._steps().items():
            if broken:
                done.append(unknown(name, f"not looked at, because of: {broken}"))
                continue
            try:
                done.append(self._in_time(name, step))
            except DeviceError as exc:
                done.append(self._failed(name, exc))
                # Without a runtime all but the test inference can still be looked at.
                broken = "" if isinstance(exc, RuntimeUnavailable) else name
        return done

    def close(self) -> None:
        """Give the connections back."""
        if self._transport is not None:
            self._transport.close()
        if self._connection is not None:
            self._connection.close()

    def _in_time(self, name: str, step: Callable[[str], Check]) -> Check:
        left_s = max(self._deadline - time.monotonic(), 0.0)
        limit_s = min(LIMITS_S.get(name, STEP_LIMIT_S), left_s)
        try:
            return within(limit_s, lambda: step(name))
        except TimeoutError as exc:
            raise DeviceSilent(
                f"not done within {limit_s:.0f} s. The device hangs, or the way to it is slow or "
                "loses data: restart the one, check the other",
                device=self._device.name,
            ) from exc

    def _steps(self) -> dict[str, Callable[[str], Check]]:
        network: dict[str, Callable[[str], Check]] = {
            "name": self._name,
            "port": self._port,
            "host key": self._host_key,
            "login": self._login,
        }
        rest: dict[str, Callable[[str], Check]] = {
            "python": self._python,
            "disk": self._disk,
            "memory": self._memory,
            "clock": self._clock,
            "onnxruntime": self._runtime,
            "governor": self._governor,
            "temperature": self._temperature,
            "throttling": self._throttling,
            "energy": self._energy,
            "load": self._load,
            "lock": self._lock,
            "test inference": self._inference,
        }
        if self._device.host is not None:
            return network | rest
        self._transport = LocalTransport(self._device.name)
        return rest

    def _failed(self, name: str, exc: DeviceError) -> Check:
        """An error as a check: its first sentence, and what follows as the cure."""
        text = str(exc).removeprefix(f"{self._device.name}: ").replace("\n", " ")
        detail, _, cure = text.partition(". ")
        # Who is here already is not sent here once more.
        cure = cure.partition(", then: nas devices doctor")[0]
        cure = "" if "nas devices doctor" in cure else cure
        return Check(name=name, ok=False, detail=detail, cure=cure or "Try again")

    def _name(self, name: str) -> Check:
        first = hops(resolve(self._device))[0]
        if first.proxy_command is not None:
            return unknown(name, "a ProxyCommand leads there")
        try:
            found = socket.getaddrinfo(first.host, first.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as exc:
            raise DeviceUnreachable(
                f"{first.host} cannot be resolved: {exc}. "
                "Check the host in devices.toml, or give an address",
                device=self._device.name,
            ) from exc
        return good(name, f"{first.host} is {found[0][4][0]}")

    def _port(self, name: str) -> Check:
        first = hops(resolve(self._device))[0]
        if first.proxy_command is not None:
            return unknown(name, "a ProxyCommand leads there")
        started = time.monotonic()
        open_tcp(first.host, first.port, device_name=self._device.name).close()
        return good(name, f"{first.port} answers in {time.monotonic() - started:.3f} s")

    def _host_key(self, name: str) -> Check:
        *jumps, last = hops(resolve(self._device))
        self._connection = Connection(self._device.name)
        for jump in jumps:
            self._greet(jump)
            self._connection.enter(jump)
        return good(name, f"{self._greet(last)} is trusted")

    def _greet(self, endpoint: Endpoint) -> str:
        assert self._connection is not None
        key = self._connection.greet(endpoint)
        KnownHosts(endpoint.known_hosts).require(key, self._device.name)
        return f"{key.algorithm} {key.fingerprint}"

    def _login(self, name: str) -> Check:
        assert self._connection is not None
        endpoint = resolve(self._device)
        self._connection.enter(endpoint)
        self._transport = SshTransport(self._connection, self._device.name)
        return good(name, f"as {endpoint.user}")

    def _python(self, name: str) -> Check:
        self._pythons = find_pythons(self._here, self._device)
        self._facts = read_facts(self._here, self._device, self._pythons[0])
        versions = [f"{python.command} {python.version}" for python in self._pythons]
        return good(name, f"{', '.join(versions)} on {self._pythons[0].target.architecture}")

    def _disk(self, name: str) -> Check:
        self._agent_path = bring_agent(self._here, self._device, self._pythons[0], self._folder)
        error = probe_disk(self._here, self._folder, device_name=self._device.name)
        if error is not None:
            raise error
        free = self._facts.disk_bytes
        if free is None:
            return unknown(name, "cannot be read")
        advice = "" if free >= ENOUGH_DISK_BYTES else "Free some space there"
        return good(name, f"{free / 2**20:.0f} MiB free for {self._folder}", advice)

    def _memory(self, name: str) -> Check:
        available = self._facts.memory_bytes
        if available is None:
            return unknown(name, "cannot be read")
        advice = "" if available >= ENOUGH_MEMORY_BYTES else "End what runs there besides"
        return good(name, f"{available / 2**20:.0f} MiB available", advice)

    def _clock(self, name: str) -> Check:
        off_s = self._facts.clock_off_s
        if off_s is None:
            return unknown(name, "cannot be read")
        advice = ""
        if abs(off_s) > CLOCK_TOLERANCE_S:
            advice = "Set it, or pip there trusts no server: sudo timedatectl set-ntp true"
        return good(name, f"{off_s:+.0f} s from this workstation's", advice)

    def _runtime(self, name: str) -> Check:
        environment = prepare(self._here, self._device)
        identity = load_runtime(self._here, self._device, environment)
        self._environment = environment
        ours = any(self._folder in word for word in environment.python)
        place = f"in {self._folder}" if ours else "installed on the device"
        return good(name, f"{identity.runtime_version}, {place}, runs by {identity.provider}")

    def _governor(self, name: str) -> Check:
        governor = self._state.governor
        if governor is None:
            return unknown(name, "the device does not tell")
        cure = "For steadier times: echo performance | sudo tee "
        cure += "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return good(name, governor, "" if governor == "performance" else cure)

    def _temperature(self, name: str) -> Check:
        celsius = self._state.temp_c
        if celsius is None:
            return unknown(name, "the device has no sensor that can be read")
        advice = "" if celsius < HOT_CELSIUS else "Let it cool down, or give it a fan"
        return good(name, f"{celsius:.0f} degrees Celsius", advice)

    def _throttling(self, name: str) -> Check:
        now, seen = self._state.throttle_now, self._state.throttle_seen
        if now is None or seen is None:
            return unknown(name, "the device has no sign of it that can be read")
        if now:
            cure = "Give it a stronger supply, a fan or a rest"
            return good(name, f"slowed down now: {', '.join(now)}", cure)
        return good(name, f"none now; since its start: {', '.join(seen) or 'none'}")

    def _energy(self, name: str) -> Check:
        if self._state.energy_sensor is None:
            return unknown(name, self._state.energy_absent or "no sensor")
        return good(name, f"measured by {self._state.energy_sensor}")

    def _load(self, name: str) -> Check:
        load, cores = self._facts.load, self._facts.cores
        if load is None or cores is None:
            return unknown(name, "cannot be read")
        advice = "" if load < BUSY_LOAD * cores else "End what runs there besides"
        return good(name, f"{load:.2f} on {cores:.0f} cores", advice)

    def _lock(self, name: str) -> Check:
        holder = self._state.lease
        if holder is None:
            return good(name, "nobody measures there")
        return good(name, f"in use by {holder}", "Wait for it; commands do: --wait MINUTES")

    def _inference(self, name: str) -> Check:
        if self._environment is None:
            return unknown(name, "not looked at, because of: onnxruntime")
        if self._state.lease is not None:
            owner = self._state.lease.owner or "another host"
            return unknown(name, f"left out, so as not to disturb {owner}")
        feed = Feed(name="x", dtype="float32", shape=(1,))
        phase = Phase(name="infer", feeds=(feed,))
        job = Job(kind="time", phases=(phase,), max_seconds_per_phase=0.5, limit_s=STEP_LIMIT_S)
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "identity.onnx"
            model.write_bytes(EMPTY_MODEL)
            with session_on(self._here, self._device, self._environment) as session:
                result = session.run(job, model)
        return good(name, f"works, by {result.provider} with {result.threads} threads")

    @property
    def _here(self) -> Transport:
        assert self._transport is not None, "the steps before made it"
        return self._transport

    @cached_property
    def _folder(self) -> str:
        return home_folder(self._here, self._device)

    @cached_property
    def _state(self) -> BoardState:
        agent = [self._pythons[0].command, self._agent_path]
        return read_board_state(self._here, self._device, agent, self._folder)
