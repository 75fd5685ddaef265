"""A measured network as a JSON document: what is hashed, exported and imported."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from latency_lut.records import NetworkRecord, NodeTiming, PhaseTiming, Purpose

Document = dict[str, object]


@dataclass(frozen=True)
class PlacedShare:
    """What one place of a network took in one phase, as the store keeps it.

    The last three are None where the network was timed without its nodes.
    """

    place: str
    key: str
    nodes: int | None
    node_ns: int | None
    latency_ns: int | None


@dataclass(frozen=True)
class StoredNetwork:
    """A record and, for each of its phases, the shares of its places."""

    record: NetworkRecord
    shares: tuple[tuple[PlacedShare, ...], ...]


def digest_of(record: NetworkRecord) -> str:
    """SHA-256 of everything that was measured: equal only for one and the same measurement."""
    document = asdict(record)
    if record.observed_json is None:  # as it was before there was such a field
        del document["observed_json"]
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """Equal text for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def to_document(network: StoredNetwork) -> Document:
    """Plain dicts and lists; `from_document` reads them back."""
    document = asdict(network.record)
    for phase, shares in zip(document["phases"], network.shares, strict=True):
        phase["group_ns"] = list(phase["group_ns"])
        phase["nodes"] = list(phase["nodes"])
        phase["shares"] = [asdict(share) for share in shares]
    document["phases"] = list(document["phases"])
    return document


def from_document(document: Mapping[str, object]) -> StoredNetwork:
    """Reads what `to_document` wrote.

    Raises:
        BadRecord: values that no measurement has.
        KeyError, TypeError: fields are missing or of another type.
    """
    phases = cast(Sequence[Mapping[str, object]], document["phases"])
    rest = {name: value for name, value in document.items() if name != "phases"}
    record = NetworkRecord(phases=tuple(_phase(phase) for phase in phases), **rest)  # type: ignore[arg-type]
    return StoredNetwork(record, tuple(_shares(phase) for phase in phases))


def _phase(document: Mapping[str, object]) -> PhaseTiming:
    fields = {name: value for name, value in document.items() if name != "shares"}
    fields["group_ns"] = tuple(cast(Sequence[int], fields["group_ns"]))
    fields["nodes"] = tuple(
        NodeTiming(**node)  # type: ignore[arg-type]
        for node in cast(Sequence[Mapping[str, object]], fields["nodes"])
    )
    return PhaseTiming(**fields)  # type: ignore[arg-type]


def _shares(document: Mapping[str, object]) -> tuple[PlacedShare, ...]:
    shares = cast(Sequence[Mapping[str, object]], document["shares"])
    return tuple(PlacedShare(**share) for share in shares)  # type: ignore[arg-type]


def nodes_json(nodes: Sequence[NodeTiming]) -> str:
    """Compact text of node times, as the database keeps them."""
    return json.dumps([[n.name, n.op_type, n.duration_ns] for n in nodes], separators=(",", ":"))


def nodes_from_json(text: str) -> tuple[NodeTiming, ...]:
    """Reads what `nodes_json` wrote."""
    return tuple(NodeTiming(name, op_type, ns) for name, op_type, ns in json.loads(text))


def as_purpose(text: str) -> Purpose:
    """The purpose as read from a database; `NetworkRecord` checks it."""
    return cast(Purpose, text)
