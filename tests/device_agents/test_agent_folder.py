"""The one folder on a device: for its user alone, within its caps, without old leftovers."""

import contextlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_agents import agent
from device_agents.bootstrap import prepare
from device_agents.errors import DeviceUnusable
from device_agents.inventory import Device
from device_agents.local import LocalTransport
from device_agents.session import open_session
from tests.device_agents.agent_host import AGENT, FOREVER, job
from tests.device_agents.test_kept_results import JOB, TICKET

LOCAL = Device(name="local")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
DAY_S = 86400


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def serve(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(AGENT), "serve", "--folder", str(folder)]
    return subprocess.run(
        command, input='{"id": 1, "op": "hello"}\n', capture_output=True, text=True
    )


def refused(folder: Path) -> str:
    """What both the agent and the host that is about to set it up say."""
    done = serve(folder)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    with pytest.raises(DeviceUnusable) as caught:
        prepare(LocalTransport(), Device(name="local", folder=folder.name))
    assert str(caught.value) == f"local: {line}"
    return line


def test_all_that_a_measurement_makes_is_for_this_user_alone(models, lonely_home):
    before = os.umask(0o000)
    try:
        with open_session(LOCAL, wait_s=0) as session:
            session.run(JOB, models / "network.onnx", name="carrier 1")
    finally:
        os.umask(before)
    folder = lonely_home / ".edge-nas"
    paths = [folder, *folder.rglob("*")]
    assert {path.name for path in paths} >= {"models", "results", "agents", "lock", "lease"}
    assert {mode(path) for path in paths if path.is_dir()} == {0o700}
    assert mode(folder / "lock") == mode(folder / "lease") == 0o600
    assert {mode(path) for path in (folder / "results").iterdir()} == {0o600}


def test_over_ssh_too(small_board, models):
    prepare_over_ssh(small_board)
    folder = small_board.home / ".edge-nas"
    assert {mode(path) for path in [folder, *folder.iterdir()] if path.is_dir()} == {0o700}


def prepare_over_ssh(board) -> None:
    import onnxruntime

    board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
    with open_session(board.device):
        pass


def test_a_folder_that_an_older_version_left_open_is_closed(lonely_home):
    folder = lonely_home / ".edge-nas"
    (folder / "models").mkdir(parents=True)
    for path in (folder, folder / "models"):
        path.chmod(0o775)
    assert serve(folder).returncode == 0
    assert mode(folder) == mode(folder / "models") == 0o700


def test_a_folder_that_everybody_could_write_is_refused(lonely_home):
    folder = lonely_home / ".edge-nas"
    folder.mkdir()
    folder.chmod(0o777)
    assert "could be written by everybody" in refused(folder)
    assert list(folder.iterdir()) == []


def test_a_link_or_a_file_in_its_place_is_refused(lonely_home, tmp_path):
    folder = lonely_home / ".edge-nas"
    folder.symlink_to(tmp_path)
    assert "is a link or a file" in refused(folder)
    assert list(tmp_path.iterdir()) == []
    folder.unlink()
    folder.symlink_to(tmp_path / "nowhere")
    assert "is a link or a file" in refused(folder)
    folder.unlink()
    folder.write_text("a file")
    assert "is a link or a file" in refused(folder)


def test_a_link_in_place_of_the_models_is_refused(lonely_home, tmp_path):
    folder = lonely_home / ".edge-nas"
    folder.mkdir()
    (folder / "models").symlink_to(tmp_path)
    assert "is a link or a file" in serve(folder).stderr


@AS_ROOT
def test_a_folder_of_somebody_else_is_refused(lonely_home):
    folder = lonely_home / ".edge-nas"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert "belongs to user 12345, not to this one" in refused(folder)
    assert list(folder.iterdir()) == []


def aged(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"old")
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_what_was_not_used_for_a_month_and_old_drafts_leave(host):
    old = [
        aged(host.folder / "models" / f"{'a' * 64}.onnx", 31),
        aged(host.folder / "results" / f"{'a' * 64}.json", 31),
        aged(host.folder / "models" / f"{'b' * 64}.onnx.0123abcd.part", 2),
        aged(host.folder / "agents" / "x.py.0123abcd.part", 2),
        aged(host.folder / "results" / f"{'b' * 64}.json.77.part", 2),
    ]
    young = [
        aged(host.folder / "models" / f"{'c' * 64}.onnx", 29),
        aged(host.folder / "results" / f"{'c' * 64}.json", 29),
        aged(host.folder / "models" / f"{'d' * 64}.onnx.0123abcd.part", 0.5),
        aged(host.folder / "agents" / "old.py", 300),
    ]
    host.run(host.put("network"), kind="memory", ticket=TICKET)
    assert [path for path in old if path.exists()] == []
    assert [path for path in young if not path.exists()] == []


def test_no_more_files_are_kept_than_the_cap(tmp_path, monkeypatch):
    monkeypatch.setattr(agent, "KEPT_FILES", 3)
    for days in (5, 4, 3, 2, 1):
        aged(tmp_path / f"{days}", days)
    agent.prune(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]


def test_a_board_whose_clock_was_set_keeps_what_came_at_the_same_time(tmp_path):
    for name in ("a", "b"):
        aged(tmp_path / name, 20_000)
    agent.prune(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2


def open_files(pid):
    """What a running process has open; it may close any of it while this looks."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def test_the_agent_and_its_job_listen_on_no_port(host):
    host.send(**job(host.put("endless"), phases=FOREVER))
    for pid in (host.process.pid, host.wait_for_child()):
        files = open_files(pid)
        assert files
        assert [file for file in files if file.startswith("socket:")] == []
