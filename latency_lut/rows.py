"""Rows that come out of the database; each function works inside the caller's transaction."""

import json
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Select, select

from latency_lut import schema
from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.documents import PlacedShare, StoredNetwork, as_purpose, nodes_from_json
from latency_lut.records import FAILED, NetworkRecord, PhaseTiming
from latency_lut.timed_network import TimedNetwork, group_of
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


def select_canaries(connection: Connection, profile_id: str) -> list[int]:
    """Times of the canary beside every network of a profile, oldest first."""
    query = (
        select(_networks.canary_ns)
        .where(_networks.profile_id == profile_id, _networks.canary_ns.is_not(None))
        .order_by(_networks.id)
    )
    return [int(ns) for ns in connection.execute(query).scalars()]


def select_timed(
    connection: Connection, profile_id: str, precision: str, canary: CanaryState
) -> list[TimedNetwork]:
    """Every phase that was measured with its nodes, times brought to the usual canary."""
    query = (
        select(
            _phases.id,
            _networks.architecture_id,
            _networks.canary_ns,
            _networks.space,
            _phases.phase,
            _phases.quality,
            _segments.key,
            _shares.latency_ns,
        )
        .select_from(schema.shares.join(schema.phases).join(schema.networks).join(schema.segments))
        .where(
            _networks.profile_id == profile_id,
            _networks.precision == precision,
            _phases.quality != FAILED,
            _shares.latency_ns.is_not(None),
        )
        .order_by(_phases.id, _shares.position)
    )
    found = groupby(connection.execute(query), key=itemgetter(0))
    return [_timed(list(group), canary) for _, group in found]


def _timed(shares: list[Any], canary: CanaryState) -> TimedNetwork:
    first = shares[0]
    scale = canary.scale(first.canary_ns)
    return TimedNetwork(
        first.architecture_id,
        first.quality,
        group_of(first.space, first.phase),
        tuple((share.key, share.latency_ns * scale) for share in shares),
    )


def select_memory(
    connection: Connection, profile_id: str, precision: str
) -> tuple[list[int], list[int]]:
    """Calculated and measured bytes of the networks whose memory was measured."""
    query = (
        select(_networks.static_bytes, _networks.peak_bytes)
        .where(_networks.profile_id == profile_id, _networks.precision == precision)
        .where(_networks.peak_bytes.is_not(None))
        .order_by(_networks.id)
    )
    found = connection.execute(query).all()
    return [int(static) for static, _ in found], [int(peak) for _, peak in found]


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
