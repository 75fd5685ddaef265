"""What the tests of devices share: boards, an empty home, small models."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.device_agents.agent_host import AGENT, Host
from tests.ssh_board import Board, Start, clean_board, running_boards, small_board, start_board

__all__ = ["running_boards", "small_board", "start_board"]  # fixtures

MODELS = Path(__file__).with_name("models.py")

StartHost = Callable[..., Host]


@pytest.fixture(params=["asyncssh", "sshd"])
def board(
    request: pytest.FixtureRequest, start_board: Start, running_boards: dict[str, Board]
) -> Board:
    """A clean board, behind each of the two servers."""
    return clean_board(request.param, start_board, running_boards)


@pytest.fixture(autouse=True)
def lonely_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own home, SSH agent and configuration take no part in any test."""
    home = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return home


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small models of models.py, each under its name."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run([sys.executable, str(MODELS), str(folder)], check=True)
    return folder


@pytest.fixture
def start_host(tmp_path: Path, models: Path) -> Iterator[StartHost]:
    """Starts an agent; several have one folder, as on a device."""
    hosts: list[Host] = []

    def start(*options: str, agent: Path = AGENT) -> Host:
        hosts.append(Host(tmp_path / "agent", models, *options, agent=agent))
        return hosts[-1]

    yield start
    for host in hosts:
        host.process.kill()
        host.process.wait()
        host.process.stdin.close()
        host.process.stdout.close()


@pytest.fixture
def host(start_host: StartHost) -> Host:
    return start_host()
