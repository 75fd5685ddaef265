"""A LUT as one Parquet file: a row a network, everything nested below it, and a checksum.

The profile, the static costs and the checksum stand in the file's key-value metadata. So do the
ceilings, if they were measured, with a checksum of their own: an edge-nas that knows of none still
reads the rest.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from latency_lut.device_profile import DeviceProfile
from latency_lut.errors import BadRecord, StoreError
from latency_lut.roofline import Ceilings
from latency_lut.storage.documents import (
    Document,
    StoredNetwork,
    canonical_json,
    from_document,
    to_document,
)
from search_spaces import SegmentCost

_FORMAT_KEY, _PROFILE_KEY = b"edge_nas.lut_format", b"edge_nas.profile"
_COSTS_KEY, _CHECKSUM_KEY = b"edge_nas.segment_costs", b"edge_nas.sha256"
_CEILINGS_KEY, _CEILINGS_CHECKSUM_KEY = b"edge_nas.ceilings", b"edge_nas.ceilings_sha256"

_NODE = pa.struct([("name", pa.string()), ("op_type", pa.string()), ("duration_ns", pa.int64())])
_SHARE = pa.struct(
    [
        ("place", pa.string()),
        ("key", pa.string()),
        ("nodes", pa.int64()),
        ("node_ns", pa.int64()),
        ("latency_ns", pa.int64()),
    ]
)
_PHASE = pa.struct(
    [
        ("phase", pa.string()),
        ("latency_ns", pa.int64()),
        ("low_ns", pa.int64()),
        ("high_ns", pa.int64()),
        ("p90_ns", pa.int64()),
        ("runs", pa.int64()),
        ("quality", pa.string()),
        ("group_ns", pa.list_(pa.int64())),
        ("nodes", pa.list_(_NODE)),
        ("shares", pa.list_(_SHARE)),
    ]
)
_SCHEMA = pa.schema(
    [
        ("profile_id", pa.string()),
        ("space", pa.string()),
        ("architecture_json", pa.string()),
        ("architecture_id", pa.string()),
        ("precision", pa.string()),
        ("purpose", pa.string()),
        ("phases", pa.list_(_PHASE)),
        ("canary_ns", pa.int64()),
        ("peak_bytes", pa.int64()),
        ("static_bytes", pa.int64()),
        ("created_utc", pa.string()),
        ("observed_json", pa.string()),
    ]
)
_FORMAT = b"3"  # a reader of 2 knows no blocks that ran alone
_WITHOUT_OBSERVED = _SCHEMA.remove(_SCHEMA.get_field_index("observed_json"))
_SCHEMAS = {b"1": _WITHOUT_OBSERVED, b"2": _SCHEMA, _FORMAT: _SCHEMA}


@dataclass(frozen=True)
class Archive:
    """All that one file holds: a profile, its networks, the costs of their segments, ceilings."""

    profile: DeviceProfile
    networks: tuple[StoredNetwork, ...]
    costs: Mapping[str, SegmentCost]
    ceilings: Ceilings | None = None


def write_archive(path: Path, archive: Archive) -> None:
    """Writes the file; a write that fails leaves what was there before.

    Raises:
        StoreError: it cannot be written.
    """
    documents = [to_document(network) for network in archive.networks]
    profile = canonical_json(_profile_document(archive.profile))
    costs = canonical_json({key: asdict(cost) for key, cost in archive.costs.items()})
    metadata = {
        _FORMAT_KEY: _FORMAT,
        _PROFILE_KEY: profile.encode(),
        _COSTS_KEY: costs.encode(),
        _CHECKSUM_KEY: _checksum(profile, costs, documents).encode(),
        **_ceilings_metadata(archive.ceilings),
    }
    table = pa.Table.from_pylist(documents, schema=_SCHEMA.with_metadata(metadata))
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it")
    partial = path.with_name(path.name + ".partial")
    try:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
        partial.replace(path)
    except OSError as exc:
        partial.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {exc.strerror or exc}") from exc


def read_archive(path: Path) -> Archive:
    """Reads and checks a file of `write_archive`.

    Raises:
        StoreError: it is missing, no Parquet, not ours, of another version, or changed since.
    """
    table = _read_table(path)
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    if _FORMAT_KEY not in metadata:
        raise StoreError(f"{path} is no LUT: it was not written by nas lut export")
    if metadata[_FORMAT_KEY] not in _SCHEMAS:
        found = metadata[_FORMAT_KEY].decode(errors="replace")
        raise StoreError(
            f"{path} is a LUT of format {found}; this edge-nas reads up to {_FORMAT.decode()}"
        )
    try:
        documents: list[Document] = table.to_pylist()
        profile, costs = metadata[_PROFILE_KEY].decode(), metadata[_COSTS_KEY].decode()
        if _checksum(profile, costs, documents) != metadata[_CHECKSUM_KEY].decode():
            raise StoreError(f"{path} is damaged: its checksum is wrong. Export it again")
        return _archive(json.loads(profile), json.loads(costs), documents, _ceilings(metadata))
    except (KeyError, TypeError, ValueError, BadRecord) as exc:
        raise StoreError(f"{path} is damaged: {exc}. Export it again") from exc


def _profile_document(profile: DeviceProfile) -> Document:
    """The profile as plain dicts."""
    return {
        "id": profile.id,
        "device_name": profile.device_name,
        "facts": dict(profile.facts),
    }


def _read_table(path: Path) -> pa.Table:
    try:
        table = pq.ParquetFile(path, page_checksum_verification=True).read()
    except FileNotFoundError as exc:
        raise StoreError(f"there is no file {path}") from exc
    except (OSError, ValueError, MemoryError, pa.ArrowException) as exc:
        # Damaged bytes end as any of these: bad text, absurd sizes, unknown codecs.
        raise StoreError(f"{path} is no Parquet file or is damaged") from exc
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    expected = _SCHEMAS.get(metadata.get(_FORMAT_KEY, b""))
    if expected is not None and not table.schema.equals(expected):
        raise StoreError(f"{path} is damaged: its columns are not those of a LUT. Export it again")
    return table


def _archive(
    profile: Mapping[str, object],
    costs: Mapping[str, Mapping[str, object]],
    documents: list[Document],
    ceilings: Ceilings | None,
) -> Archive:
    return Archive(
        DeviceProfile(**profile),  # type: ignore[arg-type]
        tuple(from_document(document) for document in documents),
        {key: _cost(fields) for key, fields in costs.items()},
        ceilings,
    )


def _ceilings_metadata(ceilings: Ceilings | None) -> dict[bytes, bytes]:
    if ceilings is None:
        return {}
    text = canonical_json(asdict(ceilings)).encode()
    return {_CEILINGS_KEY: text, _CEILINGS_CHECKSUM_KEY: _sha256(text)}


def _ceilings(metadata: Mapping[bytes, bytes]) -> Ceilings | None:
    """Those in the file; None in one that has none.

    Raises:
        ValueError: their checksum is wrong.
        KeyError, TypeError, BadRecord: they are no ceilings.
    """
    if _CEILINGS_KEY not in metadata:
        return None
    text = metadata[_CEILINGS_KEY]
    if metadata[_CEILINGS_CHECKSUM_KEY] != _sha256(text):
        raise ValueError("the checksum of its ceilings is wrong")
    return Ceilings(**json.loads(text))


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _cost(fields: Mapping[str, object]) -> SegmentCost:
    unknown_ops = tuple(cast(Iterable[str], fields["unknown_ops"]))
    return SegmentCost(**{**fields, "unknown_ops": unknown_ops})  # type: ignore[arg-type]


def _checksum(profile: str, costs: str, documents: list[Document]) -> str:
    digest = hashlib.sha256()
    for text in (profile, costs, *(canonical_json(document) for document in documents)):
        digest.update(text.encode())
        digest.update(b"\n")
    return digest.hexdigest()
