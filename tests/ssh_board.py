"""Boards for the tests: real SSH servers on this machine, each with a home folder of its own."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest

from device_agents.inventory import Device

SSHD = Path("/usr/sbin/sshd")
SERVER = Path(__file__).with_name("ssh_server.py")
# All that a board has besides its Pythons. What is not here is not found there.
TOOLS = (
    "basename cat chmod cp cut date dd df dirname echo env free grep head id ls mkdir mv nproc "
    "printf pwd rm sed sh sha256sum sleep sort stat tail touch tr true uname uptime wc"
).split()


@dataclass(frozen=True, kw_only=True)
class Board:
    """A running SSH server; `tools` is the only folder in its PATH."""

    device: Device
    home: Path
    tools: Path
    folder: Path  # the keys and the known_hosts file

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def clean(self) -> None:
        """As new: an empty home folder, the tools and a bare Python, a known host key."""
        for path in (*self.home.iterdir(), *self.tools.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for name in TOOLS:
            if found := shutil.which(name):
                (self.tools / name).symlink_to(found)
        self.add_python("python3")
        self.know_host()

    def know_host(self) -> None:
        key = (self.folder / "host_key.pub").read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.device.port} {key[0]} {key[1]}\n")

    def add_python(self, name: str, *, packages: Path | None = None) -> None:
        """A Python without any package, but for those in a folder."""
        path = f"PYTHONPATH=${{PYTHONPATH:+$PYTHONPATH:}}{packages} " if packages else ""
        self.add_program(name, f'{path}exec {sys.executable} -S "$@"')

    def add_program(self, name: str, script: str) -> None:
        program = self.tools / name
        program.unlink(missing_ok=True)  # a link to the machine's own program, which must stay
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)


Start = Callable[..., Board]


@pytest.fixture(scope="session")
def start_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a board: `start_board("asyncssh", "--no-sftp")` or `start_board("sshd")`."""
    processes: list[subprocess.Popen[str]] = []

    def start(kind: str, *options: str) -> Board:
        folder = tmp_path_factory.mktemp(kind)
        board = _draft(folder)
        commands = {"asyncssh": _asyncssh_command, "sshd": _sshd_command}
        port, command = commands[kind](board, *options)
        log = (folder / "server.log").open("w")
        process = subprocess.Popen(
            command, cwd=board.home, stdout=subprocess.PIPE, stderr=log, text=True
        )
        processes.append(process)
        if port is None:
            assert process.stdout is not None
            port = int(process.stdout.readline())
        _wait_for(port)
        board = replace(board, device=replace(board.device, port=port))
        board.clean()
        return board

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def running_boards(start_board: Start) -> dict[str, Board]:
    """The boards that are up already; a test file shares them."""
    return {}


@pytest.fixture
def small_board(start_board: Start, running_boards: dict[str, Board]) -> Board:
    """A clean board behind the SSH server that needs nothing but Python."""
    return clean_board("asyncssh", start_board, running_boards)


def clean_board(kind: str, start_board: Start, running: dict[str, Board]) -> Board:
    if kind == "sshd" and not SSHD.exists():
        pytest.skip("OpenSSH's sshd is not installed here")
    if kind not in running:
        running[kind] = start_board(kind)
    running[kind].clean()
    return running[kind]


def _draft(folder: Path) -> Board:
    for name in ("host_key", "user_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        key.write_public_key(folder / f"{name}.pub")
        (folder / name).chmod(0o600)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    for name in ("home", "tools"):
        (folder / name).mkdir()
    device = Device(
        name="board",
        host="127.0.0.1",
        key_file=str(folder / "user_key"),
        known_hosts_file=str(folder / "known_hosts"),
    )
    return Board(device=device, home=folder / "home", tools=folder / "tools", folder=folder)


def _asyncssh_command(board: Board, *options: str) -> tuple[int | None, list[str]]:
    folder = board.folder
    files = [str(folder / "host_key"), str(folder / "authorized_keys"), str(board.tools)]
    return None, [sys.executable, str(SERVER), *files, *options]


def _sshd_command(board: Board) -> tuple[int | None, list[str]]:
    folder, port = board.folder, _free_port()
    # sshd runs commands in the real home of the real user: this leads them to the board's own.
    wrapper = folder / "in_home"
    wrapper.write_text(
        f'#!/bin/sh\nHOME={board.home} PATH={board.tools}; export HOME PATH\ncd "$HOME"\n'
        'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    wrapper.chmod(0o755)
    sftp = next(Path("/usr").glob("lib*/**/sftp-server"))
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile none\nUsePAM no\n"
        "StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"ForceCommand {wrapper}\nSubsystem sftp {sftp}\n"
        "SetEnv SHLVL=2\n"  # or bash would read the user's own .bashrc for every command
    )
    if os.geteuid() == 0:  # root's sshd wants this folder, which the service usually makes
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return port, [str(SSHD), "-D", "-e", "-f", str(folder / "sshd_config")]


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"no server came up on port {port}")
