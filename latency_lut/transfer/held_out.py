"""Networks predicted from a transferred LUT that was made without them.

The new device's networks are dealt into five parts. Each part is predicted by the transfer from the
others, or from fewer of them, and compared with what was measured.

Letters: N networks of one group, R segments of theirs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut.fit.entry import Entry
from latency_lut.fit.lut import UNKNOWN, GroupFit, Lut
from latency_lut.fit.network_term import Traffic
from latency_lut.fit.timed_table import Floats, TimedTable
from latency_lut.records import GOOD
from latency_lut.roofline import kept_bytes, touched_bytes
from latency_lut.transfer.measured import Measured
from latency_lut.transfer.transfer import transfer

_PARTS = 5  # our choice
_SEED = 0  # the same networks always give the same LUT
_FEWEST_GOOD = 5  # our choice; with fewer good networks flagged ones count too


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """What networks of a group took, and were predicted to take without having been seen."""

    measured_ns: Floats
    """(N,)"""
    predicted_ns: Floats
    """(N,) NaN where a segment has no entry."""
    half_ns: Floats
    """(N,) half width of the prediction's interval by the entries alone."""
    good: npt.NDArray[np.bool_]
    """(N,) False where the measurement was flagged."""

    def checkable(self) -> "HeldOut":
        """Those that could be predicted and are good; flagged ones too where good ones are few."""
        kept = ~np.isnan(self.predicted_ns)
        if (kept & self.good).sum() >= _FEWEST_GOOD:
            kept &= self.good
        return HeldOut(
            measured_ns=self.measured_ns[kept],
            predicted_ns=self.predicted_ns[kept],
            half_ns=self.half_ns[kept],
            good=self.good[kept],
        )

    def errors(self) -> Floats:
        """|predicted / measured - 1| of the checkable ones."""
        of = self.checkable()
        return np.abs(of.predicted_ns / of.measured_ns - 1)


def hold_out(source: Lut, measured: Measured, share: float = 1.0) -> dict[str, HeldOut]:
    """Every network predicted by a transfer from others, by group; empty below two networks.

    Args:
        source: the LUT to start from.
        measured: on the new device.
        share: how many of the others to learn from, in (0, 1].
    """
    found: dict[str, list[HeldOut]] = {}
    for learnt, left_out in _parts(measured.architecture_ids, share):
        lut = transfer(source, measured.only(learnt).lut())
        for name, table in measured.only(left_out).tables.items():
            found.setdefault(name, []).append(_predicted(lut, name, table))
    return {name: _joined(parts) for name, parts in found.items()}


def learnt_from(measured: Measured, share: float = 1.0) -> int:
    """From how many networks `hold_out` predicts each part, on average."""
    counts = [len(learnt) for learnt, _ in _parts(measured.architecture_ids, share)]
    return round(float(np.mean(counts))) if counts else 0


def _parts(
    architecture_ids: Sequence[str], share: float
) -> Iterator[tuple[frozenset[str], frozenset[str]]]:
    """Networks to learn from and networks to predict; a smaller share is part of a larger one."""
    count = len(architecture_ids)
    order = np.random.default_rng(_SEED).permutation(count)
    if count < 2:
        return
    for part in range(min(_PARTS, count)):
        others = np.delete(order, np.s_[part::_PARTS])
        learnt = others[: max(round(share * len(others)), 1)]
        yield (
            frozenset(architecture_ids[i] for i in learnt),
            frozenset(architecture_ids[i] for i in order[part::_PARTS]),
        )


def _predicted(lut: Lut, name: str, table: TimedTable) -> HeldOut:
    group = lut.groups.get(name, UNKNOWN)
    by_key = np.array([_values(lut, group, key) for key in table.keys])  # (K, 4)
    latency_ns, variance_ns2, *bytes_ = (table.by_network(column[table.key]) for column in by_key.T)
    return HeldOut(
        measured_ns=table.latency_ns,
        predicted_ns=latency_ns + group.term.added_ns(Traffic(*bytes_)),
        half_ns=np.sqrt(variance_ns2),
        good=np.array(table.qualities) == GOOD,
    )


def _values(lut: Lut, group: GroupFit, key: str) -> tuple[float, ...]:
    """Nanoseconds, squared half width, bytes touched and kept; NaN without an entry."""
    entry: Entry | None = lut.entries.get(key)
    if entry is None:
        return (np.nan,) * 4
    half_ns = float(entry.high_ns - entry.latency_ns)
    cost = lut.costs[key]
    return group.latency_ns(entry), half_ns**2, touched_bytes(cost), kept_bytes(cost)


def _joined(parts: Sequence[HeldOut]) -> HeldOut:
    return HeldOut(
        measured_ns=np.concatenate([part.measured_ns for part in parts]),
        predicted_ns=np.concatenate([part.predicted_ns for part in parts]),
        half_ns=np.concatenate([part.half_ns for part in parts]),
        good=np.concatenate([part.good for part in parts]),
    )
