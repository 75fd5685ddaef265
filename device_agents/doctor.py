"""What is wrong with a device, from its name to a test inference, and what helps."""

import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from device_agents.agent import EMPTY_MODEL
from device_agents.bootstrap import home_folder, prepare
from device_agents.device_facts import BoardState, Facts, read_board_state, read_facts
from device_agents.device_python import DevicePython, find_pythons
from device_agents.disk import probe_disk
from device_agents.errors import DeviceError, DeviceUnreachable
from device_agents.host_keys import KnownHosts
from device_agents.inventory import Device
from device_agents.jobs import Feed, Job, Phase
from device_agents.local import LocalTransport
from device_agents.session import open_session
from device_agents.ssh import SshTransport
from device_agents.ssh_config import Endpoint, resolve
from device_agents.ssh_login import Connection, hops, open_tcp
from device_agents.transport import Transport

# Our choice, all four: below or above it measuring fails or is not worth much.
ENOUGH_DISK_BYTES = 400 * 2**20  # onnxruntime and numpy unpacked, and a few models
ENOUGH_MEMORY_BYTES = 256 * 2**20
HOT_CELSIUS = 70.0
BUSY_LOAD = 0.5  # runnable processes for each core, averaged over a minute
CLOCK_TOLERANCE_S = 60.0  # a device further off refuses the certificates of a package index

_TEST_LIMIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    `ok` is None when it could not be looked at; `detail` then says why. A `cure` beside an `ok`
    that is True is advice: one can measure, but better.
    """

    name: str
    ok: bool | None
    detail: str
    cure: str = ""


def examine(device: Device) -> list[Check]:
    """All checks in order; after a failure, those that need what failed are skipped.

    Sets up the agent and onnxruntime as a measurement would. Every step has its own time limit;
    a device that hangs is told within half a minute.

    Raises:
        BadInventory: `~/.ssh/config` cannot be used.
    """
    examination = _Examination(device)
    try:
        return examination.checks()
    finally:
        examination.close()


class _Examination:
    """What is known so far; each step adds to it and gives its check."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._connection: Connection | None = None
        self._transport: Transport | None = None
        self._pythons: list[DevicePython] = []
        self._facts = Facts()
        self._state: BoardState | None = None

    def checks(self) -> list[Check]:
        """All of them."""
        done: list[Check] = []
        broken = ""
        for name, step in self._steps().items():
            if broken:
                done.append(_unknown(name, f"not looked at, because of: {broken}"))
                continue
            try:
                check = step(name)
            except DeviceError as exc:
                check = self._failed(name, exc)
            broken = name if check.ok is False else ""
            done.append(check)
        return done

    def close(self) -> None:
        """Give the connections back."""
        if self._transport is not None:
            self._transport.close()
        if self._connection is not None:
            self._connection.close()

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
            "governor": self._governor,
            "temperature": self._temperature,
            "load": self._load,
            "onnxruntime": self._runtime,
            "throttling": self._throttling,
            "energy": self._energy,
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
            return _unknown(name, "a ProxyCommand leads there")
        try:
            found = socket.getaddrinfo(first.host, first.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as exc:
            raise DeviceUnreachable(
                f"{first.host} cannot be resolved: {exc}. "
                "Check the host in devices.toml, or give an address",
                device=self._device.name,
            ) from exc
        return _good(name, f"{first.host} is {found[0][4][0]}")

    def _port(self, name: str) -> Check:
        first = hops(resolve(self._device))[0]
        if first.proxy_command is not None:
            return _unknown(name, "a ProxyCommand leads there")
        started = time.monotonic()
        open_tcp(first.host, first.port, device_name=self._device.name).close()
        return _good(name, f"{first.port} answers in {time.monotonic() - started:.3f} s")

    def _host_key(self, name: str) -> Check:
        *jumps, last = hops(resolve(self._device))
        self._connection = Connection(self._device.name)
        for jump in jumps:
            self._greet(jump)
            self._connection.enter(jump)
        return _good(name, f"{self._greet(last)} is trusted")

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
        return _good(name, f"as {endpoint.user}")

    def _python(self, name: str) -> Check:
        self._pythons = find_pythons(self._here, self._device)
        self._facts = read_facts(self._here, self._device, self._pythons[0])
        versions = [f"{python.command} {python.version}" for python in self._pythons]
        return _good(name, f"{', '.join(versions)} on {self._pythons[0].target.architecture}")

    def _disk(self, name: str) -> Check:
        home = self._here.home()
        error = probe_disk(self._here, home, device_name=self._device.name)
        if error is not None:
            raise error
        free = self._facts.disk_bytes
        if free is None:
            return _unknown(name, "cannot be read")
        advice = "" if free >= ENOUGH_DISK_BYTES else "Free some space there"
        return _good(name, f"{free / 2**20:.0f} MiB free in {home}", advice)

    def _memory(self, name: str) -> Check:
        available = self._facts.memory_bytes
        if available is None:
            return _unknown(name, "cannot be read")
        advice = "" if available >= ENOUGH_MEMORY_BYTES else "End what runs there besides"
        return _good(name, f"{available / 2**20:.0f} MiB available", advice)

    def _clock(self, name: str) -> Check:
        off_s = self._facts.clock_off_s
        if off_s is None:
            return _unknown(name, "cannot be read")
        advice = "" if abs(off_s) <= CLOCK_TOLERANCE_S else "Set it, for pip's sake: sudo date"
        return _good(name, f"{off_s:+.0f} s from this workstation's", advice)

    def _governor(self, name: str) -> Check:
        governor = self._facts.governor
        if governor is None:
            return _unknown(name, "the device does not tell")
        cure = "For steadier times: echo performance | sudo tee "
        cure += "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return _good(name, governor, "" if governor == "performance" else cure)

    def _temperature(self, name: str) -> Check:
        celsius = self._facts.celsius
        if celsius is None:
            return _unknown(name, "the device has no sensor that can be read")
        advice = "" if celsius < HOT_CELSIUS else "Let it cool down, or give it a fan"
        return _good(name, f"{celsius:.0f} degrees Celsius", advice)

    def _load(self, name: str) -> Check:
        load, cores = self._facts.load, self._facts.cores
        if load is None or cores is None:
            return _unknown(name, "cannot be read")
        advice = "" if load < BUSY_LOAD * cores else "End what runs there besides"
        return _good(name, f"{load:.2f} on {cores:.0f} cores", advice)

    def _runtime(self, name: str) -> Check:
        environment = prepare(self._here, self._device)
        folder = home_folder(self._here, self._device)
        ours = any(folder in word for word in environment.python)
        place = f"in {folder}" if ours else "installed on the device"
        self._state = read_board_state(self._here, self._device, environment)
        return _good(name, f"{environment.runtime_version}, {place}")

    def _throttling(self, name: str) -> Check:
        assert self._state is not None, "the step before made it"
        now, seen = self._state.throttle_now, self._state.throttle_seen
        if now is None or seen is None:
            return _unknown(name, "the device has no sign of it that can be read")
        if now:
            cure = "Give it a stronger supply, a fan or a rest"
            return _good(name, f"slowed down now: {', '.join(now)}", cure)
        return _good(name, f"none now; since its start: {', '.join(seen) or 'none'}")

    def _energy(self, name: str) -> Check:
        assert self._state is not None, "a step before made it"
        if self._state.energy_sensor is None:
            return _unknown(name, self._state.energy_absent or "no sensor")
        return _good(name, f"measured by {self._state.energy_sensor}")

    def _inference(self, name: str) -> Check:
        feed = Feed(name="x", dtype="float32", shape=(1,))
        phase = Phase(name="infer", feeds=(feed,))
        job = Job(kind="time", phases=(phase,), max_seconds_per_phase=0.5, limit_s=_TEST_LIMIT_S)
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "identity.onnx"
            model.write_bytes(EMPTY_MODEL)
            with open_session(self._device) as session:
                result = session.run(job, model)
        return _good(name, f"works, by {result.provider} with {result.threads} threads")

    @property
    def _here(self) -> Transport:
        assert self._transport is not None, "the steps before made it"
        return self._transport


def _good(name: str, detail: str, advice: str = "") -> Check:
    return Check(name=name, ok=True, detail=detail, cure=advice)


def _unknown(name: str, why: str) -> Check:
    return Check(name=name, ok=None, detail=why)
