"""A result waits on the device until its host has it, whatever becomes of the way there."""

import json
import time

import pytest

from device_agents.inventory import Device
from device_agents.jobs import Feed, Job, Phase
from device_agents.session import open_session
from tests.device_agents.agent_host import FOREVER, is_gone, job

TICKET = "0f" * 32
LOCAL = Device(name="local")
FEED = Feed(name="x", dtype="float32", shape=(1, 3, 16, 32))
JOB = Job(kind="time", phases=(Phase(name="infer", feeds=(FEED,)),), max_seconds_per_phase=0.1)


def kept(host):
    folder = host.folder / "results"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_same_ticket_is_answered_with_the_same_result_until_it_is_confirmed(start_host):
    first, second = start_host(), start_host()
    digest = first.put("network")
    measured = first.run(digest, ticket=TICKET)
    assert kept(first) == [f"{TICKET}.json"]
    assert second.run(digest, ticket=TICKET) == measured
    assert second.ask(op="confirm", tickets=[TICKET, "a" * 64])["result"] == {"forgotten": 1}
    assert kept(first) == []
    assert second.run(digest, ticket=TICKET) != measured


def test_a_job_with_a_ticket_is_finished_although_its_host_has_vanished(start_host):
    first, second = start_host(), start_host()
    digest = first.put("network")
    first.send(**job(digest, ticket=TICKET, max_seconds_per_phase=1.0))
    first.wait_for_child()
    first.process.stdin.close()
    assert first.process.wait(60) == 0
    assert kept(first) == [f"{TICKET}.json"]
    began = time.monotonic()
    assert second.run(digest, ticket=TICKET)["phases"]
    assert time.monotonic() - began < 30
    assert kept(second) == [f"{TICKET}.json"]


def test_a_host_that_leaves_on_purpose_ends_what_runs(start_host):
    host = start_host()
    host.send(**job(host.put("endless"), ticket=TICKET, phases=FOREVER))
    child = host.wait_for_child()
    host.send_line("bye")
    assert host.process.wait(10) == 0
    assert is_gone(child)
    assert kept(host) == []


def test_what_failed_is_tried_again(start_host):
    host = start_host()
    digest = host.put("endless")
    assert host.fail(digest, ticket=TICKET, phases=FOREVER, limit_s=0.5)["kind"] == "timeout"
    assert kept(host) == []


@pytest.mark.parametrize("ticket", ["", "x", "../../etc/passwd", "0F" * 32, TICKET + "\n", 3, []])
def test_a_ticket_is_no_path(start_host, ticket):
    host = start_host()
    assert host.fail(host.put("network"), ticket=ticket)["kind"] == "bad_request"
    assert host.ask(op="confirm", tickets=[ticket])["error"]["kind"] == "bad_request"


@pytest.mark.parametrize("text", ["", "[]", '{"phases": '])
def test_a_kept_result_that_was_damaged_is_measured_again(start_host, text):
    host = start_host()
    digest = host.put("network")
    (host.folder / "results").mkdir(parents=True)
    (host.folder / "results" / f"{TICKET}.json").write_text(text)
    measured = host.run(digest, ticket=TICKET)
    assert json.loads((host.folder / "results" / f"{TICKET}.json").read_text()) == measured


def test_a_disk_that_takes_nothing_more_costs_no_result(start_host):
    host = start_host()
    digest = host.put("network")
    (host.folder / "results").write_text("no folder can be made here")
    assert host.run(digest, ticket=TICKET)["phases"]


def test_a_named_measurement_is_kept_until_it_is_confirmed(models, lonely_home):
    folder = lonely_home / ".edge-nas" / "results"
    with open_session(LOCAL, wait_s=0) as session:
        first = session.run(JOB, models / "network.onnx", name="carrier 1")
        assert len(list(folder.iterdir())) == 1
    with open_session(LOCAL, wait_s=5) as session:
        assert session.run(JOB, models / "network.onnx", name="carrier 1") == first
        assert session.run(JOB, models / "network.onnx", name="carrier 2") != first
        session.confirm()
        assert session.run(JOB, models / "network.onnx", name="carrier 1") != first
        assert len(list(folder.iterdir())) == 1  # the device was told with that request
        session.confirm()
    assert list(folder.iterdir()) == []


def test_a_measurement_without_a_name_is_not_kept(models, lonely_home):
    with open_session(LOCAL, wait_s=0) as session:
        session.run(JOB, models / "network.onnx")
        session.confirm()
    assert not (lonely_home / ".edge-nas" / "results").exists()
