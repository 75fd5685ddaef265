"""Records that a campaign left in the LUT, beside the faults that came over its boards."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tests.agreement import ratios
from tests.end_to_end.desk import Desk, rows_of

RECORDS = """
    SELECT json_extract(n.observed_json, '$.device'), n.architecture_id, n.purpose, p.phase,
           p.quality, 1.0 * p.latency_ns / n.canary_ns, p.group_ns,
           json_extract(n.observed_json, '$.asked_s'), json_extract(n.observed_json, '$.answered_s')
    FROM lut_networks n JOIN lut_phases p ON p.network_id = n.id WHERE n.precision = 'fp32'
"""


class Record(NamedTuple):
    """A phase of a network as the LUT has it; latency in canaries, times of the monotonic clock."""

    device: str
    network: str
    purpose: str
    phase: str
    quality: str
    canaries: float
    samples: str
    asked_s: float
    answered_s: float
    faults: tuple[str, ...] = ()  # of its board while it was measured

    @property
    def run(self) -> str:
        """What records have in common that can be compared."""
        return f"{self.network} {self.purpose} {self.phase}"


def records_of(desk: Desk) -> list[Record]:
    """All in the desk's LUT, in fp32."""
    return [Record(*row) for row in rows_of(desk.database, RECORDS)]


def repeated(records: Sequence[Record]) -> list[str]:
    """What is there twice: same device, same architecture, same raw samples."""
    seen = Counter(f"{r.device} {r.run} {r.samples}" for r in records)
    return [record for record, times in seen.items() if times > 1]


def faults_during(
    record: Record, faults: Sequence[Mapping[str, Any]], start_s: float
) -> tuple[str, ...]:
    """Those that began on the record's board, or were there, while it was measured."""
    return tuple(
        fault["fault"]
        for fault in faults
        if fault["board"] == record.device
        and start_s + fault["at_s"] <= record.answered_s
        and start_s + fault["mended_s"] >= record.asked_s
    )


def qualities(records: Sequence[Record]) -> dict[str, int]:
    """Number of records by their quality."""
    return dict(sorted(Counter(record.quality for record in records).items()))


def good(records: Sequence[Record]) -> list[Record]:
    """Those marked good."""
    return [record for record in records if record.quality == "good"]


def struck(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Those that a fault struck: how far off each is, and what struck it."""
    off = ratios((r.run, r.canaries) for r in records)
    return [
        {"run": r.run, "device": r.device, "off_median": ratio, "faults": list(r.faults)}
        for r, ratio in zip(records, off, strict=True)
        if r.faults
    ]
