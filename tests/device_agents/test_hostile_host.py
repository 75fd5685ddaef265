"""The agent answers every line: what is no request of ours with an error, and with nothing else."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_agents import agent
from tests.device_agents.agent_host import INFER, feed, is_gone, job, phase
from tests.device_agents.mutations import REQUESTS, VALUES, Mutator
from tests.device_agents.test_hostile_board import ANY_JSON, no_hang

MODEL = "ab" * 32
TICKET = "0f" * 32
KINDS = "timeout crash refused memory bad_request model clock busy leased disk".split()
FEEDS = [feed("x", "float32", 1, 3, 16, 32), feed("n", "int64", low=3, high=3)]
GOOD: list[Any] = [
    {"id": 1, "op": "hello"},
    {"id": 2, "op": "confirm", "tickets": [TICKET]},
    {"id": 3, "op": "lease", "owner": "somebody@elsewhere", "wait_s": 0.5},
    {"id": 4, "op": "identify", "threads": 1, "provider": "CPUExecutionProvider", "limit_s": 9.0},
    {"id": 5, "governor": "performance", **job(MODEL, phases=[phase("infer", *FEEDS), INFER])},
    {"id": 6, "ticket": TICKET, **job(MODEL, canary=MODEL, memory_limit_bytes=2**30)},
]


class NoBench:
    """In place of the one that starts children: notes what would have been started."""

    begun: list[dict[str, Any]] = []

    def __init__(self, root: str, on_idle: Callable[[], None]) -> None:
        pass

    def reply(self, request: dict[str, Any], *_: object) -> dict[str, Any]:
        self.begun.append(request)
        return {"error": {"kind": "refused", "message": "not in this test"}}


class Agent:
    """A server of this process, at the other end of two pipes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        self._pipes = (requests, replies, self._replies)
        server = agent.Server(agent.Wire(requests, replies), str(folder), "/")
        self._thread = threading.Thread(target=server.serve)
        self._thread.start()
        self._lines = os.fdopen(os.dup(self._replies), "rb")

    def ask(self, lines: bytes) -> list[dict[str, Any]]:
        """The replies to some lines, one each, in order."""
        writer = threading.Thread(target=agent._write_all, args=(self._requests, lines))
        writer.start()
        replies = [json.loads(self._lines.readline()) for _ in range(lines.count(b"\n"))]
        writer.join()
        return [reply for reply in replies if "beat" not in reply]

    def close(self) -> None:
        os.close(self._requests)
        self._thread.join()
        self._lines.close()
        for pipe in self._pipes:
            os.close(pipe)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    monkeypatch.setattr(agent, "Bench", NoBench)
    monkeypatch.setattr(NoBench, "begun", [])
    monkeypatch.setattr(agent, "BEAT_S", 1e9)
    (tmp_path / "agent" / "models").mkdir(parents=True)
    (tmp_path / "agent" / "models" / f"{MODEL}.onnx").write_bytes(b"a model")
    made = Agent(tmp_path / "agent")
    yield made
    made.close()


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


EXPECTED = {"agent", "agent/models", f"agent/models/{MODEL}.onnx", "agent/lock", "agent/lease"}


def check_reply(reply: dict[str, Any], line: bytes) -> None:
    if "result" in reply:
        request = json.loads(line)
        assert request["op"] in ("hello", "confirm", "lease")
        assert reply["id"] == request["id"]
        return
    assert set(reply) == {"id", "error"}
    assert reply["id"] is None or type(reply["id"]) is int
    assert reply["error"]["kind"] in KINDS
    assert len(reply["error"]["message"]) <= 500


def test_whatever_a_host_says_is_answered_by_an_error_and_nothing_is_begun(server, tmp_path):
    mutators = [Mutator(number, [request]) for number, request in enumerate(GOOD)]
    read = 0
    while read < REQUESTS:
        made = [mutators[(read + i) % len(mutators)].line() for i in range(200)]
        lines = [line for text in made for line in text.split(b"\n")]
        lines = [line for line in lines if len(line) < agent.REQUEST_CAP_BYTES // 2]
        with no_hang():
            replies = server.ask(b"".join(line + b"\n" for line in lines))
        assert len(replies) == len(lines)
        for reply, line in zip(replies, lines, strict=True):
            check_reply(reply, line)
        read += len(lines)
    assert read >= REQUESTS
    for request in NoBench.begun:  # those that the changes have left right
        assert request["op"] == "identify" or request["model"] == MODEL
        assert 1 <= request["threads"] <= 4096
        assert 0 <= request["limit_s"] <= agent.MOST_S
    assert tree(tmp_path) <= EXPECTED
    assert server.ask(b'{"id": 9, "op": "hello"}\n')[0]["result"]["protocol"] == agent.PROTOCOL


@settings(
    max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(request=ANY_JSON, raw=st.binary(), which=st.integers(0, 2), good=st.sampled_from(GOOD))
def test_any_json_and_any_bytes_are_answered(request, raw, which, good):
    if which == 0:
        line = raw.replace(b"\n", b"")
    else:
        line = json.dumps(request if which == 1 else {**good, "op": request}).encode()
    replies = []
    wire = agent.Wire(-1, -1)
    wire.send = replies.append  # type: ignore[method-assign]
    server = agent.Server(wire, "/nowhere", "/")
    replies.append(server._reply(line))
    assert replies[-1]["error"]["kind"] == "bad_request"
    assert len(replies) == 1


@pytest.mark.parametrize("request_of_ours", GOOD, ids=lambda request: f"{request['op']}")
def test_a_request_with_one_field_of_another_kind_begins_nothing(server, request_of_ours):
    optional = ("governor", "ticket", "canary", "memory_limit_bytes", "energy")
    for name in request_of_ours:
        for value in ([1], {}, -1, 0.5, True, "\N{SNOWMAN}", float("nan"), float("inf"), 10**400):
            text = json.dumps({**request_of_ours, name: "here"})
            raw = "1" + "0" * 400 if isinstance(value, int) and value > 2**63 else json.dumps(value)
            before = len(NoBench.begun)
            (reply,) = server.ask(text.replace('"here"', raw).encode() + b"\n")
            is_fine = len(NoBench.begun) > before or "result" in reply
            assert is_fine <= _is_fine(name, value), (name, value, reply)
        if name not in optional and name != "limit_s":
            less = {key: value for key, value in request_of_ours.items() if key != name}
            (reply,) = server.ask(json.dumps(less).encode() + b"\n")
            assert reply["error"]["kind"] == "bad_request"


def _is_fine(name: str, value: object) -> bool:
    numbers = ("limit_s", "wait_s", "max_seconds_per_phase")
    texts = ("owner", "provider", "governor")
    return (
        (name in numbers and value == 0.5)
        or (name in texts and isinstance(value, str))
        or (name == "energy" and value is True)
    )


def test_a_request_longer_than_any_is_told_so_and_the_agent_ends(host):
    host.process.stdin.write("x" * (agent.REQUEST_CAP_BYTES + 100_000))
    host.process.stdin.flush()
    assert "more than 1048576 bytes" in host.receive()["error"]["message"]
    assert host.process.wait(10) == 0


def test_many_short_lines_at_once_are_all_answered(server):
    replies = server.ask(b"\n" * 20_000 + b"goodbye\n")
    assert len(replies) == 20_001
    assert {reply["error"]["kind"] for reply in replies} == {"bad_request"}


def test_only_a_line_of_its_own_is_a_farewell(start_host):
    rude, polite = start_host(), start_host()
    rude.send_line("this is no good bye")
    assert rude.receive()["error"]["kind"] == "bad_request"
    polite.send_line('{"id": 1, "op": "hello"}\nbye')
    assert is_gone(polite.process.pid)
    assert rude.ask(op="hello")["result"]


def test_a_model_is_taken_by_its_hash_alone(server, tmp_path):
    for value in VALUES:
        (reply,) = server.ask(json.dumps({"id": 1, **job(value)}).encode() + b"\n")
        is_digest = isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value)
        kind = "refused" if value == MODEL else "model" if is_digest else "bad_request"
        assert reply["error"]["kind"] == kind
    assert [request["model"] for request in NoBench.begun] == [MODEL]
    assert tree(tmp_path) <= EXPECTED
