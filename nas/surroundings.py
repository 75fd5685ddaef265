"""Where a command finds things, and how it shows its progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from device_agents import WAIT_S, Device, Inventory

Bar = Callable[[str], AbstractContextManager[Callable[[float, float | None, str], None]]]
"""Opens a progress bar of a name; it is told share done, seconds left (None: unknown), words."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all commands of a call have in common."""

    storage: str
    devices: Path
    bar: Bar
    wait_s: float = WAIT_S
    """For other hosts that measure on a device."""

    def device(self, name: str) -> Device:
        """The device of that name; raises UnknownDevice with the nearest name."""
        return Inventory.load(self.devices).get(name)
