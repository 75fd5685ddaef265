"""Blocks timed alone, where the profiler says too little of what a network is made of.

The profiler counts whole microseconds and costs every node more than that: of a network whose nodes
are shorter (a token of a small language model) it hardly tells one segment from another. Each block
as a network of its own can be timed as exactly as any. The LUT then takes whichever of the two
predicts networks better.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from device_agents import JobFailed
from latency_lut import ALONE, GOOD
from nas.campaign.crew import Crew, Outcome, Task
from nas.measuring.measurement import Rig
from nas.measuring.names import alone_id
from search_spaces import Block, segment_key

# Both are our choice.
_LITTLE = 1.5  # times as long as the network its profiled nodes take: too much of it is profiling
_MOST_TRIES = 2  # of a block that was flagged


@dataclass(frozen=True, kw_only=True)
class AloneRun:
    """How far the timing of blocks alone is."""

    timed: int
    left: int
    failures: tuple[str, ...]
    """Messages of blocks that the device does not run alone."""
    elapsed_s: float

    @property
    def done(self) -> float:
        """In [0, 1]."""
        return self.timed / max(self.timed + self.left, 1)


def time_blocks_alone(
    crew: Crew,
    *,
    minutes: float | None = None,
    on_progress: Callable[[AloneRun], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> AloneRun:
    """Times each block of the space alone that was not yet; none where the profiler says enough.

    Run after a campaign, whose networks tell what the profiler is worth. A flagged one is timed
    again, behind all others, once. With `minutes`, it ends when they are over.

    Raises:
        DeviceError: no device is left; what was timed is kept.
    """
    blocks = _Blocks(wanted_alone(crew.lead), minutes, on_progress, clock)
    crew.work(blocks)
    return blocks.so_far()


class _Blocks:
    """Blocks to be timed, and how far that is."""

    def __init__(
        self,
        blocks: Iterable[Block],
        minutes: float | None,
        on_progress: Callable[[AloneRun], None],
        clock: Callable[[], float],
    ) -> None:
        self._waiting = deque(blocks)
        self._minutes, self._on_progress, self._clock = minutes, on_progress, clock
        self._start = clock()
        self._tries: Counter[str] = Counter()
        self._failures: list[str] = []

    def next(self, device_name: str) -> Task | None:
        """The next block; None when there is none now, or time is up."""
        late = self._minutes is not None and self._clock() - self._start >= self._minutes * 60
        return None if late or not self._waiting else Task(self._waiting.popleft())

    def done(self, task: Task, outcome: Outcome, device_name: str) -> None:
        """Count it; a flagged one once more."""
        block = task.network
        assert isinstance(block, Block), "only blocks were planned"
        if isinstance(outcome, JobFailed):
            self._failures.append(f"{block.key} does not run alone: {outcome}")
        else:
            self._tries[block.key] += 1
            flagged = any(phase.quality != GOOD for phase in outcome.phases)
            if flagged and self._tries[block.key] < _MOST_TRIES:
                self._waiting.append(block)
        self._on_progress(self.so_far())

    def so_far(self) -> AloneRun:
        """How far it is."""
        return AloneRun(
            timed=len(self._tries),
            left=len(self._waiting),
            failures=tuple(self._failures),
            elapsed_s=self._clock() - self._start,
        )


def wanted_alone(rig: Rig) -> list[Block]:
    """Blocks of known segments to be timed alone; none where the profiler says enough of all."""
    lut = rig.store.lut(rig.profile.id, rig.precision)
    slowdowns = [lut.group(rig.space.name, phase.key).slowdown for phase in rig.space.phases]
    if max(slowdowns) < _LITTLE:
        return []
    stored = rig.store.networks(rig.profile.id, precision=rig.precision, purpose=ALONE)
    known = {record.architecture_id for record in stored}
    blocks = (b for place in rig.space.places for _, b in rig.space.blocks_at(place) if b)
    return [
        block
        for block in dict.fromkeys(blocks)
        if alone_id(block) not in known
        and all(segment_key(block, p, rig.precision) in lut.entries for p in rig.space.phases)
    ]
