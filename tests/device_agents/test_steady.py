"""A session goes on after its agent, its connection or its device has gone and come back."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from device_agents import steady
from device_agents.errors import ConnectionLost, DeviceUnusable, JobFailed
from device_agents.inventory import Device
from device_agents.jobs import Feed, Job, Phase
from device_agents.session import Session
from device_agents.steady import SteadySession, open_steady_session

LOCAL = Device(name="local")
FEED = Feed(name="x", dtype="float32", shape=(1, 3, 16, 32))
PHASES = (Phase(name="infer", feeds=(FEED,)),)
JOB = Job(kind="time", phases=PHASES, max_seconds_per_phase=0.1)
LONGER = Job(kind="time", phases=PHASES, max_seconds_per_phase=1.0)

WORKSTATION = """
import sys
from pathlib import Path

from device_agents import Device, Feed, Job, Phase, open_steady_session

feed = Feed(name="x", dtype="float32", shape=(1, 3, 16, 32))
job = Job(kind="time", phases=(Phase(name="infer", feeds=(feed,)),), max_seconds_per_phase=1.0)
with open_steady_session(Device(name="local")) as session:
    session.run(job, Path(sys.argv[1]), name="carrier")
"""


def agents(home) -> list[int]:
    """Processes that serve in this folder; not their children."""
    found = subprocess.run(
        ["pgrep", "-f", f"serve --folder {home}"], capture_output=True, text=True, check=False
    )
    return [int(pid) for pid in found.stdout.split()]


def kill_when_it_measures(home) -> threading.Thread:
    """Kills the agent as soon as it has begun a job."""

    def kill():
        while not (home / ".edge-nas" / "work").exists():
            time.sleep(0.01)
        for pid in agents(home):
            os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(steady, "_FIRST_PAUSE_S", 0.05)


@pytest.mark.usefixtures("hasty")
def test_a_job_is_done_although_the_agent_is_killed_in_the_middle(models, lonely_home, caplog):
    with open_steady_session(LOCAL) as session, caplog.at_level(logging.WARNING):
        killer = kill_when_it_measures(lonely_home)
        result = session.run(LONGER, models / "network.onnx", name="carrier")
        killer.join()
        session.confirm()
    assert result.phases
    first, last = (record.message for record in caplog.records)
    assert first.startswith("local: the agent ended")
    assert first.endswith("Trying again in 0 s")
    assert last == "local is back"


@pytest.mark.usefixtures("hasty")
def test_what_was_measured_before_the_agent_died_is_not_measured_again(models, lonely_home):
    with open_steady_session(LOCAL) as session:
        first = session.run(JOB, models / "network.onnx", name="carrier")
        for pid in agents(lonely_home):
            os.kill(pid, signal.SIGKILL)
        assert session.run(JOB, models / "network.onnx", name="carrier") == first
        session.confirm()
    assert list((lonely_home / ".edge-nas" / "results").iterdir()) == []


@pytest.mark.usefixtures("hasty")
def test_a_job_that_ends_three_agents_is_given_up(models, lonely_home, monkeypatch):
    asked = []

    def lose(self, job, model, *, name=None):
        asked.append(name)
        raise ConnectionLost("local: the agent ended. Try again", device="local")

    with open_steady_session(LOCAL) as session:
        monkeypatch.setattr(Session, "run", lose)
        with pytest.raises(ConnectionLost):
            session.run(JOB, models / "network.onnx", name="carrier")
    assert asked == ["carrier"] * 3


def test_a_device_that_stays_away_is_given_up_after_a_while(models, monkeypatch):
    now, pauses = [0.0], []

    def sleep(seconds):
        pauses.append(seconds)
        now[0] += seconds

    session = SteadySession(LOCAL, patience_s=100.0, sleep=sleep, clock=lambda: now[0])
    session.open()
    session.device = replace(LOCAL, name="board1", host="127.0.0.1", port=1)
    session._drop(ConnectionLost("board1: it was cut", device="board1"))
    with pytest.raises(DeviceUnusable, match="board1"):
        session.run(JOB, models / "network.onnx")
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    session.close()


def test_a_device_that_is_not_needed_any_more_is_not_waited_for():
    session = SteadySession(LOCAL, sleep=lambda _: session.hurry())
    session.open()
    session.device = replace(LOCAL, name="board1", host="127.0.0.1", port=1)
    cut = ConnectionLost("board1: it was cut", device="board1")
    session._drop(cut)
    with pytest.raises(ConnectionLost, match="it was cut"):
        session.come_back(cut)
    session.close()


@pytest.mark.usefixtures("hasty")
def test_a_device_that_comes_back_as_another_is_refused(models, lonely_home, monkeypatch):
    with open_steady_session(LOCAL) as session:
        monkeypatch.setattr(session, "_identity", replace(session.identity, threads=7))
        for pid in agents(lonely_home):
            os.kill(pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(DeviceUnusable, match="it came back as another device profile"):
                session.run(JOB, models / "network.onnx")


def test_a_model_that_fails_is_no_lost_connection(models, tmp_path, caplog):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with open_steady_session(LOCAL) as session, pytest.raises(JobFailed):
        session.run(JOB, broken, name="carrier")
    assert caplog.records == []


def test_a_workstation_that_was_killed_finds_the_result_when_it_comes_back(models, lonely_home):
    folder = lonely_home / ".edge-nas" / "results"
    host = subprocess.Popen([sys.executable, "-c", WORKSTATION, str(models / "network.onnx")])
    models_there = lonely_home / ".edge-nas" / "models"
    while not (list(models_there.glob("*.onnx")) and (models_there.parent / "work").exists()):
        assert host.poll() is None
        time.sleep(0.01)
    host.kill()
    host.wait()
    with open_steady_session(LOCAL, wait_s=60) as session:
        assert len(list(folder.iterdir())) == 1
        kept = (next(folder.iterdir())).read_bytes()
        result = session.run(LONGER, models / "network.onnx", name="carrier")
        assert f'"load_ns": {result.load_ns}'.encode() in kept
        session.confirm()
    assert list(folder.iterdir()) == []
