"""What a device is, as far as it makes two latencies comparable or not."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from device_agents.answers import MAX_BYTES, Answer

_RAM_STEP_BYTES = 2**28  # firmware and kernel set a little aside, not the same at every start
# The agent's Python does not run the model; a governor is the same whoever has set it.
_NOT_COMPARED = ("python", "governor_set")
_ADDED_LATER = ("power_mode",)  # absent, they leave the profiles of before as they were


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Facts that the device told about itself; what it could not find out is None.

    `cores` are those that jobs are pinned to, empty where pinning is impossible. The clock range
    is what the governor may use, so a clock fixed by the user shows as one value. The governor is
    the one in force while a job runs; `governor_set` tells that the agent sets it for that time.
    `power_mode` is a Jetson's, such as "0: 15W". `provider` is the one that really opened a
    session. `spinning`: idle threads of the runtime spin. `method` is the number of the agent's
    way of measuring.
    """

    board: str | None
    cpu_model: str | None
    num_cores: int
    l1d_bytes: int | None
    l2_bytes: int | None
    l3_bytes: int | None
    arch: str | None
    ram_bytes: int
    os: str | None
    kernel: str | None
    python: str
    runtime: str
    runtime_version: str
    provider: str
    threads: int
    cores: tuple[int, ...]
    governor: str | None
    clock_min_hz: int | None
    clock_max_hz: int | None
    spinning: bool
    method: int
    power_mode: str | None = None
    governor_set: bool = False

    @property
    def profile_id(self) -> str:
        """Twelve hexadecimal digits; equal for two devices whose latencies can be compared.

        Any fact counts but Python's version, and of the memory's size only 256 MiB steps.
        """
        steps = round(self.ram_bytes / _RAM_STEP_BYTES)
        facts = asdict(replace(self, ram_bytes=steps * _RAM_STEP_BYTES))
        unknown = {name for name in _ADDED_LATER if facts[name] is None}
        for name in {*_NOT_COMPARED, *unknown}:
            del facts[name]
        canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def as_json(self) -> dict[str, object]:
        """All facts and the profile id, ready for `json.dumps`."""
        return {**asdict(self), "cores": list(self.cores), "profile_id": self.profile_id}


def read_identity(value: object, *, device: str) -> Identity:
    """The identity in an agent's answer.

    Raises:
        ProtocolError: a fact is absent or absurd.
    """
    answer = Answer(value, device=device, place="the identity")
    caches, clock = answer.child("cache_bytes"), answer.child("clock_hz")
    return Identity(
        board=answer.optional_text("board"),
        cpu_model=answer.optional_text("cpu_model"),
        num_cores=answer.integer("num_cores", low=1, high=4096),
        l1d_bytes=caches.optional_integer("l1d", low=1, high=MAX_BYTES),
        l2_bytes=caches.optional_integer("l2", low=1, high=MAX_BYTES),
        l3_bytes=caches.optional_integer("l3", low=1, high=MAX_BYTES),
        arch=answer.optional_text("arch"),
        ram_bytes=answer.integer("ram_bytes", low=2**20, high=MAX_BYTES),
        os=answer.optional_text("os"),
        kernel=answer.optional_text("kernel"),
        python=answer.text("python"),
        runtime=answer.text("runtime"),
        runtime_version=answer.text("runtime_version"),
        provider=answer.text("provider"),
        threads=answer.integer("threads", low=1, high=4096),
        cores=answer.integers("cores", low=0, high=4095, at_least=0, at_most=4096),
        governor=answer.optional_text("governor"),
        clock_min_hz=clock.optional_integer("min", low=1, high=10**11),
        clock_max_hz=clock.optional_integer("max", low=1, high=10**11),
        spinning=answer.boolean("spinning"),
        method=answer.integer("method", low=1, high=10**6),
        power_mode=answer.optional_text("power_mode"),
        governor_set=answer.boolean("governor_set"),
    )
