"""Three boards that are cut, killed, filled and rebooted fill one LUT all the same."""

import pytest

from device_agents.agent import EMPTY_MODEL
from device_agents.jobs import Feed, Job, Phase
from device_agents.steady import SteadySession
from tests.chaos import chaos

pytestmark = pytest.mark.lab


def test_a_campaign_survives_a_minute_of_faults(lab, tmp_path):
    found = chaos(lab, tmp_path / "desk", minutes=1.0, seed=1)
    assert found["faults"]
    # Whether timings agree is for a machine that has nothing else to do.
    told = {name: found["checks"][name] for name in found["checks"] if "wrong" not in name}
    assert told == dict.fromkeys(told, True), found
    assert found["records"] == sum(call["outcome"]["runs"] for call in found["calls"])


@pytest.mark.parametrize("fault", ["fill", "readonly"])
def test_a_board_whose_disk_took_nothing_for_a_while_goes_on_when_it_does(lab, tmp_path, fault):
    (board,) = lab.boards(1)
    board.give("onnxruntime")
    (tmp_path / "tiny.onnx").write_bytes(EMPTY_MODEL)
    phase = Phase(name="infer", feeds=(Feed(name="x", dtype="float32", shape=(1,)),))
    job = Job(kind="time", phases=(phase,), max_seconds_per_phase=0.2)
    pauses = []

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            board.unfill() if fault == "fill" else board.writable()

    session = SteadySession(board.device, sleep=sleep)
    session.open()
    try:
        if fault == "readonly":
            board.reboot()  # no disk goes read-only under an agent that has files open
        getattr(board, fault)()
        assert session.run(job, tmp_path / "tiny.onnx", name="once").phases
    finally:
        session.close()
    assert pauses == [1.0, 2.0, 4.0]
