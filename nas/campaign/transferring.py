"""A new device from an old LUT: a few carriers run, and another device's LUT fills the rest."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device_agents import Inventory, JobFailed
from latency_lut import (
    GOOD,
    TRANSFERRED,
    DeviceProfile,
    TransferCheck,
    next_carrier,
    open_store,
)
from nas.campaign.crew import Crew, Outcome, Task
from nas.campaign.ledger import Ledger, space_keys
from nas.errors import BadInput
from nas.measuring.access import newest_profile, parse_precisions
from nas.measuring.measurement import Rig
from search_spaces import Architecture, Space

SAMPLES = 30  # our choice, also the least from which a fifth can be left out and a term be fitted
# All of these are our choice too.
_MOST_CONTEXTS = 4  # in which carriers show a segment, where a space has few segments
_DRAWS = 8  # so often is a carrier sought that did not run yet
_REPEATED_SHARE = 0.1  # of the carriers, measured again at the end: the floor under every error
_MOST_TRIES = 2  # of a carrier that is flagged
_FAILURES_IN_ROW = 3  # one network may fail, three in a row are the device's fault


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How far the new device's carriers are."""

    carriers: int
    """Measurements, those of carriers measured again among them."""
    left: int
    failures: tuple[str, ...]
    elapsed_s: float

    @property
    def done(self) -> float:
        """In [0, 1]."""
        return self.carriers / max(self.carriers + self.left, 1)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What became of a LUT that started from another."""

    source: DeviceProfile
    sampling: Sampling
    known: int
    """Segment keys of the space that the device itself ran."""
    transferred: int
    """Those that it has from the source."""
    total: int
    checks: Mapping[str, TransferCheck]
    """By name of the phase."""
    most_carriers: int
    """A whole campaign takes so many."""

    @property
    def failed(self) -> bool:
        """Whether any phase's held-out networks were predicted too badly."""
        return not self.checks or any(check.failed for check in self.checks.values())

    @property
    def wanted(self) -> int:
        """How many more carriers it asks for; 0 if it holds."""
        return max((c.wanted(self.most_carriers) for c in self.checks.values()), default=0)


def find_sources(
    name: str, inventory: Path, storage: str, space: Space, precisions: str
) -> tuple[DeviceProfile, ...]:
    """Profiles of a device whose LUTs know segments of the space in all precisions, newest first.

    Raises:
        UnknownDevice: the nearest name is told.
        BadInput: there are none.
    """
    device = Inventory.load(inventory).get(name)
    wanted = parse_precisions(space, precisions)
    with open_store(storage) as store:
        newest_profile(store, device)  # or raises
        found = tuple(
            profile
            for profile in reversed(store.profiles(device.name))
            if all(
                store.lut(profile.id, precision).entries.keys() & space_keys(space, precision)
                for precision in wanted
            )
        )
    if not found:
        raise BadInput(
            f"the LUT of device {name!r} knows no segment of {space.name!r} in "
            f"{' and '.join(wanted)}; start from another device or precision"
        )
    return found


def choose_source(rig: Rig, found: Sequence[DeviceProfile]) -> DeviceProfile:
    """The first of the profiles that is not the rig's own.

    So a device may start from itself, as it was before its runtime or its clocks changed.

    Raises:
        BadInput: there is no other.
    """
    for profile in found:
        if profile.id != rig.profile.id:
            return profile
    raise BadInput(
        f"{rig.device.name} and {found[0].device_name} have one device profile "
        f"({rig.profile.id}), so one LUT; start from a device of another"
    )


def start_from(
    crew: Crew,
    source: DeviceProfile,
    *,
    samples: int = SAMPLES,
    minutes: float | None = None,
    seed: int = 0,
    on_progress: Callable[[Sampling], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Transfer:
    """Runs carriers until the device has run so many, and fills its LUT from the source's.

    Carriers that ran before count, so a killed run goes on where it stopped, and one that wanted
    more is given more with a larger `samples`. They are the first of a covering design, as each
    then shows as many segments as possible that no other did.

    Args:
        crew: the new device, or several of one profile.
        source: a profile of another device, whose LUT knows the space.
        samples: different carriers that the device is to have run in the end.
        minutes: at most.
        seed: of the choice of carriers.
        on_progress: called after each.
        clock: seconds.

    Raises:
        StoreError: the source is their own profile, or was itself started from it.
        DeviceError: no device is left: each was lost, or failed at three networks in a row.
    """
    rig = crew.lead
    rig.store.start_from(rig.profile.id, rig.precision, source.id)
    ledger = Ledger(rig, 1)
    rng = np.random.default_rng(seed + len(ledger.ran))  # a continued run plans anew
    samples_left = _Samples(_plan(rig, ledger, samples, rng), minutes, on_progress, clock)
    crew.work(samples_left)
    return _outcome(rig, source, samples_left.sampling(), ledger)


class _Samples:
    """Carriers to be run; flagged ones again, behind all others."""

    def __init__(
        self,
        plan: Sequence[Architecture],
        minutes: float | None,
        on_progress: Callable[[Sampling], None],
        clock: Callable[[], float],
    ) -> None:
        self._waiting = deque(plan)
        self._minutes, self._on_progress, self._clock = minutes, on_progress, clock
        self._start = clock()
        self._tries: Counter[str] = Counter()
        self._failures: list[str] = []
        self._in_row: Counter[str] = Counter()

    def next(self, device_name: str) -> Task | None:
        """The next carrier; None when there is none now, or time is up."""
        late = self._minutes is not None and self._elapsed_s() >= self._minutes * 60
        return None if late or not self._waiting else Task(self._waiting.popleft())

    def done(self, task: Task, outcome: Outcome, device_name: str) -> None:
        """Count it; raises JobFailed at a device's third failure in a row."""
        carrier = task.network
        assert isinstance(carrier, Architecture), "only carriers were planned"
        self._tries[carrier.id] += 1
        if isinstance(outcome, JobFailed):
            self._failures.append(str(outcome))
            self._in_row[device_name] += 1
            if self._in_row[device_name] == _FAILURES_IN_ROW:
                raise outcome
        else:
            self._in_row[device_name] = 0
            good = all(phase.quality == GOOD for phase in outcome.phases)
            if not good and self._tries[carrier.id] < _MOST_TRIES:
                self._waiting.append(carrier)
        self._on_progress(self.sampling())

    def sampling(self) -> Sampling:
        """How far it is."""
        return Sampling(
            carriers=self._tries.total(),
            left=len(self._waiting),
            failures=tuple(self._failures),
            elapsed_s=self._elapsed_s(),
        )

    def _elapsed_s(self) -> float:
        return self._clock() - self._start


def _plan(rig: Rig, ledger: Ledger, samples: int, rng: np.random.Generator) -> list[Architecture]:
    """Carriers that make up the number, in random order, then some of them again."""
    seen, chosen = Counter(ledger.sightings()), dict[str, Architecture]()
    for contexts in range(1, _MOST_CONTEXTS + 1):
        while len(ledger.ran) + len(chosen) < samples:
            carrier = _new_carrier(rig, seen, contexts, ledger.ran | chosen.keys(), rng)
            if carrier is None:
                break
            chosen[carrier.id] = carrier
            seen.update(ledger.keys_of(carrier))
    plan = [list(chosen.values())[i] for i in rng.permutation(len(chosen))]
    return [*plan, *plan[: round(_REPEATED_SHARE * len(plan))]]


def _new_carrier(
    rig: Rig, seen: Mapping[str, int], contexts: int, known: Set[str], rng: np.random.Generator
) -> Architecture | None:
    """One of none of the known ids, if a few draws find one; None too where all was seen."""
    for _ in range(_DRAWS):
        carrier = next_carrier(rig.space, seen, rig.precision, rng, contexts)
        if carrier is None or carrier.id not in known:
            return carrier
    return None


def _outcome(rig: Rig, source: DeviceProfile, sampling: Sampling, ledger: Ledger) -> Transfer:
    entries = rig.store.lut(rig.profile.id, rig.precision).entries
    qualities = [entry.quality for key, entry in entries.items() if key in ledger.keys]
    transferred = qualities.count(TRANSFERRED)
    return Transfer(
        source=source,
        sampling=sampling,
        known=len(qualities) - transferred,
        transferred=transferred,
        total=len(ledger.keys),
        checks=rig.store.check_transfer(rig.space, rig.profile.id, rig.precision),
        most_carriers=ledger.most_carriers,
    )
