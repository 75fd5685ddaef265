"""Blocks timed alone, where the profiler says too little of what a network is made of.

The profiler counts whole microseconds and costs every node more than that: of a network whose nodes
are shorter (a token of a small language model) it hardly tells one segment from another. Each block
as a network of its own can be timed as exactly as any. The LUT then takes whichever of the two
predicts networks better.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from device_agents import JobFailed
from latency_lut import ALONE, GOOD
from nas.measuring.measurement import Rig, alone_id
from search_spaces import Block, segment_key

logger = logging.getLogger(__name__)

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
    rig: Rig,
    *,
    minutes: float | None = None,
    on_progress: Callable[[AloneRun], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> AloneRun:
    """Times each block of the space alone that was not yet; none where the profiler says enough.

    Run after a campaign, whose networks tell what the profiler is worth. A flagged one is timed
    again, behind all others, once. With `minutes`, it ends when they are over.

    Raises:
        DeviceUnusable: the device failed altogether; what was timed is kept.
    """
    queue = deque(wanted_alone(rig))
    tries, failures = Counter[str](), list[str]()
    start = clock()

    def so_far() -> AloneRun:
        return AloneRun(
            timed=len(tries),
            left=len(queue),
            failures=tuple(failures),
            elapsed_s=clock() - start,
        )

    while queue and (minutes is None or clock() - start < minutes * 60):
        block = queue.popleft()
        try:
            record = rig.measure_alone(block)
            tries[block.key] += 1
            flagged = any(phase.quality != GOOD for phase in record.phases)
            if flagged and tries[block.key] < _MOST_TRIES:
                queue.append(block)
        except JobFailed as exc:
            failures.append(f"{block.key} does not run alone: {exc}")
            logger.warning("%s: %s", rig.device.name, failures[-1])
        on_progress(so_far())
    return so_far()


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
