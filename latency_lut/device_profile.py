"""What makes two latencies comparable; the LUT keeps one table for each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class DeviceProfile:
    """Board, clocks, runtime and all else under which timings were taken.

    `id` is equal for devices whose latencies can be compared, so several devices may share one
    profile. `facts` are values that JSON knows.
    """

    id: str
    device_name: str
    facts: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))
