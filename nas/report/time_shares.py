"""Where the time goes: the segments of each network of a front, put together in a few groups."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nas.front_row import FrontRow, Report, SegmentShare

MOST_GROUPS = 9
"""As many colours as can be told apart; smaller groups beyond them are shown as one."""

_REST = "other"


@dataclass(frozen=True)
class Slice:
    """One group's part of a network's time; `group` counts from 0 in the order of the legend."""

    name: str
    group: int
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class TimeBar:
    """One network as a stacked bar, with the segments that it was added up from."""

    row: FrontRow
    total_ms: float
    slices: tuple[Slice, ...]
    segments: tuple[SegmentShare, ...]


@dataclass(frozen=True)
class TimeShares:
    """The bars of all networks that have segments, and the groups of their common legend."""

    groups: tuple[str, ...]
    bars: tuple[TimeBar, ...]

    @property
    def longest_ms(self) -> float:
        """The time of the slowest network shown."""
        return max((bar.total_ms for bar in self.bars), default=0.0)


def time_shares(report: Report) -> TimeShares:
    """Bars for the networks of the front whose segments are known, in its order."""
    rows = [row for row in report.front if report.segments.get(row.architecture.id)]
    networks = [report.segments[row.architecture.id] for row in rows]
    groups = _groups(networks)
    bars = tuple(_bar(row, parts, groups) for row, parts in zip(rows, networks, strict=True))
    return TimeShares(groups, bars)


def group_of(share: SegmentShare) -> str:
    """The group of a segment: its stage, or what it does in a layer, or its own place.

    `stage2.block3` is of "stage 2", as are all its blocks. `layer4.mixer` is one of the "mixer"
    segments, told apart by family, since layers are alike and what they do is not.
    """
    *outer, last = share.place.split(".")
    if not outer:
        return _words(last)
    if last[-1].isdigit():
        return _words(".".join(outer))
    return f"{_words(last)}: {_words(share.key.partition('(')[0].partition('@')[0])}"


def _groups(networks: Sequence[Sequence[SegmentShare]]) -> tuple[str, ...]:
    """Every group in the order in which networks run, the smallest merged if they are many."""
    totals: dict[str, int] = {}
    places: dict[str, float] = {}
    for network in networks:
        for position, share in enumerate(network):
            name = group_of(share)
            totals[name] = totals.get(name, 0) + share.latency_ns
            places.setdefault(name, position / len(network))
    ordered = sorted(totals, key=lambda name: places[name])
    if len(ordered) <= MOST_GROUPS:
        return tuple(ordered)
    kept = set(sorted(totals, key=lambda name: -totals[name])[: MOST_GROUPS - 1])
    return (*(name for name in ordered if name in kept), _REST)


def _bar(row: FrontRow, network: tuple[SegmentShare, ...], groups: tuple[str, ...]) -> TimeBar:
    sums = dict.fromkeys(groups, 0)
    for share in network:
        name = group_of(share)
        sums[name if name in sums else _REST] += share.latency_ns
    return TimeBar(
        row=row,
        total_ms=sum(sums.values()) / 1e6,
        slices=tuple(
            Slice(name, groups.index(name), total / 1e6) for name, total in sums.items() if total
        ),
        segments=network,
    )


def _words(name: str) -> str:
    """`stage2` as "stage 2", `feed_forward` as "feed forward"."""
    spaced = re.sub(r"(?<=[a-z])(?=\d)", " ", name)
    return re.sub(r"[._]", " ", spaced)
