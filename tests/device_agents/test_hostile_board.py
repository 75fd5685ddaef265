"""A device may send anything: it costs one error of ours, and never more than that."""

import dataclasses
import json
import random
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_agents.agent import METHOD, PROTOCOL
from device_agents.bootstrap import Environment, prepare
from device_agents.device_facts import read_board_state, read_facts
from device_agents.device_python import find_pythons
from device_agents.errors import MAX_MESSAGE, ConnectionLost, DeviceError, ProtocolError
from device_agents.identity import read_identity
from device_agents.inventory import Device
from device_agents.jobs import Job, Phase
from device_agents.lease import Holder
from device_agents.protocol import AgentProtocol
from device_agents.results import read_result
from device_agents.session import Session
from device_agents.ssh import SshStream
from device_agents.transport import MAX_LINE_BYTES, Completed, LineBuffer, sha256_of
from tests.device_agents.mutations import (
    ANSWERS,
    COMMAND_OUTPUTS,
    CONVERSATIONS,
    REQUESTS,
    Mutator,
)
from tests.device_agents.test_identity import FACTS
from tests.device_agents.test_results import ANSWER, DIGEST

HANGS_AFTER_S, ANSWERS_LIMIT_S = 30, 600  # nothing here takes a second, nor all together a minute
BOARD = Device(name="board", host="board", threads=2)
ENVIRONMENT = Environment(
    python=("python3",), agent_path="/h/agent.py", folder="/h", runtime_version="1.31.1"
)
JOB = Job(kind="profile", phases=(Phase(name="infer", feeds=()),))
HOLDER = {"owner": "somebody@elsewhere", "held_s": 12.5, "silent_s": 0.1}


@contextmanager
def no_hang(limit_s: float = HANGS_AFTER_S) -> Iterator[None]:
    """Raises in the middle of what does not end."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Replay:
    """A stream that says what it was given, in pieces of any size, and then ends."""

    def __init__(self, said: bytes, piece: int) -> None:
        self._pieces = iter([said[i : i + piece] for i in range(0, len(said), piece)])
        self._lines = LineBuffer("board")

    def send_line(self, line: str) -> None:
        pass

    def read_line(self, *, limit_s: float) -> str:
        while (line := self._lines.next_line()) is None:
            piece = next(self._pieces, None)
            if piece is None:
                raise ConnectionLost("board: the agent ended", device="board")
            self._lines.add(piece)
        return line

    def close(self) -> None:
        pass


class Echo:
    """A transport on which every command prints the same."""

    def __init__(self, text: str) -> None:
        self._text = text

    def run(self, argv: object, *, limit_s: float) -> Completed:
        return Completed(exit_code=0, stdout=self._text, stderr=self._text)

    def start(self, argv: object) -> Replay:
        return Replay(b"", 1)

    def home(self) -> str:
        return "/home/pi"

    def put(self, source: Path, target: str) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "network.onnx"
    file.write_bytes(b"a model")
    return file


def conversation(model: Path) -> list[dict[str, Any]]:
    """All that an agent says while it is greeted, leased, asked who it is, and measures."""
    identity = FACTS | {"method": METHOD}
    result = ANSWER | {"model_sha256": sha256_of(model)}
    return [
        {"id": 1, "result": {"protocol": PROTOCOL, "method": METHOD, "pid": 9, "python": "3.8.1"}},
        {"id": 2, "beat": "leased", "lease": HOLDER},
        {"id": 2, "result": {"waited_s": 0.1}},
        {"id": 3, "result": identity},
        {"id": 4, "beat": "waiting"},
        {"id": 4, "result": result},
        {"id": 5, "result": {"forgotten": 1}},
    ]


def converse(said: bytes, model: Path, piece: int = 65536) -> None:
    """Goes through a conversation; what is believed can be written and read again."""
    session = Session(BOARD, Echo(""), ENVIRONMENT, Replay(said, piece))
    session.greet()
    with session.leased(600.0):
        session.introduce()
        result = session.run(JOB, model, name="carrier 1")
        session.confirm()
    assert result.model_sha256 == sha256_of(model)
    for believed in (result, session.identity):
        json.dumps(dataclasses.asdict(believed), allow_nan=False).encode()


def check(read: Callable[[], object]) -> bool:
    """Whether it was believed; else the error is one that a command tells in two lines."""
    try:
        read()
    except DeviceError as exc:
        text = str(exc)
        assert len(text) <= MAX_MESSAGE
        assert all(line.isprintable() for line in text.split("\n"))
        return False
    return True


def lines(documents: list[Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def test_the_conversation_is_believed_as_it_is(model):
    assert check(lambda: converse(lines(conversation(model)), model, piece=3))


def test_whatever_an_agent_answers_costs_an_error_of_ours_at_most():
    rng = random.Random(3)
    mutators = {
        name: Mutator(4, [{"id": 1, "result": document}])
        for name, document in {"result": ANSWER, "identity": FACTS, "lease": HOLDER}.items()
    }

    def ask(name: str, said: bytes) -> None:
        answer = AgentProtocol(Replay(said, 65536), "board").ask({"op": name}, limit_s=600.0)
        believed = READERS[name](answer.get("result"))
        json.dumps(dataclasses.asdict(believed), allow_nan=False).encode()

    read = believed = 0
    with no_hang(ANSWERS_LIMIT_S):
        for _ in range(ANSWERS):
            name = rng.choice(("result", "result", "identity", "lease"))
            said = mutators[name].line() + b"\n"
            believed += check(lambda: ask(name, said))  # noqa: B023
            read += 1
    assert read == ANSWERS
    assert 0 < believed < ANSWERS / 2


READERS: dict[str, Callable[[object], Any]] = {
    "result": partial(
        read_result,
        device="board",
        job=JOB,
        model_sha256=DIGEST,
        provider="CPUExecutionProvider",
        threads=2,
    ),
    "identity": partial(read_identity, device="board"),
    "lease": partial(Holder.read, device="board"),
}


def test_whatever_an_agent_says_costs_an_error_of_ours_at_most(model):
    good = conversation(model)
    rng = random.Random(1)
    failure = {"id": 4, "error": {"kind": "crash", "message": "died by SIGSEGV"}}
    mutators = [Mutator(number, [said]) for number, said in enumerate([*good, failure])]
    read = believed = 0
    for _ in range(CONVERSATIONS):
        place = rng.choice((0, 1, 2, 3, 3, 4, 5, 5, 5, 5, 6, 7))
        said = [json.dumps(document).encode() for document in good]
        said[min(place, 5) if place == 7 else place] = mutators[place].line()
        text = b"\n".join(said) + b"\n"
        piece = rng.choice((len(text) // 40, 65536))
        with no_hang():
            believed += check(lambda: converse(text, model, piece))  # noqa: B023
        read += 1
    assert read == CONVERSATIONS
    assert 0 < believed < CONVERSATIONS / 2


def test_a_hundred_thousand_inputs_are_read_at_both_ends():
    assert ANSWERS + CONVERSATIONS + COMMAND_OUTPUTS + REQUESTS >= 100_000


STATE = {
    "throttle_now": [],
    "throttle_seen": ["under-voltage"],
    "energy_sensor": None,
    "energy_absent": "no sensor",
}
DEVICE_FACTS = {
    "disk_bytes": 2**33,
    "memory_bytes": 2**31,
    "time_s": 1.7e9,
    "load": 0.1,
    "cores": 4,
    "celsius": None,
    "governor": "ondemand",
}
PYTHON = {
    "version": "3.11.2",
    "implementation": "CPython",
    "abi": "cp311",
    "machine": "aarch64",
    "bits": 64,
    "libc": "glibc 2.36",
    "has_pip": False,
}


def read_outputs(text: str) -> dict[str, Callable[[], object]]:
    """All that is read from what a command on a board printed."""
    echo = Echo(text)

    def facts() -> object:
        python = find_pythons(Echo(f"facts {json.dumps(PYTHON)}"), BOARD)[0]
        return read_facts(echo, BOARD, python)

    def runtime() -> object:
        answers = iter([f"facts {json.dumps(PYTHON)}"] * 9 + [""])
        changing = Echo(text)
        changing.run = lambda argv, limit_s: Completed(  # type: ignore[method-assign]
            exit_code=0, stdout=next(answers, text), stderr=""
        )
        environment = prepare(changing, BOARD)
        assert len(environment.runtime_version) < 60
        return environment

    return {
        "state": lambda: read_board_state(echo, BOARD, ["python3", "agent.py"], ".edge-nas"),
        "facts": facts,
        "python": lambda: find_pythons(echo, BOARD),
        "runtime": runtime,
    }


def test_whatever_a_command_prints_costs_an_error_of_ours_at_most(monkeypatch):
    monkeypatch.setattr("device_agents.bootstrap.fetch_wheels", no_wheels)
    documents = {"state": STATE, "facts": DEVICE_FACTS, "python": PYTHON, "runtime": "1.31.1"}
    mutators = {name: Mutator(7, [document]) for name, document in documents.items()}
    rng = random.Random(2)
    read = believed = 0
    for _ in range(COMMAND_OUTPUTS):
        name = rng.choice(list(documents))
        text = mutators[name].line().decode("utf-8", "replace")
        if name == "runtime":
            text = "runtime " + text.strip('"')
        elif name != "state":
            text = "facts " + text
        with no_hang():
            believed += check(read_outputs(text)[name])
        read += 1
    assert read == COMMAND_OUTPUTS
    assert 0 < believed < COMMAND_OUTPUTS / 2


def no_wheels(target: object) -> list[Path]:
    from device_agents.wheels import NoWheel

    raise NoWheel("none in this test")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(place=st.integers(0, 6), answer=ANY_JSON, raw=st.binary(), is_raw=st.booleans())
def test_any_json_and_any_bytes_cost_an_error_of_ours_at_most(model, place, answer, raw, is_raw):
    said = [json.dumps(document).encode() for document in conversation(model)]
    number = json.loads(said[place])["id"]
    said[place] = raw if is_raw else json.dumps({"id": number, "result": answer}).encode()
    check(lambda: converse(b"\n".join(said) + b"\n", model))


# What costs time or memory.


def test_a_line_without_an_end_costs_no_more_than_the_longest_line(model):
    lines_of_board = LineBuffer("board")
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="a line longer than 16 MiB"):
            for _ in range(MAX_LINE_BYTES // 16 + 1):
                lines_of_board.add(bytes(16))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_LINE_BYTES


def test_an_answer_of_16_mib_of_nothing_is_refused(model):
    said = [json.dumps(document).encode() for document in conversation(model)]
    for filling in (b"[],", b"[", b'{"a":', b"1,", b'"",'):
        said[5] = b'{"id": 4, "result": [' + filling * ((MAX_LINE_BYTES - 100) // len(filling))
        with no_hang(), pytest.raises(DeviceError):
            converse(b"\n".join(said) + b"\n", model)


class Dripping:
    """A channel on which a byte comes again and again, and never the end of a line."""

    def settimeout(self, limit_s: float) -> None:
        pass

    def recv(self, most: int) -> bytes:
        return b"x"

    def recv_stderr(self, most: int) -> bytes:
        return b""


def test_a_board_that_speaks_and_ends_no_line_is_silent():
    with no_hang(), pytest.raises(DeviceError, match="no answer within 0.3 s"):
        SshStream(Dripping(), "board").read_line(limit_s=0.3)  # type: ignore[arg-type]


def test_beats_for_another_request_or_without_end_are_no_answer(model):
    good = lines(conversation(model)[:5])
    for beat in ({"id": 9, "beat": "running"}, {"id": 4, "beat": "running"}):
        said = good + lines([beat]) * 1000
        assert not check(lambda: converse(said, model))  # noqa: B023


def test_the_result_of_another_model_provider_or_protocol_is_not_believed(model):
    for place, change in (
        (5, {"model_sha256": "cd" * 32}),
        (5, {"provider": "CUDAExecutionProvider"}),
        (5, {"threads": 1}),
        (0, {"protocol": PROTOCOL + 1}),
        (0, {"protocol": float(PROTOCOL)}),
        (0, {"method": METHOD - 1}),
        (5, {"governor": "powersave"}),
        (5, {"load_ns": -5}),
        (5, {"load_ns": 10**18}),
    ):
        said = conversation(model)
        said[place]["result"] = {**said[place]["result"], **change}
        assert not check(lambda: converse(lines(said), model)), change  # noqa: B023


def test_what_a_board_says_steers_no_terminal(model):
    said = conversation(model)
    said[5] = {"id": 4, "error": {"kind": "crash", "message": "\x1b[2J\x1b]0;owned\x07"}}
    with suppress(DeviceError):
        converse(lines(said), model)
    assert not check(lambda: converse(lines(said), model))
