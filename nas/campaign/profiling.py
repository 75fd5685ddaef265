"""Filling a LUT: carriers planned, run on the device and kept one by one, until all is covered."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from device_agents import JobFailed
from latency_lut import GOOD, AttributionError
from nas.campaign.ledger import Ledger, Planned
from nas.measuring.measurement import Rig
from search_spaces import Architecture

logger = logging.getLogger(__name__)

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
    rig: Rig,
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
    time later on. With `minutes`, it ends when they are over, after the carrier in flight.

    When a carrier fails, its segments that no other network has shown to run are suspects: all else
    comes first, then each suspect has a carrier of its own, until one that keeps failing is given
    up.

    Raises:
        DeviceError: the device became unusable, or failed at three networks in a row and then at
            one that it had run before.
    """
    ledger = Ledger(rig, contexts_wanted)
    rng = np.random.default_rng(seed + sum(ledger.good.values()))  # a continued run plans anew
    failures: list[str] = []
    start, ran, in_row = clock(), Counter[str](), 0
    known_good: Architecture | None = None

    def campaign(ended: str | None = None) -> Campaign:
        elapsed_s = clock() - start
        return Campaign(
            carriers=len(ran),
            runs=ran.total(),
            failures=tuple(failures),
            given_up=tuple(sorted(ledger.given_up)),
            known=ledger.known(),
            total=len(ledger.keys),
            done=ledger.share(),
            elapsed_s=elapsed_s,
            remaining_s=ledger.remaining_s(elapsed_s, minutes),
            ended=ended,
        )

    queue = _Queue(ledger, rng)
    while minutes is None or clock() - start < minutes * 60:
        planned = queue.next()
        if planned is None:
            return campaign("complete" if ledger.known() == len(ledger.keys) else "failures")
        carrier = planned.carrier
        try:
            record = rig.measure(carrier, purpose="carrier")
            good = all(phase.quality == GOOD for phase in record.phases)
            ledger.see(carrier, good=good)
            queue.ran(carrier, good=good)
            in_row, known_good = 0, carrier
        except (JobFailed, AttributionError) as exc:
            failures.append(str(exc))
            logger.warning("%s: carrier %s failed: %s", rig.device.name, carrier.id, exc)
            ledger.blame(carrier, planned.sought)
            in_row += 1
            if in_row > _FAILURES_IN_ROW or known_good is None and in_row == _FAILURES_IN_ROW:
                raise
            queue.plan_anew(known_good if in_row == _FAILURES_IN_ROW else None)
        ran[carrier.id] += 1
        on_progress(campaign())
    return campaign("minutes")


class _Queue:
    """Carriers of a round in random order; behind them flagged ones again, and some for repeats."""

    def __init__(self, ledger: Ledger, rng: np.random.Generator) -> None:
        self._ledger, self._rng = ledger, rng
        self._waiting: deque[Planned] = deque()
        self._tries: Counter[str] = Counter()

    def next(self) -> Planned | None:
        """What to run now; None when nothing is left to do."""
        if not self._waiting:
            plan = self._ledger.next_round(self._rng)
            again = self._rng.permutation(len(plan))[: round(_REPEATED_SHARE * len(plan))]
            self._waiting.extend([*plan, *(plan[i] for i in again)])
        return self._waiting.popleft() if self._waiting else None

    def ran(self, carrier: Architecture, *, good: bool) -> None:
        """A flagged one is queued again, behind all others of the round: what disturbed may end."""
        self._tries[carrier.id] += 1
        if not good and self._tries[carrier.id] < _MOST_TRIES:
            self._waiting.append(Planned(carrier))

    def plan_anew(self, first: Architecture | None) -> None:
        """Drops the rest of the round: a carrier failed, the others may hold what made it fail.

        First of all `first` runs, which ran before: if it fails too, the device is at fault.
        """
        self._waiting.clear()
        if first is not None:
            self._waiting.append(Planned(first))


def campaign_words(campaign: Campaign) -> str:
    """For a progress bar."""
    keys = f"{campaign.known}/{campaign.total} keys"
    return f"{campaign.carriers} carriers, {campaign.runs} runs, {keys}"
