"""What one asks a device to measure: a job is one model, in one or more phases."""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, field
from typing import Literal

DTYPES = ("bool", "float16", "float32", "float64", "int8", "int32", "int64", "uint8")
MAX_FEED_BYTES = 2**31  # our choice: no board of ours takes in more at once

JobKind = Literal["profile", "time", "memory"]


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One input of a model, filled on the device with seeded random numbers in [low, high].

    Shape () is a scalar; low == high gives a constant. Whole numbers include both ends.

    Raises:
        ValueError: no such dtype, a negative axis, an empty range.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"feed {self.name}: dtype {self.dtype} is none of {', '.join(DTYPES)}")
        if min(self.shape, default=0) < 0 or math.prod(self.shape) * 8 > MAX_FEED_BYTES:
            raise ValueError(f"feed {self.name}: shape {self.shape} cannot be allocated")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"feed {self.name}: no numbers from {self.low} to {self.high}")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One way to run the model: "infer", or "prefill" and "decode" of one with dynamic axes."""

    name: str
    feeds: tuple[Feed, ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model to measure.

    Attributes:
        kind: "profile" gives timings, the time of each node and peak memory; "time" leaves out
            the nodes; "memory" gives only the peak.
        phases: names must differ.
        max_seconds_per_phase: for warm-up and timing together. The time is used up only while
            the median is still uncertain, and up to three times over while the fastest groups
            do not agree; eight groups are always measured.
        limit_s: the job is killed after this, and fails with kind "timeout".
        memory_limit_bytes: for the whole process, the runtime's own 50 MiB or so included;
            None is three quarters of what the device has available.
        seed: of the random inputs.
        energy: also sample it where the device has a sensor, which takes 2 to 20 s more a phase.

    Raises:
        ValueError: no phase, two of one name, or a limit that is not above zero.
    """

    kind: JobKind
    phases: tuple[Phase, ...]
    max_seconds_per_phase: float = 3.0
    limit_s: float = 120.0
    memory_limit_bytes: int | None = None
    seed: int = 0
    energy: bool = False

    def __post_init__(self) -> None:
        names = [phase.name for phase in self.phases]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"a job needs phases of different names, not {names}")
        if not (0 < self.max_seconds_per_phase < math.inf and 0 < self.limit_s < math.inf):
            raise ValueError("max_seconds_per_phase and limit_s must be above zero and finite")

    def request(self, *, model_sha256: str, canary_sha256: str | None) -> dict[str, object]:
        """The job in the words of the agent's protocol, without what differs by device."""
        for digest in filter(None, (model_sha256, canary_sha256)):
            assert re.fullmatch("[0-9a-f]{64}", digest), digest
        return {**asdict(self), "op": "job", "model": model_sha256, "canary": canary_sha256}


@dataclass
class Tickets:
    """Of results that the device keeps for us."""

    waiting: list[str] = field(default_factory=list)
    """Not in good hands yet."""
    stored: list[str] = field(default_factory=list)
    """The device need not keep them any more; it is told so with the next request."""

    def confirm(self) -> None:
        """All that was measured is in good hands."""
        self.stored += self.waiting
        self.waiting.clear()


def ticket_of(request: dict[str, object], name: str) -> str:
    """Under which a device keeps the result of a request until it is confirmed.

    The same job of the same name has the same ticket, in this process and in the next.

    Args:
        request: all that the device is asked.
        name: of this very measurement, so that another one of the same model is not taken for it.
    """
    return hashlib.sha256(json.dumps([name, request], sort_keys=True).encode()).hexdigest()
