"""Rows that go into the database; each function works inside the caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from latency_lut.device_profile import DeviceProfile
from latency_lut.errors import StoreError
from latency_lut.records import GOOD, PhaseTiming
from latency_lut.roofline import Ceilings
from latency_lut.storage import schema
from latency_lut.storage.documents import (
    PlacedShare,
    StoredNetwork,
    canonical_json,
    digest_of,
    nodes_json,
)
from search_spaces import SegmentCost

Row = Mapping[str, object]


def insert_profile(connection: Connection, profile: DeviceProfile) -> None:
    """The profile, and its device with this profile as the newest."""
    facts = canonical_json(dict(profile.facts))
    _insert_new(connection, schema.profiles, [{"id": profile.id, "facts": facts}])
    newest = connection.execute(select(func.max(schema.devices.c.last_seen))).scalar() or 0
    mine = (schema.devices.c.device_name == profile.device_name) & (
        schema.devices.c.profile_id == profile.id
    )
    row = {"device_name": profile.device_name, "profile_id": profile.id, "last_seen": newest + 1}
    _insert_new(connection, schema.devices, [row])
    connection.execute(schema.devices.update().where(mine).values(last_seen=newest + 1))


def raise_ceilings(connection: Connection, profile_id: str, ceilings: Ceilings) -> None:
    """The ceilings of a profile; of two measurements the higher one stays, rate by rate.

    They are good once one of the measurements was.

    Raises:
        StoreError: the profile is not there.
    """
    _check_profiles(connection, {profile_id})
    table = schema.ceilings
    _insert_new(connection, table, [{"profile_id": profile_id, **asdict(ceilings)}])
    mine = table.update().where(table.c.profile_id == profile_id)
    for rate in (table.c.flops_per_s, table.c.bytes_per_s):
        found = getattr(ceilings, rate.name)
        connection.execute(mine.where(rate < found).values({rate.name: found}))
    if ceilings.quality == GOOD:
        connection.execute(mine.values(quality=GOOD))


def replace_fit(
    connection: Connection, profile_id: str, precision: str, revision: str, document: str
) -> None:
    """The fit of a profile and precision, in place of an older one."""
    table = schema.fits
    key = {"profile_id": profile_id, "precision": precision}
    values = {"revision": revision, "document": document}
    _insert_new(connection, table, [{**key, **values}])
    same = (table.c.profile_id == profile_id) & (table.c.precision == precision)
    connection.execute(table.update().where(same).values(**values))


def replace_source(connection: Connection, profile_id: str, precision: str, source_id: str) -> None:
    """The profile whose LUT another one starts from, in place of one named before."""
    table = schema.transfers
    key = {"profile_id": profile_id, "precision": precision}
    _insert_new(connection, table, [{**key, "source_id": source_id}])
    same = (table.c.profile_id == profile_id) & (table.c.precision == precision)
    connection.execute(table.update().where(same).values(source_id=source_id))


def insert_networks(
    connection: Connection, networks: Iterable[StoredNetwork], costs: Mapping[str, SegmentCost]
) -> None:
    """Networks that are not there yet, with phases, shares and segments.

    Raises:
        StoreError: their profile is not there.
    """
    networks = tuple(networks)
    _check_profiles(connection, {network.record.profile_id for network in networks})
    ids = _segment_ids(connection, networks, costs)
    for network in networks:
        number = _insert_network(connection, network)
        if number is not None:
            _insert_phases(connection, number, network, ids)


def _check_profiles(connection: Connection, wanted: set[str]) -> None:
    known = set(connection.execute(select(schema.profiles.c.id)).scalars())
    if wanted - known:
        raise StoreError(f"no device profile {min(wanted - known)!r} is in the storage")


def _segment_ids(
    connection: Connection, networks: Sequence[StoredNetwork], costs: Mapping[str, SegmentCost]
) -> dict[str, int]:
    keys = sorted({s.key for network in networks for phase in network.shares for s in phase})
    table = schema.segments
    rows = [_cost_row(key, costs[key]) for key in keys]
    _insert_new(connection, table, rows)
    for row in rows:  # a cost of an older version knows less
        older = (table.c.key == row["key"]) & (table.c.operators == 0)
        connection.execute(table.update().where(older).values(**row))
    found = connection.execute(select(table.c.key, table.c.id).where(table.c.key.in_(keys)))
    return {str(key): int(number) for key, number in found}


def _cost_row(key: str, cost: SegmentCost) -> Row:
    fields = {**asdict(cost), "unknown_ops": json.dumps(cost.unknown_ops)}
    return {"key": key, **fields}


def _insert_network(connection: Connection, network: StoredNetwork) -> int | None:
    """Its new id; None when the same measurement is there already."""
    record, digest = network.record, digest_of(network.record)
    fields = {name: value for name, value in vars(record).items() if name != "phases"}
    statement = _insert_if_new(connection, schema.networks).values(**fields, digest=digest)
    number = connection.execute(statement.returning(schema.networks.c.id)).scalar()
    return None if number is None else int(number)


def _insert_phases(
    connection: Connection, number: int, network: StoredNetwork, ids: Mapping[str, int]
) -> None:
    for position, timing in enumerate(network.record.phases):
        row = _phase_row(number, position, timing)
        result = connection.execute(schema.phases.insert().values(row))
        primary_key = result.inserted_primary_key
        assert primary_key is not None  # one plain row was inserted
        shares = network.shares[position]
        share_rows = [_share_row(primary_key[0], i, s, ids) for i, s in enumerate(shares)]
        connection.execute(schema.shares.insert(), share_rows)


def _phase_row(network_id: int, position: int, timing: PhaseTiming) -> dict[str, object]:
    return {
        **vars(timing),
        "network_id": network_id,
        "position": position,
        "group_ns": json.dumps(timing.group_ns, separators=(",", ":")),
        "nodes": nodes_json(timing.nodes),
    }


def _share_row(
    phase_id: int, position: int, share: PlacedShare, ids: Mapping[str, int]
) -> dict[str, object]:
    return {
        "phase_id": phase_id,
        "position": position,
        "place": share.place,
        "segment_id": ids[share.key],
        "nodes": share.nodes,
        "node_ns": share.node_ns,
        "latency_ns": share.latency_ns,
    }


def _insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts the rows that break no uniqueness and passes over the others."""
    if rows:
        connection.execute(_insert_if_new(connection, table), rows)


def _insert_if_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Two processes may insert the same segment; asking first would leave a gap between them."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
