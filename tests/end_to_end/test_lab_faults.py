"""What is wrong with a board: doctor and measurement both say it in a line, and end with 4."""

import json
import time

import pytest

from device_agents import ssh_login
from device_agents.agent import EMPTY_MODEL
from device_agents.doctor import examine
from device_agents.jobs import Feed, Job, Phase
from device_agents.session import open_session
from tests.end_to_end.desk import SPACE, rows_of, running_until

pytestmark = pytest.mark.lab

FAULTS = {
    "cut": ("port", "does not answer within 1 s", "Check power, network and address"),
    "stop_sshd": ("port", "Connection refused", "Check power, network and address"),
    "freeze": ("host key", "takes the connection but says nothing", "Restart it"),
    "rekey": ("host key", "has CHANGED, it is now ssh-ed25519 SHA256:", "do not connect"),
    "fill": ("disk", "its disk is full", "Free some space there"),
    "readonly": ("disk", "its disk is read-only", "Remount it for writing"),
    "close_home": ("disk", "this user may not write there", "Give it the folder"),
}


@pytest.fixture
def board(lab, desk):
    """A board of the lab with onnxruntime, in the inventory."""
    (board,) = lab.boards(1)
    board.give("onnxruntime")
    desk.ok(*board.add_command)
    return board


def break_it(board, fault):
    if fault == "close_home":
        board.shell("chmod 500 ~")
    else:
        getattr(board, fault)()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_board_is_told_with_its_cure(board, desk, monkeypatch, fault):
    monkeypatch.setattr(ssh_login, "CONNECT_LIMIT_S", 1.0)
    monkeypatch.setattr(ssh_login, "HANDSHAKE_LIMIT_S", 3.0)
    name, words, cure = FAULTS[fault]
    break_it(board, fault)

    doctor = desk.nas("devices", "doctor", "board1", "--json")
    assert doctor.code == 4
    assert doctor.err.startswith(f"nas: board1 is not fit: {name}: ")
    assert len(doctor.err.strip().splitlines()) == 2
    assert words in doctor.err and cure in doctor.err
    checks = {check["check"]: check for check in doctor.json}
    assert [key for key in checks if checks[key]["ok"] is False] == [name]
    assert words in checks[name]["detail"] and cure in checks[name]["cure"]
    assert checks["test inference"]["detail"] == f"not looked at, because of: {name}"

    refusal = desk.refused(4, "profile", *SPACE, "--device", "board1")
    assert refusal.startswith("nas: board1: ")
    assert words in refusal and cure in refusal


def test_a_board_with_another_host_key_is_sent_nothing(board, desk):
    board.rekey()
    refusal = desk.refused(4, "profile", *SPACE, "--device", "board1")
    shown = refusal.partition("SHA256:")[2].split(".")[0]
    board.trust()
    assert board.shell("ls -A ~") == ".ssh\n"
    doctor = desk.ok("devices", "doctor", "board1", "--json")
    assert shown in {check["check"]: check for check in doctor.json}["host key"]["detail"]


@pytest.mark.parametrize("skew_s", [-86_400, 86_400])
def test_a_wrong_clock_is_told_and_harms_no_measurement(board, desk, tmp_path, skew_s):
    board.skew(skew_s)
    doctor = desk.ok("devices", "doctor", "board1", "--json")
    checks = {check["check"]: check for check in doctor.json}
    assert abs(int(checks["clock"]["detail"].split()[0]) - skew_s) <= 5
    assert checks["clock"]["cure"].startswith("Set it")
    assert checks["test inference"]["ok"]

    (tmp_path / "tiny.onnx").write_bytes(EMPTY_MODEL)
    phase = Phase(name="infer", feeds=(Feed(name="x", dtype="float32", shape=(1,)),))
    job = Job(kind="time", phases=(phase,), max_seconds_per_phase=0.2)
    with open_session(board.device, wait_s=10) as session:
        result = session.run(job, tmp_path / "tiny.onnx", name="once")
        assert session.run(job, tmp_path / "tiny.onnx", name="once") == result
        session.confirm()
    assert 0 < result.phases[0].latency_ns < 10**9


def test_the_doctor_ends_in_time_on_a_slow_way_that_loses_data(board):
    board.lag(200, 20)
    start, limit_s = time.monotonic(), 15.0
    checks = examine(board.device, whole_limit_s=limit_s)
    assert time.monotonic() - start < 2 * limit_s
    failed = [check for check in checks if check.ok is False]
    assert len(failed) <= 1
    assert all(check.cure for check in failed)


def test_a_board_that_is_away_at_first_joins_the_others(lab, empty_desk):
    first, late = boards = lab.boards(2)
    for each in boards:
        each.give("onnxruntime")
        empty_desk.ok(*each.add_command)
    late.stop_sshd()
    command = ("profile", *SPACE, "--device", "board1,board2", "--contexts", "6", "--json")
    ran = empty_desk.start(*command)

    def first_works():
        return rows_of(empty_desk.database, "SELECT 1 FROM lut_networks")

    with running_until(ran, first_works):
        late.restart_sshd()
        out, err = ran.communicate()
    assert ran.returncode == 0, err
    assert "Connection refused. It is tried again while others work" in " ".join(err.split())
    outcome = json.loads(out)
    assert outcome["devices"] == ["board1", "board2"]
    assert outcome["runs_by_device"]["board2"] > 0
    assert outcome["ended"] == "complete"
