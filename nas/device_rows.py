"""Devices as rows for a table or for JSON: what the inventory says, and what was last seen."""

from dataclasses import asdict
from datetime import UTC, datetime

from device_agents import Device, Inventory
from latency_lut import DeviceState, StoreError, is_there, open_store

SILENT_S = 60.0  # our choice: a workstation at work writes six times a minute

Row = dict[str, object]


def device_rows(inventory: Inventory, storage: str) -> list[Row]:
    """One row a device; nothing is connected to, and no storage is made.

    Fields of the state are null where the device was never used with this storage; `problem` tells
    where the storage cannot be read.
    """
    states: dict[str, DeviceState] = {}
    problem = None
    try:
        if is_there(storage):
            with open_store(storage) as store:
                states = store.device_states()
    except StoreError as exc:
        problem = str(exc)
    return [{**_row(device, states.get(device.name)), "problem": problem} for device in inventory]


def _row(device: Device, state: DeviceState | None) -> Row:
    known = asdict(state) if state else {}
    row = {
        "name": device.name,
        "host": device.host,
        "port": device.port,
        "user": device.user,
        "threads": device.threads,
        "provider": device.provider,
        "groups": list(device.groups),
    }
    fields = ("state", "last_contact_utc", "doing", "owner", "reason")
    return {**row, **{name: known.get(name) for name in fields}, "silent_s": _silent_s(state)}


def _silent_s(state: DeviceState | None) -> float | None:
    if state is None or state.last_contact_utc is None:
        return None
    ago = datetime.now(UTC) - datetime.fromisoformat(state.last_contact_utc)
    return max(ago.total_seconds(), 0.0)


def shown_row(row: Row) -> Row:
    """The same for people: fewer columns, words for times."""
    user = f"{row['user']}@" if row["user"] else ""
    port = f":{row['port']}" if row["port"] else ""
    groups = row["groups"]
    assert isinstance(groups, list)
    return {
        "name": row["name"],
        "where": f"{user}{row['host']}{port}" if row["host"] else "this machine",
        "threads": row["threads"],
        "groups": ", ".join(groups) or None,
        "state": _state_words(row),
        "last contact": _ago(row["silent_s"]),
        "now": _now_words(row),
    }


def _state_words(row: Row) -> str | None:
    if row["problem"]:
        return "unknown"
    silent_s = row["silent_s"]
    is_silent = isinstance(silent_s, float) and silent_s > SILENT_S
    if row["state"] == "measuring" and is_silent:
        return "measuring, then silent"
    return None if row["state"] is None else str(row["state"])


def _now_words(row: Row) -> object:
    if row["problem"]:
        return row["problem"]
    if row["state"] == "measuring":
        return f"{row['doing'] or 'being made ready'}, for {row['owner']}"
    return row["reason"]


def _ago(seconds: object) -> str | None:
    if not isinstance(seconds, float):
        return None
    for size_s, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
