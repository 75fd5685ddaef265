"""Two devices whose segments take known times, and the networks that each of them measured.

Letters: K segment keys.
"""

from collections.abc import Sequence

import numpy as np

from latency_lut import CanaryState, DeviceProfile
from latency_lut.fit.timed_table import Floats, group_of, timed_table
from latency_lut.transfer.measured import Measured
from search_spaces import SegmentCost

GROUP = group_of("space", "infer")
KEYS = tuple(
    f"{family}(kernel={kernel},width={width})@infer/fp32"
    for family in ("mixer", "filter")
    for kernel in (3, 5, 7)
    for width in range(16, 160, 8)
)
PLACES = 10  # segments of a network


def costs(keys: Sequence[str] = KEYS) -> dict[str, SegmentCost]:
    """Wide segments compute more a byte than narrow ones."""
    return {key: _cost(1 + number % 18) for number, key in enumerate(keys)}


def _cost(width: int) -> SegmentCost:
    return SegmentCost(
        params=width**2,
        active_params=width**2,
        macs=1000 * width**2,
        weight_bytes=4 * width**2,
        peak_bytes=4000 * width,
        state_bytes=0,
        lasting_bytes=0,
    )


def old_times() -> Floats:
    """(K,) nanoseconds on the old device."""
    return np.random.default_rng(1).uniform(20_000, 200_000, len(KEYS))


def new_times(*, scatter: float = 0.0) -> Floats:
    """(K,) on the new one: thrice as slow, mixers twice that, 7x7 kernels by a half more."""
    mixer = np.array(["mixer" in key for key in KEYS])
    large = np.array(["kernel=7" in key for key in KEYS])
    own = np.random.default_rng(2).normal(0.0, scatter, len(KEYS))
    return old_times() * 3.0 * np.where(mixer, 2.0, 1.0) * np.where(large, 1.5, 1.0) * np.exp(own)


def unrelated_times() -> Floats:
    """(K,) on a device whose costs have nothing to do with those of the old one."""
    return np.exp(np.random.default_rng(3).normal(11.0, 1.5, len(KEYS)))


def measured(
    times: Floats,
    networks: int,
    *,
    seed: int = 0,
    noise: float = 0.0,
    keys: Sequence[str] = KEYS,
    repeated: int = 0,
    quality: str = "good",
) -> Measured:
    """Random networks of these keys, the first few of them measured again.

    Args:
        times: (K,) of `KEYS`.
        networks: how many.
        seed: which.
        noise: relative, of a whole measurement.
        keys: of which the networks are made.
        repeated: how many are measured twice.
        quality: of all.
    """
    rng = np.random.default_rng(seed)
    number = {key: n for n, key in enumerate(KEYS)}
    chosen = [rng.choice(np.array(keys), PLACES, replace=False) for _ in range(networks)]
    names = [*range(networks), *range(repeated)]
    rows, segments = [], []
    for index, name in enumerate(names):
        slower = float(np.exp(rng.normal(0.0, noise)))
        took = [float(times[number[key]]) * slower for key in chosen[name]]
        rows.append((f"{seed}-{name}", quality, sum(took)))
        segments += [(index, str(key), ns, 2) for key, ns in zip(chosen[name], took, strict=True)]
    used = {key for _, key, _, _ in segments}
    return Measured(
        profile=DeviceProfile("new", "board2"),
        precision="fp32",
        tables={GROUP: timed_table(rows, segments)} if rows else {},
        costs={key: cost for key, cost in costs().items() if key in used},
        canary=CanaryState(1000.0, 0.0),
        memory={},
    )
