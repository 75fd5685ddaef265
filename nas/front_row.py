"""What a front is shown from: one row a network, and everything that a report tells about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from search_spaces import Architecture

QualityName = Literal["accuracy", "bits_per_byte"]
"""`accuracy` lies in [0, 1] and higher is better; of `bits_per_byte` lower is better."""


@dataclass(frozen=True, kw_only=True)
class FrontRow:
    """One evaluated network: what was predicted and, once verified, what the device said.

    `low_ms` to `high_ms` is the interval of the predicted `latency_ms`; for language networks the
    latency is that of decoding one token, and `prefill_ms` stands beside it. `standard_error` is
    that of `quality`, in its unit.
    """

    trial: int
    architecture: Architecture
    quality: float
    quality_name: QualityName
    standard_error: float | None = None
    latency_ms: float
    low_ms: float
    high_ms: float
    memory_mib: float
    prefill_ms: float | None = None
    params: int
    macs: int
    verified: bool = False
    measured_ms: float | None = None
    measured_low_ms: float | None = None
    measured_high_ms: float | None = None
    measured_memory_mib: float | None = None
    measured_prefill_ms: float | None = None

    @property
    def shown_ms(self) -> float:
        """The measured latency of a verified network, else the predicted one."""
        return self.latency_ms if self._measured_ms is None else self._measured_ms

    @property
    def shown_low_ms(self) -> float:
        """Low end of the interval of `shown_ms`; `shown_ms` itself where none was measured."""
        if self._measured_ms is None:
            return self.low_ms
        return self._measured_ms if self.measured_low_ms is None else self.measured_low_ms

    @property
    def shown_high_ms(self) -> float:
        """High end of the interval of `shown_ms`; `shown_ms` itself where none was measured."""
        if self._measured_ms is None:
            return self.high_ms
        return self._measured_ms if self.measured_high_ms is None else self.measured_high_ms

    @property
    def shown_memory_mib(self) -> float:
        """The measured memory of a verified network where there is one, else the predicted."""
        if self._measured_ms is None or self.measured_memory_mib is None:
            return self.memory_mib
        return self.measured_memory_mib

    @property
    def shown_prefill_ms(self) -> float | None:
        """The measured prefill of a verified network where there is one, else the predicted."""
        if self._measured_ms is None or self.measured_prefill_ms is None:
            return self.prefill_ms
        return self.measured_prefill_ms

    @property
    def ratio(self) -> float | None:
        """Measured over predicted latency; None while not verified."""
        return None if self._measured_ms is None else self._measured_ms / self.latency_ms

    @property
    def _measured_ms(self) -> float | None:
        return self.measured_ms if self.verified else None


@dataclass(frozen=True)
class SegmentShare:
    """How much of a network's latency one segment takes."""

    place: str
    key: str
    latency_ns: int


@dataclass(frozen=True)
class Dropped:
    """A network that left the front, with the reason in words for the reader."""

    row: FrontRow
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """A study as it is told to a person: table, pictures, report and dashboard come from this.

    `front` is sorted by latency and part of `evaluated`. `segments` maps the id of an architecture
    to where its predicted time goes, in the order in which the network runs. `commands` are the
    shell lines that made the study, first to last. `accuracy` is how qualities were found, as
    `--accuracy` names it; `quality_floor` is what guessing scores.
    """

    study: str
    space: str
    data: str
    device: str
    precision: str
    sampler: str
    accuracy: str
    created: str
    quality_name: QualityName
    front: tuple[FrontRow, ...]
    evaluated: tuple[FrontRow, ...]
    dropped: tuple[Dropped, ...] = ()
    max_latency_ms: float | None = None
    max_memory_mib: float | None = None
    segments: Mapping[str, tuple[SegmentShare, ...]] = field(default_factory=dict)
    coverage_known: int = 0
    coverage_total: int = 0
    coverage_transferred: int = 0
    device_facts: Mapping[str, object] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    quality_floor: float | None = None

    @property
    def verified(self) -> tuple[FrontRow, ...]:
        """The rows of the front that were measured on the device."""
        return tuple(row for row in self.front if row.verified)
