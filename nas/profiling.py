"""Filling a LUT: carriers planned, run on the device and kept one by one, until all is covered."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

import numpy as np

from device_agents import JobFailed
from latency_lut import GOOD, AttributionError, next_carrier
from nas.measurement import PRECISION, Rig
from search_spaces import Architecture, Block, Space, segment_key

logger = logging.getLogger(__name__)

CONTEXTS_WANTED = 2  # our choice: a second network shows what the first one's context did
_FAILURES_IN_ROW = 3  # our choice: one network may fail, three in a row are the device's fault
_DOUBTFUL_FOR_ONE = 2  # our choice: two noisy tries end the wait for a good one
_DRAWS = 8  # our choice: so often is a carrier sought that did not run yet
_FAILURES_OF_ONE = 2  # our choice: a segment that failed twice, once sought for itself, is given up


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Where a campaign stands, or how it ended."""

    carriers: int
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
    stopped. With `minutes`, it ends when they are over, after the carrier in flight. When a carrier
    fails, its segments that no other network has shown to run are suspects: all else comes first,
    then each suspect has a carrier of its own, until one that keeps failing is given up.

    Raises:
        DeviceError: the device became unusable, or failed at three networks in a row.
    """
    ledger = _Ledger(rig, contexts_wanted)
    rng = np.random.default_rng(seed + sum(ledger.good.values()))  # a continued run plans anew
    failures: list[str] = []
    start, carriers, in_row = clock(), 0, 0

    def campaign(ended: str | None = None) -> Campaign:
        elapsed_s = clock() - start
        return Campaign(
            carriers=carriers,
            failures=tuple(failures),
            given_up=tuple(sorted(ledger.given_up)),
            known=ledger.known(),
            total=len(ledger.keys),
            done=ledger.share(),
            elapsed_s=elapsed_s,
            remaining_s=ledger.remaining_s(elapsed_s, minutes),
            ended=ended,
        )

    while minutes is None or clock() - start < minutes * 60:
        carrier, sought = ledger.next_carrier(rng)
        if carrier is None:
            return campaign("complete" if ledger.known() == len(ledger.keys) else "failures")
        keys = _keys(rig.space, [s.block for s in rig.space.segments(carrier)])
        try:
            record = rig.measure(carrier, purpose="carrier")
            ledger.see(carrier, keys, good=all(p.quality == GOOD for p in record.phases))
            in_row = 0
        except (JobFailed, AttributionError) as exc:
            failures.append(str(exc))
            logger.warning("%s: carrier %s failed: %s", rig.device.name, carrier.id, exc)
            ledger.blame(keys, sought)
            in_row += 1
            if in_row == _FAILURES_IN_ROW:
                raise
        carriers += 1
        on_progress(campaign())
    return campaign("minutes")


class _Ledger:
    """How often each segment key of the space was seen, well or doubtfully, and what failed."""

    def __init__(self, rig: Rig, contexts_wanted: int) -> None:
        self.space = rig.space
        self.keys = space_keys(rig.space)
        self.wanted = contexts_wanted
        self.good: Counter[str] = Counter()
        self.doubtful: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.given_up: set[str] = set()
        self.ran: set[str] = set()
        for entry in rig.store.lut(rig.profile.id, PRECISION).entries.values():
            seen = self.good if entry.quality == GOOD else self.doubtful
            self.doubtful[entry.key] = entry.set_aside
            seen[entry.key] = entry.carriers
        self._share_at_start = self.share()

    def next_carrier(self, rng: np.random.Generator) -> tuple[Architecture | None, str | None]:
        """The network to run next, and the suspect that it is run for, if it is for one."""
        avoided = self.given_up | self.failed.keys()
        # Everything once, however well, before anything a second time: time may run out.
        for seen, wanted in ((self.sightings(), 1), (self.contexts(), self.wanted)):
            carrier = self._new_carrier(seen, rng, wanted, avoided)
            if carrier is not None:
                return carrier, None
        if not self.failed:
            return None, None
        suspect = min(self.failed)
        rest = dict.fromkeys(self.keys - {suspect}, 1)
        return next_carrier(self.space, rest, PRECISION, rng, 1, avoided - {suspect}), suspect

    def _new_carrier(
        self, seen: Mapping[str, int], rng: np.random.Generator, wanted: int, avoided: Set[str]
    ) -> Architecture | None:
        """One that did not run yet, if a few draws find one."""
        for _ in range(_DRAWS):
            carrier = next_carrier(self.space, seen, PRECISION, rng, wanted, avoided)
            if carrier is None or carrier.id not in self.ran:
                break
        return carrier

    def see(self, carrier: Architecture, keys: frozenset[str], *, good: bool) -> None:
        """A carrier with these keys ran, which clears them of suspicion; again shows little new."""
        (self.good if good and carrier.id not in self.ran else self.doubtful).update(keys)
        self.ran.add(carrier.id)
        for key in keys:
            self.failed.pop(key, None)

    def blame(self, keys: frozenset[str], sought: str | None) -> None:
        """A carrier with these keys failed; it may have been run for one of them."""
        self.failed.update(key for key in keys - self.given_up if not self.sightings()[key])
        if sought is not None and self.failed[sought] >= _FAILURES_OF_ONE:
            self.given_up.add(sought)
            del self.failed[sought]

    def sightings(self) -> Counter[str]:
        """How often each key was measured, well or not."""
        return self.good + self.doubtful

    def contexts(self) -> Mapping[str, int]:
        """Contexts by key, a few doubtful ones counting for one good."""
        doubtful = {k: n // _DOUBTFUL_FOR_ONE for k, n in self.doubtful.items()}
        return Counter(self.good) + Counter(doubtful)

    def known(self) -> int:
        return len(self.keys & self.sightings().keys())

    def remaining_s(self, elapsed_s: float, minutes: float | None) -> float | None:
        """By the share of wanted contexts gained so far, at most what `minutes` leaves."""
        gained = self.share() - self._share_at_start
        if gained <= 0:
            return None
        left_s = elapsed_s * (1 - self.share()) / gained
        return left_s if minutes is None else max(0.0, min(left_s, minutes * 60 - elapsed_s))

    def share(self) -> float:
        contexts = self.contexts()
        return sum(min(contexts.get(k, 0), self.wanted) for k in self.keys) / (
            self.wanted * len(self.keys)
        )


def space_keys(space: Space) -> frozenset[str]:
    """Every segment key that a network of the space may have."""
    blocks = [b for place in space.places for _, b in space.blocks_at(place) if b is not None]
    return _keys(space, blocks)


def _keys(space: Space, blocks: list[Block]) -> frozenset[str]:
    return frozenset(
        segment_key(block, phase, PRECISION) for block in blocks for phase in space.phases
    )


def campaign_words(campaign: Campaign) -> str:
    """For a progress bar."""
    return f"{campaign.carriers} carriers, {campaign.known}/{campaign.total} keys"
