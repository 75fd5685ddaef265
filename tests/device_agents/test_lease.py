"""One host at a time measures on a device; the others are told who, and wait."""

import json
import logging
import os
import signal
import threading
import time

import pytest

from device_agents import agent, lease
from device_agents.errors import DeviceLeased, ProtocolError
from device_agents.inventory import Device
from device_agents.lease import Holder, Waiting, this_host
from device_agents.session import Session, open_session
from tests.device_agents.agent_host import AGENT, FOREVER, is_gone, job

LOCAL = Device(name="local")


def take(host, owner="anna@desk", wait_s=5.0):
    return host.ask(op="lease", owner=owner, wait_s=wait_s)


def test_the_second_host_is_told_for_whom_it_waits_and_for_how_long(start_host):
    first, second = start_host(), start_host()
    assert "result" in take(first)
    second.send(op="lease", owner="ben@lab", wait_s=0.5)
    waiting = second.receive()
    assert waiting["beat"] == "leased"
    assert waiting["lease"]["owner"] == "anna@desk"
    assert 0 <= waiting["lease"]["held_s"] < 60
    assert second.receive()["error"]["kind"] == "leased"


def test_a_lease_goes_to_the_next_host_when_the_first_hangs_up(start_host):
    first, second = start_host(), start_host()
    take(first)
    second.send(op="lease", owner="ben@lab", wait_s=60)
    second.receive()
    first.process.stdin.close()
    assert second.receive()["result"]["waited_s"] > 0


def test_a_host_that_neither_reads_nor_speaks_does_not_hold_the_agent():
    from_host, _ = os.pipe()
    _, to_host = os.pipe()
    wire = agent.Wire(from_host, to_host)
    wire.silence_s = 0.1
    with pytest.raises(agent.HostGone):
        wire.send({"result": "x" * 2**20})


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGTERM])
def test_the_lease_of_an_agent_that_died_is_free(start_host, fate):
    first, second = start_host(), start_host()
    take(first)
    first.process.send_signal(fate)
    assert "result" in take(second, "ben@lab")
    assert json.loads((second.folder / "lease").read_text())["owner"] == "ben@lab"


def test_a_host_may_take_its_lease_twice(start_host):
    first = start_host()
    assert "result" in take(first)
    assert "result" in take(first, wait_s=0.0)


def silent_agent_file(tmp_path):
    """An agent that believes a host gone after a second."""
    short = tmp_path / "short.py"
    text = AGENT.read_text().replace("HOST_SILENCE_S = 30.0", "HOST_SILENCE_S = 1.0")
    assert "HOST_SILENCE_S = 1.0" in text
    short.write_text(text)
    return short


def silent_agent(start_host, tmp_path):
    return start_host(agent=silent_agent_file(tmp_path))


def test_a_host_that_fell_silent_loses_its_lease_and_its_job(start_host, tmp_path):
    first, second = silent_agent(start_host, tmp_path), start_host()
    take(first)
    first.send(**job(first.put("endless"), phases=FOREVER))
    while not (children := first.children()):
        first.send_line("alive")
        time.sleep(0.05)
    assert "result" in take(second, "ben@lab", wait_s=30)
    assert first.process.wait(10) == 0
    assert all(is_gone(child) for child in children)


def test_a_host_that_says_it_is_alive_keeps_its_lease(start_host, tmp_path):
    first, second = silent_agent(start_host, tmp_path), start_host()
    take(first)
    for _ in range(10):
        time.sleep(0.3)
        first.send_line("alive")
    assert take(second, "ben@lab", wait_s=0.0)["error"]["kind"] == "leased"
    assert first.ask(op="hello")["result"]["protocol"] == agent.PROTOCOL


@pytest.mark.parametrize(
    "text", ["", "[]", "no json", '{"owner": 3}', '{"owner": "x", "since": 0}']
)
def test_a_lease_file_that_says_nothing_of_use_stands_in_nobodys_way(start_host, text):
    host = start_host()
    host.folder.mkdir(parents=True, exist_ok=True)
    (host.folder / "lease").write_text(text)
    assert "result" in take(host)


def test_two_sessions_share_no_device(caplog):
    held = threading.Event()
    done = threading.Event()

    def hold():
        with open_session(LOCAL, wait_s=0):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        with caplog.at_level(logging.WARNING), pytest.raises(DeviceLeased) as caught:
            with open_session(LOCAL, wait_s=0.5):
                pass
    finally:
        done.set()
        holder.join()
    mine = f"local is in use by {this_host()}, for "
    assert [r.message.startswith(mine) for r in caplog.records] == [True]
    assert f"local: in use by {this_host()}, for " in str(caught.value)
    assert "wait longer: --wait MINUTES" in str(caught.value)
    with open_session(LOCAL, wait_s=5):
        pass


def test_a_host_that_waits_for_long_is_not_thought_gone(monkeypatch, tmp_path):
    monkeypatch.setattr(lease, "ALIVE_S", 0.2)
    monkeypatch.setattr("device_agents.bootstrap.AGENT_FILE", silent_agent_file(tmp_path))
    held, free = threading.Event(), threading.Event()

    def hold():
        with open_session(LOCAL, wait_s=0):
            held.set()
            free.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    threading.Timer(2.5, free.set).start()  # more than twice what the agent takes for silence
    with open_session(LOCAL, wait_s=60) as session:
        assert session.identity
    holder.join()


def test_a_session_without_a_lease_shares_the_device():
    with open_session(LOCAL, wait_s=0), open_session(LOCAL) as other:
        assert isinstance(other, Session)


def test_a_session_with_a_lease_tells_that_it_is_there(monkeypatch):
    monkeypatch.setattr(lease, "ALIVE_S", 0.05)
    said = []
    monkeypatch.setattr(
        "device_agents.protocol.AgentProtocol.say_alive", lambda self: said.append(time.monotonic())
    )
    with open_session(LOCAL, wait_s=0):
        time.sleep(0.5)
    told = len(said)
    assert told >= 3
    time.sleep(0.2)
    assert len(said) == told


def test_those_who_wait_are_told_again_when_the_holder_changes(caplog):
    waiting = Waiting("board1", 600)
    with caplog.at_level(logging.WARNING):
        for owner in ("anna@desk", "anna@desk", "ben@lab"):
            waiting.tell(Holder(owner=owner, held_s=720.0, silent_s=1.0))
        waiting.tell(Holder(owner=None, held_s=None, silent_s=None))
    assert [record.message for record in caplog.records] == [
        "board1 is in use by anna@desk, for 12 min now; waiting up to 10 min more",
        "board1 is in use by ben@lab, for 12 min now; waiting up to 10 min more",
        "board1 is in use by another host; waiting up to 10 min more",
    ]


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"owner": 3, "held_s": 1, "silent_s": 1},
        {"owner": "x", "held_s": -1, "silent_s": 1},
        {"owner": "x", "held_s": float("nan"), "silent_s": 1},
    ],
)
def test_what_a_device_says_of_its_lease_is_not_trusted(said):
    with pytest.raises(ProtocolError, match="board1"):
        Holder.read(said, device="board1")


def test_an_owner_cannot_write_on_the_terminal_of_those_who_wait():
    said = {"owner": "\x1b[31mred\n", "held_s": 1, "silent_s": 1}
    assert "\x1b" not in str(Holder.read(said, device="board1"))
    assert "\n" not in str(Holder.read(said, device="board1"))


def test_a_user_without_a_name_has_a_number(monkeypatch):
    def unknown():
        raise OSError("no user name")

    monkeypatch.setattr(lease.getpass, "getuser", unknown)
    assert this_host().startswith(f"user {os.getuid()}@")
