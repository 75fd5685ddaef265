"""The host's end of an agent's pipe, for the tests that speak the agent's own protocol."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import device_agents.agent

AGENT = Path(device_agents.agent.__file__)
Json = dict[str, object]


class Host:
    """An agent in its own process, and the host's end of its pipe."""

    def __init__(self, folder: Path, models: Path, *options: str, agent: Path = AGENT) -> None:
        self.folder = folder
        self._models = models
        self.process = subprocess.Popen(
            [sys.executable, str(agent), "serve", "--folder", str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def put(self, name: str) -> str:
        source = self._models / f"{name}.onnx"
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        (self.folder / "models").mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.folder / "models" / f"{digest}.onnx")
        return digest

    def send(self, **request: object) -> None:
        self.send_line(json.dumps({"id": 1, **request}))

    def send_line(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def receive(self) -> Json:
        return json.loads(self.process.stdout.readline())

    def ask(self, **request: object) -> Json:
        """The reply to a request, without the beats before it."""
        self.send(**request)
        while "beat" in (reply := self.receive()):
            pass
        return reply

    def job(self, model: str, **changes: object) -> Json:
        return self.ask(**job(model, **changes))

    def run(self, model: str, **changes: object) -> Json:
        reply = self.job(model, **changes)
        assert "result" in reply, reply
        return reply["result"]

    def fail(self, model: str, **changes: object) -> Json:
        return self.job(model, **changes)["error"]

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def wait_for_child(self) -> int:
        """The process id of the child that runs a job; it has loaded its libraries."""
        while not (working := [pid for pid in self.children() if _has_runtime(pid)]):
            time.sleep(0.01)
        return working[0]


def _has_runtime(pid: int) -> bool:
    try:
        return "onnxruntime" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:  # it has ended meanwhile
        return False


def feed(name: str, dtype: str, *shape: int, low: float = -1, high: float = 1) -> Json:
    return {"name": name, "dtype": dtype, "shape": shape, "low": low, "high": high}


def phase(name: str, *feeds: Json) -> Json:
    return {"name": name, "feeds": feeds}


INFER = phase("infer", feed("x", "float32", 1, 3, 16, 32))
FOREVER = [phase("infer", feed("x", "float32", 1), feed("rounds", "int64", low=1e12, high=1e12))]


def job(model: str, **changes: object) -> Json:
    request = {
        "op": "job",
        "kind": "time",
        "model": model,
        "canary": None,
        "phases": [INFER],
        "threads": 1,
        "provider": "CPUExecutionProvider",
        "max_seconds_per_phase": 0.1,
        "limit_s": 60.0,
        "memory_limit_bytes": None,
        "seed": 0,
        "energy": False,
    }
    return {**request, **changes}


def is_gone(pid: int) -> bool:
    """Whether a process ends within ten seconds; a zombie has ended."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False
