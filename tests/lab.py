"""Boards of the lab: small Linux machines over SSH on this one, with the faults of real boards.

The lab is a command of its own, `boards`, and no part of this project: it is looked for at the path
in NAS_LAB, then beside the project. Where it is not, or does not come up, the tests are skipped.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device_agents.errors import DeviceUnreachable
from device_agents.inventory import Device
from device_agents.ssh import open_ssh

BESIDE_US = Path(__file__).parents[2] / "shared" / "lab" / "boards"
UP_LIMIT_S = 600.0  # our choice: the images are downloaded, once
VERB_LIMIT_S = 300.0  # our choice: `give` may download too
COMMAND_LIMIT_S = 60.0


def _verb(name: str, *, cure: str = "") -> "Callable[[LabBoard], None]":
    def do(board: "LabBoard") -> None:
        board.do(name, cure=cure)

    do.__doc__ = f"`boards {name}`; see the lab's own README."
    return do


class LabBoard:
    """One board: what it takes to reach it, and its faults."""

    def __init__(self, lab: "Lab", facts: dict[str, Any]) -> None:
        self._lab = lab
        self._cures: list[str] = []
        self.device = Device(
            name=facts["name"],
            host=facts["host"],
            port=facts["port"],
            user=facts["user"],
            key_file=facts["key"],
            known_hosts_file=facts["known_hosts"],
        )

    cut, join = _verb("cut", cure="join"), _verb("join")
    fill, unfill = _verb("fill", cure="unfill"), _verb("unfill")
    readonly, writable = _verb("readonly", cure="writable"), _verb("writable")
    freeze, thaw = _verb("freeze", cure="thaw"), _verb("thaw")
    stop_sshd, restart_sshd = _verb("stop-sshd", cure="restart-sshd"), _verb("restart-sshd")
    rekey, trust = _verb("rekey", cure="trust"), _verb("trust")
    kill_agent, reboot = _verb("kill-agent"), _verb("reboot")

    def lag(self, round_trip_ms: float, loss_percent: float, kbit_per_s: float = 0) -> None:
        """A slow and lossy way there."""
        values = [f"{value:g}" for value in (round_trip_ms, loss_percent, kbit_per_s)]
        self.do("lag", *values, cure="lag 0 0")

    def skew(self, seconds: int) -> None:
        """A wrong clock, for new logins."""
        self.do("skew", str(seconds), cure="skew 0")

    def give(self, *packages: str) -> None:
        """Python packages for all users; they stay until the lab goes down."""
        self.do("give", *packages)

    def do(self, verb: str, *arguments: str, cure: str = "") -> None:
        """Any verb; `cure` is the one that `mend` ends it with."""
        if cure and cure not in self._cures:
            self._cures.append(cure)
        self._lab.boards_command(verb, self.device.name, *arguments)

    def mend(self) -> None:
        """As new, but for what it was given: no fault, and nothing of ours in its home."""
        while self._cures:
            verb, *arguments = self._cures.pop().split()
            self._lab.boards_command(verb, self.device.name, *arguments)
        self._wait()
        self.shell("chmod 755 ~ && rm -rf ~/.edge-nas")

    def shell(self, command: str) -> str:
        """What a shell command of the board's user prints; it must work."""
        with open_ssh(self.device) as link:
            done = link.run(["sh", "-c", command], limit_s=COMMAND_LIMIT_S)
        assert done.exit_code == 0, done.stderr
        return done.stdout

    def _wait(self) -> None:
        """Until it answers: a host is taken for absent for a moment after its cable was out."""
        deadline = time.monotonic() + COMMAND_LIMIT_S
        while True:
            try:
                open_ssh(self.device).close()
                return
            except DeviceUnreachable:
                assert time.monotonic() < deadline, f"{self.device.name} does not come back"
                time.sleep(0.1)

    @property
    def add_command(self) -> tuple[str, ...]:
        """`nas devices add` for this board, in words."""
        device = self.device
        return (
            *("devices", "add", device.name, "--host", str(device.host)),
            *("--port", str(device.port), "--user", str(device.user)),
            *("--key", str(device.key_file), "--known-hosts", str(device.known_hosts_file)),
        )


class Lab:
    """The boards that tests have asked for so far; made by the fixture `lab`."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self._num_boards, self._has_arm, self._on_all_cores = 0, False, False
        self._boards: dict[str, LabBoard] = {}

    def boards(self, num_boards: int, *, on_all_cores: bool = False) -> list[LabBoard]:
        """So many healthy boards like this machine: board1, board2, ...

        All are of one device profile, unless they shall be `on_all_cores`, to be done earlier.
        """
        if on_all_cores != self._on_all_cores:
            self._on_all_cores, self._num_boards = on_all_cores, 0
        self._have(num_boards, self._has_arm)
        return self._mended([f"board{i + 1}" for i in range(num_boards)])

    def arm_board(self) -> LabBoard:
        """The healthy board `arm1`, an aarch64; its times are those of an emulator."""
        self._have(max(self._num_boards, 1), True)
        return self._mended(["arm1"])[0]

    def boards_command(self, *arguments: str, limit_s: float = VERB_LIMIT_S) -> str:
        """What the lab's command prints; it must work."""
        done = self.try_command(*arguments, limit_s=limit_s)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def try_command(self, *arguments: str, limit_s: float) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self._command, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )

    def _have(self, num_boards: int, has_arm: bool) -> None:
        if num_boards <= self._num_boards and has_arm == self._has_arm:
            return
        num_boards = max(num_boards, self._num_boards)
        # Fast boards share all cores but the last; a slow one, even a little, is on that one.
        slow = "1.1" if self._on_all_cores else "1"
        options = ["--slow", ",".join(("1", slow)[i % 2] for i in range(num_boards))]
        options += ["--arm64"] if has_arm else []
        done = self.try_command("up", str(num_boards), *options, limit_s=UP_LIMIT_S)
        if done.returncode:
            pytest.skip(f"the lab does not come up: {done.stderr.strip()[-500:]}")
        self._num_boards, self._has_arm = num_boards, has_arm
        for facts in json.loads(done.stdout)["boards"]:
            self._boards.setdefault(facts["name"], LabBoard(self, facts))

    def _mended(self, names: list[str]) -> list[LabBoard]:
        boards = [self._boards[name] for name in names]
        for board in boards:
            board.mend()
        return boards


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of this test run's own; it is taken down when the run ends, however it ends."""
    with open_lab(tmp_path_factory.mktemp("lab")) as opened:
        yield opened


@contextmanager
def open_lab(folder: Path) -> Iterator[Lab]:
    """A lab that keeps its state in a folder; it is down when that is left, or this process dies.

    Raises:
        pytest.skip.Exception: there is none, or it does not come up.
    """
    script = Path(os.environ.get("NAS_LAB", BESIDE_US))
    if not script.is_file():
        pytest.skip(f"there is no lab of boards at {script}; NAS_LAB may name its `boards`")
    if os.geteuid() != 0:
        pytest.skip("the lab of boards needs root")
    command = [sys.executable, str(script.resolve())]
    environment = {**os.environ, **_own_names(), "LAB_DIR": str(folder)}
    # It waits for the end of its input, which comes even when this process is killed.
    reaper = subprocess.Popen(
        ["sh", "-c", f"cat; exec {shlex.join([*command, 'down'])}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    assert reaper.stdin is not None
    try:
        yield Lab(command, environment)
    finally:
        reaper.stdin.close()
        reaper.wait(VERB_LIMIT_S)


def _own_names() -> dict[str, str]:
    """Names and addresses that no other run has; the images are shared by all."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return {
        "LAB_CACHE": os.environ.get("LAB_CACHE", str(Path(cache) / "edge-nas-lab")),
        "LAB_NAME": f"n{os.getpid():x}",  # an interface's name has no more than 15 characters
        "LAB_NET": _free_network(os.getpid()),
    }


def _free_network(seed: int) -> str:
    """198.18.0.0/15 is kept for such tests (RFC 2544): nobody's real network is in it."""
    for i in range(seed, seed + 512):
        network = f"198.{18 + i // 256 % 2}.{i % 256}"
        with socket.socket() as sock:
            try:
                sock.bind((f"{network}.1", 0))
            except OSError:  # the address of no interface here
                return network
    raise AssertionError("512 labs are up already; take them down")
