"""What a campaign has seen so far, and so which carriers it runs next."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set

import numpy as np

from latency_lut import (
    FEWEST_CHECKED,
    GOOD,
    balancing_carriers,
    corner_carriers,
    next_carrier,
    sharpening_carrier,
)
from nas.campaign.crew import Task
from nas.measuring.measurement import Rig
from search_spaces import Architecture, Block, Space, segment_key

_DOUBTFUL_FOR_ONE = 2  # our choice: two noisy tries end the wait for a good one
_DRAWS = 8  # our choice: so often is a carrier sought that did not run yet
_FAILURES_OF_ONE = 2  # our choice: a segment that failed twice, once sought for itself, is given up
_KEYS_PER_CARRIER = 5  # our choice: with more carriers than one for so many, all is sharp enough


class Ledger:
    """How often each segment key of the space was seen, well or doubtfully, and what failed."""

    def __init__(self, rig: Rig, contexts_wanted: int) -> None:
        self._rig = rig
        self.space = rig.space
        self.keys = space_keys(rig.space, rig.precision)
        self.wanted = contexts_wanted
        self.good: Counter[str] = Counter()
        self.doubtful: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.given_up: set[str] = set()
        self._failed_networks: set[str] = set()
        self._expected: Counter[str] = Counter()  # of carriers that are planned or run now
        self.ran = {c.id for c in rig.store.carriers(rig.space, rig.profile.id, rig.precision)}
        self._ran_well: set[str] = set()
        self.most_carriers = len(self.keys) // _KEYS_PER_CARRIER  # of a whole campaign
        for entry in rig.store.lut(rig.profile.id, rig.precision).entries.values():
            seen = self.good if entry.quality == GOOD else self.doubtful
            self.doubtful[entry.key] = entry.set_aside
            seen[entry.key] += entry.carriers
        self._share_at_start = self.share()

    def next_round(self, rng: np.random.Generator) -> list[Task]:
        """Carriers to run next, in random order, so that drift does not look like structure.

        Everything once, however well, before anything a second time: time may run out. Then each
        suspect for itself, networks of sizes and at corners that are lacking, at last those of the
        segments known worst. Empty when all is done, or will be if what runs now runs well.
        """
        avoided = self.given_up | self.failed.keys()
        for known, wanted in ((self.sightings(), 1), (self.contexts(), self.wanted)):
            seen = Counter(known) + self._expected
            carriers = self._covering(seen, rng, wanted, avoided)
            if carriers:
                return [Task(carriers[i]) for i in rng.permutation(len(carriers))]
        if self._expected:  # the rest is better planned when that is known
            return []
        if self.failed:
            return [self._for_suspect(min(self.failed), rng)]
        return [Task(carrier) for carrier in self._balancing(rng) or self._sharpening(rng)]

    def _covering(
        self, seen: Mapping[str, int], rng: np.random.Generator, wanted: int, avoided: Set[str]
    ) -> list[Architecture]:
        """Carriers after which every segment key was seen as often as wanted."""
        planned = Counter(seen)
        carriers: dict[str, Architecture] = {}
        while carrier := self._new_carrier(planned, rng, wanted, avoided):
            known = carrier.id in carriers or carrier.id in self.ran
            carriers[carrier.id] = carrier
            if known:  # what is left is in so few networks that one has to run again
                break
            planned.update(self.keys_of(carrier))
        return list(carriers.values())

    def _for_suspect(self, suspect: str, rng: np.random.Generator) -> Task:
        """A network of the suspect, with as little beside it as can be, least of all suspects."""
        rest = self.keys - self._together(suspect)
        avoided = rest & (self.given_up | self.failed.keys())
        seen, precision = dict.fromkeys(rest, 1), self._rig.precision
        carrier = next_carrier(self.space, seen, precision, rng, 1, avoided, rest)
        assert carrier is not None, suspect  # it is of a network of the space
        return Task(carrier, suspect)

    def _balancing(self, rng: np.random.Generator) -> list[Architecture]:
        """Carriers of sizes and at corners that there are too few of, none that cannot run."""
        if self.wanted < 2:
            return []
        ran = self._rig.store.carriers(self.space, self._rig.profile.id, self._rig.precision)
        wanted = (
            *balancing_carriers(self.space, ran, rng),
            *corner_carriers(self.space, ran, rng),
        )
        return [
            carrier
            for carrier in wanted
            if carrier.id not in self._failed_networks and not self.keys_of(carrier) & self.given_up
        ]

    def _sharpening(self, rng: np.random.Generator) -> list[Architecture]:
        """Carriers that narrow the widest intervals, as far as there were not enough of all."""
        room = max(self.most_carriers, FEWEST_CHECKED) - len(self.ran)
        if room <= 0 or self.wanted < 2:
            return []
        lut = self._rig.store.lut(self._rig.profile.id, self._rig.precision)
        gains = {e.key: (e.high_ns - e.latency_ns) / (e.carriers + 1) for e in lut.entries.values()}
        carriers: dict[str, Architecture] = {}
        for _ in range(room):
            carrier = sharpening_carrier(self.space, gains, self._rig.precision, rng)
            if carrier is None:
                break
            if carrier.id not in self.ran | self._failed_networks:
                carriers[carrier.id] = carrier
            for key in self.keys_of(carrier) & gains.keys():
                gains[key] /= 2
        return list(carriers.values())

    def _new_carrier(
        self, seen: Mapping[str, int], rng: np.random.Generator, wanted: int, avoided: Set[str]
    ) -> Architecture | None:
        """One that did not run yet, if a few draws find one."""
        for _ in range(_DRAWS):
            carrier = next_carrier(self.space, seen, self._rig.precision, rng, wanted, avoided)
            if carrier is None or carrier.id not in self.ran:
                break
        return carrier

    def keys_of(self, carrier: Architecture) -> frozenset[str]:
        """Segment keys of a network, in all phases."""
        blocks = (segment.block for segment in self.space.segments(carrier))
        return _keys(self.space, blocks, self._rig.precision)

    def expect(self, carrier: Architecture) -> None:
        """A carrier is about to run; `see` or `blame` tells how that went."""
        self._expected.update(self.keys_of(carrier))

    def see(self, carrier: Architecture, *, good: bool) -> None:
        """A carrier ran, which clears its segments of suspicion; well again shows little new."""
        keys = self.keys_of(carrier)
        self._expected -= Counter(keys)
        new = good and carrier.id not in self._ran_well
        (self.good if new else self.doubtful).update(keys)
        self.ran.add(carrier.id)
        if good:
            self._ran_well.add(carrier.id)
        for key in keys:
            self.failed.pop(key, None)

    def blame(self, carrier: Architecture, sought: str | None) -> None:
        """A carrier failed; it may have been run for one of its segments.

        Segments that ran elsewhere are no suspects, but are not waited for much longer either.
        """
        keys = self.keys_of(carrier)
        self._expected -= Counter(keys)
        self._failed_networks.add(carrier.id)
        seen = keys & self.sightings().keys()
        self.doubtful.update(seen)
        self.failed.update(keys - seen - self.given_up)
        if sought is not None and self.failed[sought] >= _FAILURES_OF_ONE:
            for key in self._together(sought):
                self.given_up.add(key)
                del self.failed[key]

    def _together(self, key: str) -> frozenset[str]:
        """Keys of the same block in all phases: one job runs them, so they fail together."""
        blocks = (b for place in self.space.places for _, b in self.space.blocks_at(place) if b)
        each = (_keys(self.space, [block], self._rig.precision) for block in blocks)
        return next(keys for keys in each if key in keys)

    def sightings(self) -> Counter[str]:
        """How often each key was measured, well or not."""
        return self.good + self.doubtful

    def contexts(self) -> Mapping[str, int]:
        """Contexts by key, a few doubtful ones counting for one good."""
        doubtful = {k: n // _DOUBTFUL_FOR_ONE for k, n in self.doubtful.items()}
        return Counter(self.good) + Counter(doubtful)

    def known(self) -> int:
        """Keys of the space that were measured at all."""
        return len(self.keys & self.sightings().keys())

    def remaining_s(self, elapsed_s: float, minutes: float | None) -> float | None:
        """By the share of wanted contexts gained so far, at most what `minutes` leaves."""
        gained = self.share() - self._share_at_start
        if gained <= 0:
            return None
        left_s = elapsed_s * (1 - self.share()) / gained
        return left_s if minutes is None else max(0.0, min(left_s, minutes * 60 - elapsed_s))

    def share(self) -> float:
        """Of the wanted sightings, those that were had, in [0, 1]."""
        contexts = self.contexts()
        return sum(min(contexts.get(k, 0), self.wanted) for k in self.keys) / (
            self.wanted * len(self.keys)
        )


def space_keys(space: Space, precision: str = "fp32") -> frozenset[str]:
    """Every segment key that a network of the space may have."""
    places = space.places
    blocks = (b for place in places for _, b in space.blocks_at(place) if b is not None)
    return _keys(space, blocks, precision)


def _keys(space: Space, blocks: Iterable[Block], precision: str) -> frozenset[str]:
    return frozenset(
        segment_key(block, phase, precision) for block in blocks for phase in space.phases
    )
