"""One profile of a board with one fault in it: struck at a random moment, continued to the end."""

import contextlib
import json
import math
import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from device_agents import Inventory
from tests.end_to_end.desk import TINY, Desk, kill, open_desk, rows_of
from tests.lab import LabBoard

RUN_LIMIT_S = 900.0
MOST_RUNS = 4
_ONLY = tuple(word for choice in TINY for word in ("--only", choice))
SPACE = ("--space", "mobile", "--data", "digits", *_ONLY)
_KEYS = (
    "SELECT DISTINCT s.key FROM lut_shares h JOIN lut_segments s ON s.id = h.segment_id "
    "WHERE h.latency_ns IS NOT NULL"
)
_RECORDS = (
    "SELECT n.architecture_id || ' ' || p.phase, 1.0 * p.latency_ns / n.canary_ns, p.quality, "
    "p.group_ns, n.observed_json "
    "FROM lut_networks n JOIN lut_phases p ON p.network_id = n.id"
)
_TRY_AGAIN = r"Try again; if it happens twice"
_LOUD = re.compile(r"nas: |WARNING|board\d|put aside|is back|Trying again")


@dataclass
class Case:
    """A board, a workstation, and what becomes of them."""

    board: LabBoard
    desk: Desk
    space: tuple[str, ...] = SPACE
    process: subprocess.Popen[str] | None = None
    struck_at: float = math.inf
    """By the clock that sessions note the times of their jobs by."""
    said: list[str] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    later: list[Callable[[], None]] = field(default_factory=list)
    """Undone when the case is over, last first."""

    @property
    def storage(self) -> Path:
        return self.desk.database

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """`nas profile` as a process."""
        command = ("profile", *self.space, "--device", self.board.device.name)
        return self.desk.start(*command, "--contexts", "1", "--json", *options)

    def keys(self) -> frozenset[str]:
        """Segment keys that the LUT knows."""
        return frozenset(key for (key,) in rows_of(self.storage, _KEYS))

    def records(self) -> list[tuple[str, float, str, str, str]]:
        """Network and phase, latency in canaries, quality, raw samples, what was observed."""
        return rows_of(self.storage, _RECORDS)  # type: ignore[return-value]

    def has_said(self, pattern: str) -> bool:
        """Whether a line matched."""
        return any(re.search(pattern, line) for line in self.said)

    def finish(self) -> int:
        """The exit code of the run; what it said is kept."""
        assert self.process is not None
        try:
            _, err = self.process.communicate(timeout=RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            kill(self.process)
            raise AssertionError(f"it hangs; it said last: {self.said[-3:]}") from None
        lines = [line.strip() for line in err.splitlines()]
        self.said += [line for line in lines if _LOUD.search(line)]
        self.codes.append(self.process.returncode)
        return self.process.returncode


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens, when it is mended, and what the user is told.

    Attributes:
        strike: at the random moment, while the run is on.
        before: before the run starts.
        mend: what a person does; after `heals_s`, or when the run has ended.
        heals_s: so long after the strike, while the run goes on; None: only after it has ended.
        says: a pattern that one line of the output must match whenever the run was ended by it,
            or always, if `always`.
        lost: part of the segment keys that cannot be known.
        space: what is profiled.
        ends: exit codes that the run may have; 0 if it survives, or was over before the fault.
    """

    says: str = ""
    strike: Callable[[Case], None] | None = None
    before: Callable[[Case], None] = lambda case: None
    mend: Callable[[Case], None] = lambda case: None
    heals_s: float | None = None
    always: bool = False
    lost: str | None = None
    space: tuple[str, ...] = SPACE
    ends: tuple[int, ...] = (0, 1, 4, -9, -2)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one case came to."""

    seed: int
    struck_after_s: float | None
    """None: it was there before, or the run was over too early."""
    codes: tuple[int, ...]
    """Exit codes of the run and of those that went on where it stopped."""
    seconds: float
    keys: int
    missing: tuple[str, ...]
    added: tuple[str, ...]
    records: int
    duplicates: int
    said: tuple[str, ...]
    good: tuple[tuple[str, float, bool], ...]
    """Of each record that is marked good: network and phase, latency in canaries, and whether the
    fault struck while it was measured."""


def run_case(
    fault: Fault,
    board: LabBoard,
    folder: Path,
    seed: int,
    *,
    name: str,
    undisturbed_s: float,
    expected: frozenset[str],
) -> Outcome:
    """Runs a profile with the fault in it, and again until it is complete.

    Where the run is over before the fault strikes, another one is struck earlier.
    """
    struck_s = random.Random(f"{seed} {name}").uniform(0.1, 0.8) * undisturbed_s
    for attempt in range(MOST_RUNS):
        outcome = _run_case(fault, board, folder / str(attempt), seed, struck_s, expected)
        if fault.strike is None or outcome.struck_after_s is not None:
            return outcome
        struck_s *= 0.6
    raise AssertionError(f"it is over before {struck_s:.0f} s")


def _run_case(
    fault: Fault,
    board: LabBoard,
    folder: Path,
    seed: int,
    struck_s: float,
    expected: frozenset[str],
) -> Outcome:
    case = Case(board, desk_with(board, folder), fault.space)
    start = time.monotonic()
    try:
        _first_run(case, fault, struck_s)
        fault.mend(case)
        while case.codes[-1] != 0 and len(case.codes) < MOST_RUNS:
            case.process = case.start()
            case.finish()
        assert case.codes[-1] == 0, (case.codes, case.said)
        return _judged(case, fault, seed, start, expected)
    finally:
        for undo in reversed(case.later):
            undo()
        board.mend()


def desk_with(board: LabBoard, folder: Path) -> Desk:
    """A desk that knows the board; without the command, which runs in one thread at a time."""
    desk = open_desk(folder)
    Inventory().with_device(board.device).save(folder / "devices.toml")
    return desk


def _first_run(case: Case, fault: Fault, struck_s: float) -> None:
    fault.before(case)
    case.process = case.start()
    if fault.strike is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            case.process.wait(struck_s)
        if case.process.poll() is None:
            case.struck_at = time.monotonic()
            fault.strike(case)
            if fault.heals_s is not None:
                time.sleep(fault.heals_s)
                fault.mend(case)
    code = case.finish()
    assert code in fault.ends, (code, case.said)
    if fault.always or code not in (0, -9, -2):
        if not case.has_said(fault.says) and case.has_said(_TRY_AGAIN):
            case.process = case.start()  # as it was told to, before anybody mends anything
            case.finish()
        assert case.has_said(fault.says), (fault.says, case.said)


def _judged(case: Case, fault: Fault, seed: int, start: float, expected: frozenset[str]) -> Outcome:
    seconds = time.monotonic() - start
    was_struck = math.isfinite(case.struck_at)
    keys, records = case.keys(), case.records()
    if fault.lost is not None:
        expected = frozenset(key for key in expected if fault.lost not in key)
    samples = Counter((network, groups) for network, _, _, groups, _ in records)
    return Outcome(
        seed=seed,
        struck_after_s=round(case.struck_at - start, 2) if was_struck else None,
        codes=tuple(case.codes),
        seconds=round(seconds, 1),
        keys=len(keys),
        missing=tuple(sorted(expected - keys)),
        added=tuple(sorted(keys - expected)),
        records=len(records),
        duplicates=samples.total() - len(samples),
        said=tuple(dict.fromkeys(case.said)),
        good=tuple(
            (network, round(canaries, 4), _covers(json.loads(observed), case.struck_at))
            for network, canaries, quality, _, observed in records
            if quality == "good"
        ),
    )


def _covers(observed: dict[str, float], moment: float) -> bool:
    return observed["asked_s"] <= moment <= observed["answered_s"]
