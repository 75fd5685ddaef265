"""Rows of what devices are doing; each function works inside the caller's transaction."""

from dataclasses import asdict

from sqlalchemy import Connection, select

from latency_lut.device_state import DeviceState
from latency_lut.storage import schema


def replace_device_state(connection: Connection, state: DeviceState) -> None:
    """The state of a device, in place of an older one."""
    table = schema.device_states
    connection.execute(table.delete().where(table.c.device_name == state.device_name))
    connection.execute(table.insert().values(**asdict(state)))


def select_device_states(connection: Connection) -> dict[str, DeviceState]:
    """By device name."""
    rows = connection.execute(select(schema.device_states)).mappings()
    return {row["device_name"]: DeviceState(**row) for row in rows}
