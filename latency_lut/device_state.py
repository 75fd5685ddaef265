"""What a device is doing, as the last workstation that used it wrote down."""

from dataclasses import dataclass
from typing import Literal, get_args

from latency_lut.errors import BadRecord

Doing = Literal["free", "measuring", "lost", "put aside"]
_STATES = get_args(Doing)


@dataclass(frozen=True, kw_only=True)
class DeviceState:
    """State of one device; times are UTC, ISO 8601, to the second.

    A workstation that was killed leaves `measuring` behind; then `last_contact_utc` is old.
    """

    device_name: str
    state: Doing
    """`lost`: its workstation tries to reach it again; `put aside`: it does not any more."""
    last_contact_utc: str | None
    """When the device answered last; None where it never did."""
    doing: str | None = None
    """What it measures."""
    owner: str | None = None
    """User, machine and process that use it."""
    reason: str | None = None
    """Why it was lost or put aside."""

    def __post_init__(self) -> None:
        if self.state not in _STATES:
            raise BadRecord(f"device {self.device_name}: state {self.state!r} is none of {_STATES}")
