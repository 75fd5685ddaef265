"""What a campaign has seen so far, and so which carrier it runs next."""

from collections import Counter
from collections.abc import Mapping, Set

import numpy as np

from latency_lut import GOOD, next_carrier
from nas.measurement import PRECISION, Rig
from search_spaces import Architecture, Block, Space, segment_key

_DOUBTFUL_FOR_ONE = 2  # our choice: two noisy tries end the wait for a good one
_DRAWS = 8  # our choice: so often is a carrier sought that did not run yet
_FAILURES_OF_ONE = 2  # our choice: a segment that failed twice, once sought for itself, is given up


class Ledger:
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
            seen[entry.key] += entry.carriers
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
        suspect = min(self.failed)  # with as little beside it as can be
        rest = self.keys - {suspect}
        return next_carrier(self.space, dict.fromkeys(rest, 1), PRECISION, rng, 1, rest), suspect

    def _new_carrier(
        self, seen: Mapping[str, int], rng: np.random.Generator, wanted: int, avoided: Set[str]
    ) -> Architecture | None:
        """One that did not run yet, if a few draws find one."""
        for _ in range(_DRAWS):
            carrier = next_carrier(self.space, seen, PRECISION, rng, wanted, avoided)
            if carrier is None or carrier.id not in self.ran:
                break
        return carrier

    def keys_of(self, carrier: Architecture) -> frozenset[str]:
        """Segment keys of a network, in all phases."""
        return _keys(self.space, [s.block for s in self.space.segments(carrier)])

    def see(self, carrier: Architecture, keys: frozenset[str], *, good: bool) -> None:
        """A carrier with these keys ran, which clears them of suspicion; again shows little new."""
        (self.good if good and carrier.id not in self.ran else self.doubtful).update(keys)
        self.ran.add(carrier.id)
        for key in keys:
            self.failed.pop(key, None)

    def blame(self, keys: frozenset[str], sought: str | None) -> None:
        """A carrier with these keys failed; it may have been run for one of them.

        Segments that ran elsewhere are no suspects, but are not waited for much longer either.
        """
        seen = keys & self.sightings().keys()
        self.doubtful.update(seen)
        self.failed.update(keys - seen - self.given_up)
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


def space_keys(space: Space) -> frozenset[str]:
    """Every segment key that a network of the space may have."""
    blocks = [b for place in space.places for _, b in space.blocks_at(place) if b is not None]
    return _keys(space, blocks)


def _keys(space: Space, blocks: list[Block]) -> frozenset[str]:
    return frozenset(
        segment_key(block, phase, PRECISION) for block in blocks for phase in space.phases
    )
