"""A bare board of another architecture, from wheels to a LUT; its times are an emulator's."""

import json

import pytest

from device_agents.agent import EMPTY_MODEL
from device_agents.bootstrap import AGENT_FILE
from device_agents.ssh import open_ssh
from tests.end_to_end.desk import TINY, only

pytestmark = pytest.mark.lab

# One architecture: an emulator takes its time.
SPACE = (
    *("--space", "mobile", "--data", "digits"),
    *only(*(text.replace("expansion=3,6", "expansion=3") for text in TINY)),
)


@pytest.fixture(scope="module")
def board(lab, desk):
    """The board, in the inventory."""
    bare = lab.arm_board()
    desk.ok(*bare.add_command)
    return bare


@pytest.fixture(scope="module")
def checks(board, desk):
    """What the doctor found there; from then on it has onnxruntime."""
    return {c["check"]: c for c in desk.ok("devices", "doctor", "arm1", "--json").json}


def test_the_doctor_brings_wheels_for_the_architecture_of_the_board(board, checks):
    assert checks["python"]["detail"].endswith("on aarch64")
    runtime = checks["onnxruntime"]["detail"]
    assert runtime.endswith("in /home/agent/.edge-nas, runs by CPUExecutionProvider")
    assert checks["test inference"]["ok"]
    libraries = board.shell("find ~/.edge-nas/site-* -name '*.so'").splitlines()
    assert any("aarch64-linux-gnu.so" in library for library in libraries)
    assert not any("x86_64" in library for library in libraries)


@pytest.mark.usefixtures("checks")
def test_the_agent_measures_by_hand_without_a_workstation(board, tmp_path):
    model = tmp_path / "tiny.onnx"
    model.write_bytes(EMPTY_MODEL)
    with open_ssh(board.device) as link:
        link.put(model, "tiny.onnx")
        link.put(AGENT_FILE, ".edge-nas/agents/by-hand.py")
    python = "python3 ~/.edge-nas/agents/by-hand.py"
    identity = json.loads(board.shell(f"{python} identify"))
    assert identity["arch"] == "aarch64"
    assert identity["cpu_model"] == "ARM implementer 0x41 parts 0xd08"
    result = json.loads(board.shell(f"{python} run tiny.onnx --seconds 0.2"))
    assert result["provider"] == "CPUExecutionProvider"
    assert result["phases"][0]["latency_ns"] > 0
    error = json.loads(board.shell(f"{python} run gone.onnx; test $? = 1 && rm tiny.onnx"))
    assert "No such file" in error["error"]["message"]


@pytest.mark.usefixtures("checks")
def test_a_lut_is_filled_there(board, desk):
    options = ("--device", "arm1", "--contexts", "1", "--minutes", "0.2")
    outcome = desk.ok("profile", *SPACE, *options, "--json").json
    assert outcome["device"] == "arm1"
    assert outcome["known"] > 0
    entries = desk.ok("lut", "coverage", *SPACE, "--device", "arm1", "--json").json
    assert entries
