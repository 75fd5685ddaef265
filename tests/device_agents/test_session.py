import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest

from device_agents.agent import METHOD, PROTOCOL
from device_agents.bootstrap import Environment
from device_agents.doctor import examine
from device_agents.errors import (
    ConnectionLost,
    DeviceSilent,
    DeviceUnusable,
    DiskUnwritable,
    JobFailed,
    ProtocolError,
)
from device_agents.inventory import Device
from device_agents.jobs import Feed, Job, Phase
from device_agents.local import LocalTransport
from device_agents.session import Session, open_session
from tests.device_agents.test_identity import FACTS

LOCAL = Device(name="local")
FEED = Feed(name="x", dtype="float32", shape=(1, 3, 16, 32))
PHASES = (Phase(name="infer", feeds=(FEED,)),)
PROFILE = Job(kind="profile", phases=PHASES, max_seconds_per_phase=0.1)
MEMORY = Job(kind="memory", phases=PHASES)


@pytest.fixture
def session() -> Iterator[Session]:
    with open_session(LOCAL) as session:
        yield session


def test_a_model_is_profiled_on_this_machine(session, models):
    result = session.run(PROFILE, models / "network.onnx")
    phase = result.phase("infer")
    assert phase.low_ns <= phase.latency_ns <= phase.high_ns
    assert sum(node.op_type == "Conv" for node in phase.nodes) == 3
    assert result.provider == session.identity.provider
    assert result.cores == session.identity.cores
    assert result.canary_before_ns is result.canary_after_ns is None


def test_a_model_is_profiled_over_ssh(small_board, models):
    small_board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
    with open_session(small_board.device, canary=models / "other.onnx") as session:
        result = session.run(PROFILE, models / "network.onnx")
    assert result.phase("infer").nodes
    assert result.canary_before_ns is not None


def test_a_board_whose_shell_greets_at_every_command_is_measured(small_board, models):
    greeting, sha256sum = "echo Welcome to the board; echo '{}'", shutil.which("sha256sum")
    small_board.add_program("sha256sum", f'{greeting}\nexec {sha256sum} "$@"')
    packages = Path(onnxruntime.__file__).parents[1]
    small_board.add_program(
        "python3", f'{greeting}\nPYTHONPATH={packages} exec {sys.executable} -S "$@"'
    )
    with open_session(small_board.device) as session:
        assert session.run(PROFILE, models / "network.onnx").phase("infer").nodes
    checks = {check.name: check for check in examine(small_board.device)}
    assert checks["test inference"].ok
    assert checks["onnxruntime"].detail.endswith("runs by CPUExecutionProvider")
    assert checks["lock"].ok


def test_a_canary_comes_with_each_job(models):
    with open_session(LOCAL, canary=models / "other.onnx") as session:
        results = [session.run(PROFILE, models / "network.onnx") for _ in range(2)]
    assert all(result.canary_before_ns and result.canary_after_ns for result in results)


def test_a_result_tells_when_it_was_asked_for_and_there(session, models):
    first, second = (session.run(MEMORY, models / "network.onnx") for _ in range(2))
    assert first.asked_s < first.answered_s <= second.asked_s < second.answered_s
    assert 0 < session.round_trip_s() < first.answered_s - first.asked_s


def test_the_same_machine_has_the_same_profile(session):
    with open_session(LOCAL) as other:
        assert other.identity == session.identity
        assert other.identity.profile_id == session.identity.profile_id


def test_a_model_is_uploaded_once(session, models, lonely_home):
    session.run(MEMORY, models / "network.onnx")
    (uploaded,) = (lonely_home / ".edge-nas" / "models").iterdir()
    inode = uploaded.stat().st_ino
    session.run(MEMORY, models / "network.onnx")
    assert uploaded.stat().st_ino == inode


def test_nothing_is_written_outside_the_folder(session, models, lonely_home):
    session.run(PROFILE, models / "network.onnx")
    assert [path.name for path in lonely_home.iterdir()] == [".edge-nas"]


def test_a_failed_job_costs_only_its_model(session, models, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(JobFailed, match=r"local: broken\.onnx: refused") as caught:
        session.run(MEMORY, broken)
    assert caught.value.kind == "refused"
    assert session.run(MEMORY, models / "network.onnx").peak_bytes > 0


def test_feeds_of_another_model_are_told(session, models):
    with pytest.raises(JobFailed, match="condition"):
        session.run(MEMORY, models / "branch.onnx")


def test_more_threads_than_cores_end_the_session_before_it_begins():
    with pytest.raises(DeviceUnusable, match="1000 threads"):
        with open_session(Device(name="local", threads=1000)):
            pass


# What follows talks to a program that says what a test wants, in place of an agent.

HELLO = {"id": 1, "result": {"protocol": PROTOCOL, "method": METHOD}}
SPEAKER = """
import json, sys
for answers in json.loads(sys.argv[1]):
    sys.stdin.readline()
    for answer in answers:
        print(answer if isinstance(answer, str) else json.dumps(answer), flush=True)
"""


def liar(*answers: list[object]) -> Session:
    """A session whose agent answers the first request with the first list, and so on."""
    transport = LocalTransport()
    stream = transport.start([sys.executable, "-c", SPEAKER, json.dumps(answers)])
    folder = str(Path.home() / "agent")
    environment = Environment(
        python=(sys.executable,), agent_path="agent.py", folder=folder, runtime_version="1.20.0"
    )
    return Session(LOCAL, transport, environment, stream)


def introduce_and_run(session: Session, models: Path) -> None:
    session.greet()
    session.run(MEMORY, models / "network.onnx")


@pytest.mark.parametrize(
    "hello",
    [
        {"id": 1, "result": {"protocol": PROTOCOL + 1, "method": METHOD}},
        {"id": 1, "result": None},
        {"id": 1, "error": {"kind": "crash", "message": ""}},
    ],
)
def test_an_agent_of_another_version_is_refused(hello):
    with pytest.raises(ProtocolError, match="the hello"):
        liar([hello]).greet()


def test_what_a_login_script_prints_before_the_hello_is_passed_over(models):
    banner = ["Welcome to the board", "{}", "17 updates"]
    with pytest.raises(JobFailed, match="refused: no"):
        error = {"id": 2, "error": {"kind": "refused", "message": "no"}}
        introduce_and_run(liar([*banner, HELLO], [error]), models)


def test_a_program_that_never_greets_is_refused():
    with pytest.raises(ProtocolError, match="none of them a hello"):
        liar(["chatter"] * 200).greet()


@pytest.mark.parametrize(
    "answer", [{"id": 3, "result": {}}, {"result": {}}, "no json", "[]", "[" * 100_000]
)
def test_an_answer_to_something_else_is_not_believed(answer, models):
    with pytest.raises(ProtocolError, match="no agent of ours"):
        introduce_and_run(liar([HELLO], [answer]), models)


@pytest.mark.parametrize("error", [None, {}, {"kind": "whim", "message": ""}, {"kind": "crash"}])
def test_an_error_that_is_none_is_not_believed(error, models):
    with pytest.raises(ProtocolError, match="the error"):
        introduce_and_run(liar([HELLO], [{"id": 2, "error": error}]), models)


@pytest.mark.parametrize(
    ("kind", "raised"), [("busy", DeviceSilent), ("disk", DiskUnwritable), ("hot", DeviceSilent)]
)
def test_what_concerns_the_device_is_no_failure_of_the_job(kind, raised, models):
    error = {"id": 2, "error": {"kind": kind, "message": "for a reason"}}
    with pytest.raises(raised, match="for a reason"):
        introduce_and_run(liar([HELLO], [error]), models)


def test_beats_are_no_answer_but_an_end_is_an_end(models):
    beats = [{"id": 2, "beat": "running"}] * 3
    with pytest.raises(ConnectionLost):
        introduce_and_run(liar([HELLO], beats), models)


def measured(governor: str) -> dict[str, object]:
    return {
        "phases": [],
        "load_ns": 1,
        "peak_bytes": 1,
        "peak_kind": "resident_over_empty_session",
        "provider": "CPUExecutionProvider",
        "threads": 1,
        "cores": [0],
        "canary_before_ns": None,
        "canary_after_ns": None,
        "canary_between_ns": [],
        "model_sha256": None,
        "warnings": [],
        "governor": governor,
        "gate": None,
        "retries": 0,
        "energy_absent": None,
    }


def test_an_answer_that_is_refused_is_not_asked_for_again(models):
    """A device that kept it would answer with it until the end of its days."""
    digest = hashlib.sha256((models / "network.onnx").read_bytes()).hexdigest()
    good = measured("performance") | {"model_sha256": digest}
    results = [{**FACTS, "governor": "performance"}, {**good, "peak_bytes": -1}]
    session = liar(
        [HELLO], *([{"id": number, "result": result}] for number, result in enumerate(results, 2))
    )
    session.greet()
    session.introduce()
    with pytest.raises(ProtocolError):
        session.run(MEMORY, models / "network.onnx", name="carrier a 0")
    (refused,) = session._tickets.stored
    assert refused not in session._tickets.waiting


def test_what_a_device_measured_as_another_one_is_not_asked_for(models):
    tickets = set()
    for kernel in ("6.1", "6.6"):
        session = liar([HELLO], [{"id": 2, "result": {**FACTS, "kernel": kernel}}], [])
        session.greet()
        session.introduce()
        with pytest.raises(ConnectionLost):
            session.run(MEMORY, models / "network.onnx", name="carrier a 0")
        tickets.update(session._tickets.waiting)
    assert len(tickets) == 2


def test_what_was_measured_under_another_governor_is_not_used(models):
    digest = hashlib.sha256((models / "network.onnx").read_bytes()).hexdigest()
    governors = ["performance", "ondemand"]
    results = [measured(governor) | {"model_sha256": digest} for governor in governors]
    answers = [{**FACTS, "governor": "performance"}, *results]
    session = liar(
        [HELLO], *([{"id": number, "result": result}] for number, result in enumerate(answers, 2))
    )
    session.greet()
    session.introduce()
    assert session.run(MEMORY, models / "network.onnx").governor == "performance"
    with pytest.raises(DeviceUnusable, match="changed from performance to ondemand"):
        session.run(MEMORY, models / "network.onnx")


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"another")])
def test_a_model_that_is_damaged_or_gone_on_the_device_is_sent_again(
    models, lonely_home, caplog, harm
):
    model = models / "network.onnx"
    with open_session(LOCAL) as session:
        digest = session.upload(model)
        harm(lonely_home / ".edge-nas" / "models" / f"{digest}.onnx")
        assert session.run(PROFILE, model).model_sha256 == digest
    (record,) = caplog.records
    assert record.message.endswith("It is sent again")
