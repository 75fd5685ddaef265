"""Boards as they are in real life: cut, killed, filled and rebooted while they fill one LUT.

    python -m tests.chaos --minutes 10 --seed 0 --output chaos.json

Three boards of the lab (tests/lab.py) are profiled by the real command, first left alone and then
while one fault after the other comes over one of them; each is mended again. When the minutes are
over nothing more happens, and the command must end by itself, with nothing lost, nothing twice and
nothing wrong: records marked good agree, also those that a fault struck while they were measured.
Several boards share a core, and disturb each other more than faults do; `--boards 1` tells.
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.agreement import off_median
from tests.end_to_end.desk import SPACE, Desk, open_desk, rows_of
from tests.lab import VERB_LIMIT_S, Lab, LabBoard, open_lab
from tests.records import Record, faults_during, good, qualities, records_of, repeated, struck

# All our choice.
OPEN_LIMIT_S = 120.0  # for the boards to be opened; a fault before is one that nobody tries twice
PAUSE_S = (1.0, 8.0)  # between two faults
CONTEXTS_PER_MINUTE = 6.0  # so that a campaign of so small a space lasts as long as the faults
END_LIMIT_S = 900.0  # for the command, after the last fault
TRIES = 10  # to remount a disk between a reboot and the return of the agent
CALM_SHARE = 0.5  # of the minutes with faults: so many without, before them

AT_WORK = "SELECT device_name FROM lut_device_states WHERE state = 'measuring'"


@dataclass(frozen=True)
class Fault:
    """A verb of the lab and the one that ends it, some seconds later."""

    verb: str
    cure: str = ""
    seconds: tuple[float, float] = (0.0, 0.0)


FAULTS = (
    Fault("cut", "join", (2, 20)),
    Fault("kill-agent"),
    Fault("fill", "unfill", (5, 20)),
    Fault("readonly", "writable", (5, 20)),
    Fault("reboot"),
    Fault("freeze", "thaw", (5, 25)),
    Fault("stop-sshd", "restart-sshd", (2, 20)),
    Fault("lag 200 20%", "lag 0 0", (10, 20)),
)


@dataclass
class Call:
    """One call of `nas profile`: what it said, each line with its time, and what came of it."""

    began_s: float
    contexts: int
    ended_s: float = 0.0
    code: int | None = None
    said: list[tuple[float, str]] = field(default_factory=list)
    outcome: Any = None

    def count(self, pattern: str) -> Counter[str]:
        """How often a line with a board's name in group 1 was said, by board."""
        found = (re.search(pattern, line) for _, line in self.said)
        return Counter(match[1] for match in found if match)


class Profiling:
    """Calls the command again and again, for more contexts each time, until the faults are over.

    After the last fault the call then running must end well, or one more.
    """

    def __init__(self, desk: Desk, names: Sequence[str], clock: Callable[[], float]) -> None:
        self._desk, self._names, self._clock = desk, names, clock
        self.calls: list[Call] = []
        self.is_over = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def run(self, contexts: int) -> None:
        """Until it ended well after the last fault, or twice not."""
        while True:
            was_over = self.is_over.is_set()
            call = self._call(contexts)
            if self.is_over.is_set() and (call.code == 0 or was_over):
                return
            contexts += 2 * (call.code == 0)

    def kill(self) -> None:
        """The command, where it did not end by itself."""
        if self._process is not None and self._process.poll() is None:
            self.is_over.set()
            os.killpg(self._process.pid, signal.SIGKILL)

    def _call(self, contexts: int) -> Call:
        call = Call(self._clock(), contexts)
        self.calls.append(call)
        self._process = process = self._desk.start(
            *("profile", *SPACE, "--device", ",".join(self._names)),
            *("--contexts", str(contexts), "--json"),
        )
        reader = threading.Thread(target=self._listen, args=(process, call))
        reader.start()
        out = process.stdout.read()
        call.code = process.wait()
        reader.join()
        call.ended_s = self._clock()
        call.outcome = json.loads(out) if out.strip() else None
        return call

    def _listen(self, process: "subprocess.Popen[str]", call: Call) -> None:
        for line in process.stderr:
            if line.strip():
                call.said.append((round(self._clock(), 1), line.strip()))


def chaos(
    lab: Lab, folder: Path, *, minutes: float, seed: int, num_boards: int = 3
) -> dict[str, Any]:
    """Faults for so many minutes; what happened, and what became of it."""
    boards = lab.boards(num_boards)
    for board in boards:
        board.give("onnxruntime")
    calm = _calm(boards, folder / "calm", CALM_SHARE * minutes)
    desk = _desk(boards, folder / "faults")
    start = time.monotonic()
    profiling = Profiling(desk, _names(boards), lambda: time.monotonic() - start)
    thread = threading.Thread(target=profiling.run, args=(_contexts(minutes),), daemon=True)
    thread.start()
    try:
        while len(rows_of(desk.database, AT_WORK)) < len(boards):
            assert time.monotonic() < start + OPEN_LIMIT_S, "the boards are not opened"
            time.sleep(0.1)
        end = time.monotonic() + 60 * minutes
        faults = inflict(lab, boards, random.Random(seed), start, end)
        profiling.is_over.set()
        thread.join(END_LIMIT_S)
    finally:
        profiling.kill()
    thread.join()
    records = [r._replace(faults=faults_during(r, faults, start)) for r in records_of(desk)]
    return document(profiling.calls, faults, records, calm)


def _calm(boards: Sequence[LabBoard], folder: Path, minutes: float) -> list[Record]:
    """Records of the same boards at the same work when nothing happens to them."""
    desk = _desk(boards, folder)
    profiling = Profiling(desk, _names(boards), time.monotonic)
    profiling.is_over.set()
    profiling.run(_contexts(minutes))
    return records_of(desk)


def _desk(boards: Sequence[LabBoard], folder: Path) -> Desk:
    desk = open_desk(folder)
    for board in boards:
        desk.ok(*board.add_command)
    return desk


def _names(boards: Sequence[LabBoard]) -> list[str]:
    return [board.device.name for board in boards]


def _contexts(minutes: float) -> int:
    """As many as last about so long."""
    return max(2, round(CONTEXTS_PER_MINUTE * minutes))


def inflict(
    lab: Lab, boards: Sequence[LabBoard], rng: random.Random, start: float, end: float
) -> list[dict[str, Any]]:
    """One fault after the other on boards by chance, each of a round of all once; what was done."""
    faults: list[dict[str, Any]] = []
    waiting: list[Fault] = []
    while True:
        waiting = waiting or rng.sample(FAULTS, len(FAULTS))
        fault, board = waiting.pop(), rng.choice(boards)
        lasts_s, pause_s = rng.uniform(*fault.seconds), rng.uniform(*PAUSE_S)
        if time.monotonic() + lasts_s > end:
            return faults
        told = {"board": board.device.name, "fault": fault.verb}
        at_s = time.monotonic() - start
        did = _verb(lab, board, fault.verb)
        if fault.cure:
            time.sleep(lasts_s)
            _verb(lab, board, fault.cure)
        mended_s = time.monotonic() - start
        faults.append({**told, "at_s": round(at_s, 1), "mended_s": round(mended_s, 1), "did": did})
        time.sleep(pause_s)


def _verb(lab: Lab, board: LabBoard, words: str) -> bool:
    """Whether it did anything: there may be no agent to kill just now."""
    verb, *arguments = words.split()
    for _ in range(TRIES):
        done = lab.try_command(verb, board.device.name, *arguments, limit_s=VERB_LIMIT_S)
        if done.returncode == 0 or verb == "kill-agent":
            return done.returncode == 0
        assert "mount point is busy" in done.stderr, done.stderr
        # No disk goes read-only under an agent that writes, but many do when a board starts.
        lab.boards_command("reboot", board.device.name)
    raise AssertionError(done.stderr)


def document(
    calls: Sequence[Call],
    faults: Sequence[dict[str, Any]],
    records: Sequence[Record],
    calm: Sequence[Record],
) -> dict[str, Any]:
    """All of it, to be kept as JSON; `checks` must all be true."""
    last = calls[-1]
    counts = {
        "lost": sum((c.count(r"(board\d).*Trying again in 1 s$") for c in calls), Counter()),
        "came_back": sum((c.count(r"(board\d) is back$") for c in calls), Counter()),
        "disk_refused": sum(
            (c.count(r"(board\d).* disk is .*Trying again") for c in calls), Counter()
        ),
        "put_aside": sum((c.count(r"(board\d).* It is put aside") for c in calls), Counter()),
        "refused": sum((c.count(r"^nas: (board\d): ") for c in calls), Counter()),
    }
    twice = repeated(records)
    undisturbed, kept = good(calm), good(records)
    off = off_median(
        [(r.run, r.canaries, "calm") for r in undisturbed]
        + [(r.run, r.canaries, "struck" if r.faults else "others") for r in kept]
    )
    far = sum(of_kind["far"] for of_kind in off.values())
    return {
        "checks": {
            "ended_by_itself": last.code == 0,
            "all_known": bool(last.outcome) and last.outcome["known"] == last.outcome["total"],
            "no_record_twice": not twice,
            "no_good_record_wrong": not far,
        },
        "counts": {name: dict(sorted(count.items())) for name, count in counts.items()},
        "faults_by_kind": dict(Counter(fault["fault"] for fault in faults)),
        "records": len({(r.device, r.network, r.purpose, r.asked_s) for r in records}),
        "records_by_device": dict(sorted(Counter(r.device for r in records).items())),
        "quality": qualities(records),
        "quality_when_struck": qualities([r for r in records if r.faults]),
        "good_records_off_median": off,
        "good_records_struck": struck([*undisturbed, *kept]),
        "twice": twice,
        "faults": list(faults),
        "calls": [asdict(call) for call in calls],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--boards", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file; standard output if left out")
    asked = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="chaos-") as name, open_lab(Path(name)) as lab:
            settings = {"minutes": asked.minutes, "seed": asked.seed, "num_boards": asked.boards}
            found = chaos(lab, Path(name) / "desk", **settings)
    except pytest.skip.Exception as exc:
        print(f"chaos: {exc}", file=sys.stderr)
        return 1
    text = json.dumps({**settings, **found}, indent=1)
    if asked.output:
        asked.output.parent.mkdir(parents=True, exist_ok=True)
        asked.output.write_text(text + "\n", "utf-8")
    else:
        print(text)
    print(json.dumps({key: found[key] for key in ("checks", "counts")}), file=sys.stderr)
    return 0 if all(found["checks"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
