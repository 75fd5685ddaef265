"""Filling a LUT: carriers planned, run on the device and kept one by one, until all is covered."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from device_agents import JobFailed
from latency_lut import GOOD
from nas.campaign.crew import Crew, Outcome, Task
from nas.campaign.ledger import Ledger
from nas.measuring.measurement import Rig
from search_spaces import Architecture

CONTEXTS_WANTED = 2  # our choice: a second network shows what the first one's context did
_MOST_TRIES = 2  # our choice, of a carrier that is flagged
_REPEATED_SHARE = 0.05  # of the carriers, measured again at another time
_FAILURES_IN_ROW = 3  # our choice: then one that ran before must run again, or it is the device


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Where a campaign stands, or how it ended."""

    carriers: int
    """Different networks that were run."""
    runs: int
    """Times that one was run: flagged ones again, and some to see how well they repeat."""
    runs_by_device: Mapping[str, int]
    """By name."""
    failures: tuple[str, ...]
    """Messages of the carriers that failed."""
    given_up: tuple[str, ...]
    """Segment keys that the device could not run, as far as failed carriers tell."""
    known: int
    """Segment keys of the space that were seen in at least one network."""
    total: int
    done: float
    """Share of the wanted sightings that were had, in [0, 1]; more even than the coverage."""
    elapsed_s: float
    remaining_s: float | None
    """An estimate; None until there is something to estimate from."""
    ended: str | None = None
    """`complete`; `minutes` when time was up; `failures` when the rest failed; None: it runs."""

    @property
    def coverage(self) -> float:
        """Share of the space's segment keys that are known."""
        return self.known / self.total


def profile(
    crew: Crew,
    *,
    minutes: float | None = None,
    contexts_wanted: int = CONTEXTS_WANTED,
    seed: int = 0,
    on_progress: Callable[[Campaign], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Campaign:
    """Runs carriers until every segment key of the space was seen in `contexts_wanted` networks.

    What the store already holds for this device profile counts, so a killed run goes on where it
    stopped. Where that took fewer carriers than one for five keys, the rest go to the widest
    intervals. A carrier that is flagged is queued again, and one in twenty is measured a second
    time later on. With `minutes`, it ends when they are over, after the carriers that were begun.

    When a carrier fails, its segments that no other network has shown to run are suspects: all else
    comes first, then each suspect has a carrier of its own, until one that keeps failing is given
    up.

    Raises:
        DeviceError: no device is left: each was lost, or failed at three networks in a row and
            then at one that had run before.
    """
    carriers = _Carriers(crew.lead, contexts_wanted, seed, minutes, on_progress, clock)
    crew.work(carriers)
    return carriers.campaign(carriers.ended())


class _Carriers:
    """The work of a campaign, and how far it is."""

    def __init__(
        self,
        rig: Rig,
        contexts_wanted: int,
        seed: int,
        minutes: float | None,
        on_progress: Callable[[Campaign], None],
        clock: Callable[[], float],
    ) -> None:
        self._ledger = Ledger(rig, contexts_wanted)
        # a continued run plans anew
        self._queue = _Queue(
            self._ledger, np.random.default_rng(seed + sum(self._ledger.good.values()))
        )
        self._minutes, self._on_progress, self._clock = minutes, on_progress, clock
        self._start = clock()
        self._ran: Counter[str] = Counter()
        self._runs_by_device: Counter[str] = Counter()
        self._failures: list[str] = []
        self._trust = _Trust()

    def next(self, device_name: str) -> Task | None:
        """The next carrier; None when there is none now, or time is up."""
        if self._is_late():
            return None
        task = self._trust.check(device_name) or self._queue.next()
        if task is not None:
            self._ledger.expect(_carrier(task))
        return task

    def done(self, task: Task, outcome: Outcome, device_name: str) -> None:
        """Learn from a carrier; raises its error when the device is at fault."""
        carrier = _carrier(task)
        self._ran[carrier.id] += 1
        self._runs_by_device[device_name] += 1
        if isinstance(outcome, JobFailed):
            self._failures.append(str(outcome))
            self._ledger.blame(carrier, task.sought)
            self._queue.plan_anew()
            self._on_progress(self.campaign())
            self._trust.failed(device_name, outcome)
        else:
            good = all(phase.quality == GOOD for phase in outcome.phases)
            self._ledger.see(carrier, good=good)
            self._queue.ran(carrier, good=good)
            self._trust.ran(device_name, carrier)
            self._on_progress(self.campaign())

    def campaign(self, ended: str | None = None) -> Campaign:
        """Where it stands."""
        elapsed_s = self._clock() - self._start
        ledger = self._ledger
        return Campaign(
            carriers=len(self._ran),
            runs=self._ran.total(),
            runs_by_device=dict(self._runs_by_device),
            failures=tuple(self._failures),
            given_up=tuple(sorted(ledger.given_up)),
            known=ledger.known(),
            total=len(ledger.keys),
            done=ledger.share(),
            elapsed_s=elapsed_s,
            remaining_s=ledger.remaining_s(elapsed_s, self._minutes),
            ended=ended,
        )

    def ended(self) -> str:
        """Why there was nothing more to do."""
        if self._is_late():
            return "minutes"
        return "complete" if self._ledger.known() == len(self._ledger.keys) else "failures"

    def _is_late(self) -> bool:
        return self._minutes is not None and self._clock() - self._start >= self._minutes * 60


class _Trust:
    """Tells networks that fail from a device that does.

    After some failures in a row a device must run a network that ran before, if there is one.
    """

    def __init__(self) -> None:
        self._in_row: Counter[str] = Counter()
        self._ran_before: Architecture | None = None
        self._to_check: set[str] = set()

    def check(self, device_name: str) -> Task | None:
        """What a device in doubt must run now."""
        if device_name not in self._to_check or self._ran_before is None:
            return None
        self._to_check.discard(device_name)
        return Task(self._ran_before)

    def ran(self, device_name: str, carrier: Architecture) -> None:
        """A device is as good as any."""
        self._in_row[device_name], self._ran_before = 0, carrier

    def failed(self, device_name: str, exc: JobFailed) -> None:
        """Doubt a device, or raise `exc` when there is no doubt left."""
        self._in_row[device_name] += 1
        in_row = self._in_row[device_name]
        if in_row > _FAILURES_IN_ROW or self._ran_before is None and in_row == _FAILURES_IN_ROW:
            raise exc
        if in_row == _FAILURES_IN_ROW:
            self._to_check.add(device_name)


class _Queue:
    """Carriers of a round in random order; behind them flagged ones again, and some for repeats."""

    def __init__(self, ledger: Ledger, rng: np.random.Generator) -> None:
        self._ledger, self._rng = ledger, rng
        self._waiting: deque[Task] = deque()
        self._tries: Counter[str] = Counter()

    def next(self) -> Task | None:
        """What to run now; None when nothing is left to do, or not before what runs has ended."""
        if not self._waiting:
            plan = self._ledger.next_round(self._rng)
            again = self._rng.permutation(len(plan))[: round(_REPEATED_SHARE * len(plan))]
            self._waiting.extend([*plan, *(plan[i] for i in again)])
        return self._waiting.popleft() if self._waiting else None

    def ran(self, carrier: Architecture, *, good: bool) -> None:
        """A flagged one is queued again, behind all others of the round: what disturbed may end."""
        self._tries[carrier.id] += 1
        if not good and self._tries[carrier.id] < _MOST_TRIES:
            self._waiting.append(Task(carrier))

    def plan_anew(self) -> None:
        """Drops the rest of the round: a carrier failed, the others may hold what made it fail."""
        self._waiting.clear()


def _carrier(task: Task) -> Architecture:
    assert isinstance(task.network, Architecture), "a campaign plans no blocks"
    return task.network


def campaign_words(campaign: Campaign) -> str:
    """For a progress bar."""
    keys = f"{campaign.known}/{campaign.total} keys"
    return f"{campaign.carriers} carriers, {campaign.runs} runs, {keys}"
