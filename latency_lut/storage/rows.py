"""Rows that come out of the database; each function works inside the caller's transaction."""

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Select, func, select

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.fit.timed_table import TimedTable, group_of, timed_table
from latency_lut.memory import MemoryRecord
from latency_lut.records import ALONE, FAILED, GOOD, NetworkRecord, PhaseTiming
from latency_lut.roofline import Ceilings
from latency_lut.storage import schema
from latency_lut.storage.documents import PlacedShare, StoredNetwork, as_purpose, nodes_from_json
from search_spaces import SegmentCost

_networks, _phases = schema.networks.c, schema.phases.c
_shares, _segments = schema.shares.c, schema.segments.c


def select_profiles(connection: Connection, device_name: str | None) -> tuple[DeviceProfile, ...]:
    """Of one device or of all, the newest last."""
    columns = (schema.profiles.c.id, schema.devices.c.device_name, schema.profiles.c.facts)
    query = (
        select(*columns)
        .select_from(schema.profiles.join(schema.devices))
        .order_by(schema.devices.c.last_seen, schema.profiles.c.id)
    )
    if device_name is not None:
        query = query.where(schema.devices.c.device_name == device_name)
    found = connection.execute(query)
    return tuple(DeviceProfile(number, name, json.loads(facts)) for number, name, facts in found)


def select_ceilings(connection: Connection, profile_id: str) -> Ceilings | None:
    """Of a profile; None where they were never measured."""
    table = schema.ceilings
    query = select(table).where(table.c.profile_id == profile_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    rates = {"flops_per_s": row.flops_per_s, "bytes_per_s": row.bytes_per_s}
    return Ceilings(**rates, quality=row.quality)


def select_networks(
    connection: Connection,
    profile_id: str,
    space: str | None = None,
    precision: str | None = None,
    purpose: str | None = None,
) -> tuple[StoredNetwork, ...]:
    """Networks with all that was measured, oldest first."""
    query = select(schema.networks).where(_networks.profile_id == profile_id)
    wanted = ((_networks.space, space), (_networks.precision, precision))
    for column, value in (*wanted, (_networks.purpose, purpose)):
        if value is not None:
            query = query.where(column == value)
    rows = connection.execute(query.order_by(_networks.id)).all()
    phases = _phases_by_network(connection, query.with_only_columns(_networks.id))
    return tuple(_network(row, phases.get(row.id, [])) for row in rows)


def count_networks(
    connection: Connection, profile_id: str, architecture_id: str, precision: str, purpose: str
) -> int:
    """How often a network was measured for a purpose."""
    query = select(func.count(_networks.id)).where(
        _networks.profile_id == profile_id,
        _networks.architecture_id == architecture_id,
        _networks.precision == precision,
        _networks.purpose == purpose,
    )
    return int(connection.execute(query).scalar_one())


def select_taught(connection: Connection, profile_id: str, space: str, precision: str) -> list[str]:
    """Ids of the networks whose nodes were measured, and so are in the fit."""
    query = (
        select(_networks.architecture_id)
        .select_from(schema.shares.join(schema.phases).join(schema.networks))
        .where(
            _networks.profile_id == profile_id,
            _networks.space == space,
            _networks.precision == precision,
            _networks.purpose != "alone",
            _shares.latency_ns.is_not(None),
        )
    )
    return sorted(connection.execute(query.distinct()).scalars())


def select_canaries(connection: Connection, profile_id: str) -> list[int]:
    """Times of the canary beside every network of a profile, oldest first."""
    query = (
        select(_networks.canary_ns)
        .where(_networks.profile_id == profile_id, _networks.canary_ns.is_not(None))
        .order_by(_networks.id)
    )
    return [int(ns) for ns in connection.execute(query).scalars()]


def select_tables(
    connection: Connection, profile_id: str, precision: str, canary: CanaryState
) -> dict[str, TimedTable]:
    """Every phase that was measured with its nodes, by group, times brought to the usual canary."""
    query = (
        select(
            _phases.id,
            _networks.space,
            _phases.phase,
            _networks.architecture_id,
            _phases.quality,
            _phases.latency_ns,
            _networks.canary_ns,
            _segments.key,
            _shares.node_ns,
            _shares.nodes,
        )
        .select_from(schema.shares.join(schema.phases).join(schema.networks).join(schema.segments))
        .where(
            _networks.profile_id == profile_id,
            _networks.precision == precision,
            _phases.quality != FAILED,
            _shares.latency_ns.is_not(None),
        )
        .order_by(_networks.space, _phases.phase, _phases.id, _shares.position)
    )
    by_group = groupby(connection.execute(query), key=lambda row: group_of(row[1], row[2]))
    alone_ns = _alone_ns(connection, profile_id, precision, canary)
    return {name: _table(group, canary, alone_ns) for name, group in by_group}


def _alone_ns(
    connection: Connection, profile_id: str, precision: str, canary: CanaryState
) -> dict[str, float]:
    """By segment key, the fastest good run of its block alone, or of all where none was good."""
    query = (
        select(_segments.key, _phases.quality, _phases.latency_ns, _networks.canary_ns)
        .select_from(schema.shares.join(schema.phases).join(schema.networks).join(schema.segments))
        .where(
            _networks.profile_id == profile_id,
            _networks.precision == precision,
            _networks.purpose == ALONE,
            _phases.quality != FAILED,
        )
    )
    found: dict[str, tuple[bool, float]] = {}
    for key, quality, latency_ns, canary_ns in connection.execute(query):
        run = (quality != GOOD, latency_ns * canary.scale(canary_ns))
        found[key] = min(found.get(key, run), run)
    return {key: ns for key, (_, ns) in found.items()}


def _table(rows: Iterable[Any], canary: CanaryState, alone_ns: Mapping[str, float]) -> TimedTable:
    networks: list[tuple[str, str, float]] = []
    segments: list[tuple[int, str, float, int]] = []
    last = None
    for phase_id, _, _, architecture, quality, latency_ns, canary_ns, key, node_ns, nodes in rows:
        scale = canary.scale(canary_ns)
        if phase_id != last:
            networks.append((architecture, quality, latency_ns * scale))
            last = phase_id
        segments.append((len(networks) - 1, key, node_ns * scale, nodes))
    return timed_table(networks, segments, alone_ns)


def select_revision(connection: Connection, profile_id: str) -> str:
    """Text that changes with every network that is measured under a profile.

    Also under another precision: its canaries count for the usual state too.
    """
    query = select(func.count(_networks.id), func.max(_networks.id))
    count, last = connection.execute(query.where(_networks.profile_id == profile_id)).one()
    return f"{count}-{last}"


def select_lineage(connection: Connection, profile_id: str, precision: str) -> list[str]:
    """The profile, the one that its LUT started from, the one that this started from, and so on."""
    table = schema.transfers.c
    query = select(table.source_id).where(table.precision == precision)
    lineage = [profile_id]
    while source := connection.execute(query.where(table.profile_id == lineage[-1])).scalar():
        lineage.append(str(source))
    return lineage


def select_fit(
    connection: Connection, profile_id: str, precision: str, revision: str
) -> str | None:
    """The document of a LUT that was fitted at this revision; None if there is none."""
    table = schema.fits.c
    query = select(table.document).where(
        table.profile_id == profile_id, table.precision == precision, table.revision == revision
    )
    return connection.execute(query).scalar()


def select_memory(
    connection: Connection, profile_id: str, precision: str
) -> dict[str, list[MemoryRecord]]:
    """By space, the networks whose memory was measured, oldest first."""
    query = (
        select(_networks.id, _networks.space, _networks.peak_bytes, _phases.position, _segments.key)
        .select_from(schema.shares.join(schema.phases).join(schema.networks).join(schema.segments))
        .where(
            _networks.profile_id == profile_id,
            _networks.precision == precision,
            _networks.peak_bytes.is_not(None),
            _networks.purpose != ALONE,
        )
        .order_by(_networks.id, _phases.position)
    )
    found: dict[str, list[MemoryRecord]] = {}
    for (_, space, peak), rows in groupby(connection.execute(query), key=lambda row: row[:3]):
        phases = groupby(rows, key=lambda row: row[3])
        keys = tuple(tuple(str(row[4]) for row in of_phase) for _, of_phase in phases)
        found.setdefault(space, []).append(MemoryRecord(int(peak), keys))
    return found


def select_costs(
    connection: Connection, profile_id: str | None = None, precision: str | None = None
) -> dict[str, SegmentCost]:
    """Static costs by key: of all segments, or of those in the networks of a profile."""
    query = select(schema.segments)
    if profile_id is not None:
        seen = (
            select(_shares.segment_id)
            .select_from(schema.shares.join(schema.phases).join(schema.networks))
            .where(_networks.profile_id == profile_id, _networks.precision == precision)
        )
        query = query.where(_segments.id.in_(seen))
    return {row.key: _cost(row) for row in connection.execute(query)}


def _cost(row: Any) -> SegmentCost:
    return SegmentCost(
        params=row.params,
        active_params=row.active_params,
        macs=row.macs,
        weight_bytes=row.weight_bytes,
        peak_bytes=row.peak_bytes,
        state_bytes=row.state_bytes,
        lasting_bytes=row.lasting_bytes,
        convolution_bytes=row.convolution_bytes,
        workspace_bytes=row.workspace_bytes,
        operators=row.operators,
        operator_kinds=row.operator_kinds,
        unknown_ops=tuple(json.loads(row.unknown_ops)),
    )


_Phase = tuple[PhaseTiming, tuple[PlacedShare, ...]]


def _phases_by_network(
    connection: Connection, network_ids: Select[tuple[int]]
) -> dict[int, list[_Phase]]:
    wanted = _phases.network_id.in_(network_ids)
    query = (
        select(schema.shares, _segments.key)
        .select_from(schema.shares.join(schema.phases).join(schema.segments))
        .where(wanted)
        .order_by(_shares.phase_id, _shares.position)
    )
    shares: dict[int, list[PlacedShare]] = {}
    for row in connection.execute(query):
        share = PlacedShare(row.place, row.key, row.nodes, row.node_ns, row.latency_ns)
        shares.setdefault(row.phase_id, []).append(share)
    found: dict[int, list[_Phase]] = {}
    query_phases = (
        select(schema.phases).where(wanted).order_by(_phases.network_id, _phases.position)
    )
    for row in connection.execute(query_phases):
        phase = (_timing(row), tuple(shares.get(row.id, ())))
        found.setdefault(row.network_id, []).append(phase)
    return found


def _network(row: Any, phases: list[_Phase]) -> StoredNetwork:
    record = NetworkRecord(
        profile_id=row.profile_id,
        space=row.space,
        architecture_json=row.architecture_json,
        architecture_id=row.architecture_id,
        precision=row.precision,
        purpose=as_purpose(row.purpose),
        phases=tuple(timing for timing, _ in phases),
        canary_ns=row.canary_ns,
        peak_bytes=row.peak_bytes,
        static_bytes=row.static_bytes,
        created_utc=row.created_utc,
        observed_json=row.observed_json,
    )
    return StoredNetwork(record, tuple(shares for _, shares in phases))


def _timing(row: Any) -> PhaseTiming:
    return PhaseTiming(
        phase=row.phase,
        latency_ns=row.latency_ns,
        low_ns=row.low_ns,
        high_ns=row.high_ns,
        p90_ns=row.p90_ns,
        runs=row.runs,
        quality=row.quality,
        group_ns=tuple(json.loads(row.group_ns)),
        nodes=nodes_from_json(row.nodes),
    )
