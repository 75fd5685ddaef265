"""A space small enough to count by hand, a device that is pure arithmetic, and their records."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from latency_lut import DeviceProfile, NetworkRecord, NodeTiming, PhaseTiming, Store, open_store
from search_spaces import (
    Architecture,
    Block,
    Choice,
    ImageTask,
    Phase,
    Place,
    Segment,
    SegmentCost,
    Space,
    TensorSpec,
    Value,
)

PROFILE = DeviceProfile("profile-1", "board1", {"threads": 1, "cores": [0, 1]})


@dataclass(frozen=True, kw_only=True)
class Dense(Block):
    """One linear layer on 4 numbers."""

    family: ClassVar[str] = "dense"

    size: int
    bias: bool = False

    def build(self) -> nn.Module:
        return nn.Linear(4, 4, bias=self.bias)

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, 4), torch.float32)}


def tiny_space(phases: Sequence[str] = ("infer",)) -> Space:
    """A stem, one or two middle blocks alike, and a head that is there if asked for."""

    def stem(values: Mapping[str, Value]) -> Block:
        return Dense(size=int(values["size"]))

    def middle(number: int) -> Place:
        def make(values: Mapping[str, Value]) -> Block | None:
            if int(values["depth"]) < number:
                return None
            return Dense(size=10 * int(values["size"]), bias=bool(values[f"bias{number}"]))

        return Place(f"middle{number}", ("size", "depth", f"bias{number}"), make)

    def head(values: Mapping[str, Value]) -> Block | None:
        return Dense(size=100) if values["head"] else None

    return Space(
        name="tiny",
        task=ImageTask(),
        choices=(
            Choice("size", (1, 2)),
            Choice("depth", (1, 2)),
            Choice("bias1", (False, True)),
            Choice("bias2", (False, True), "depth", (2,)),
            Choice("head", (False, True)),
        ),
        places=(
            Place("stem", ("size",), stem),
            middle(1),
            middle(2),
            Place("head", ("head",), head),
        ),
        phases=tuple(Phase(name) for name in phases),
    )


def wide_space(places: int, options: int) -> Space:
    """So many places in a row, each with so many blocks of its own to choose from."""

    def place(number: int) -> Place:
        name = f"choice{number}"

        def make(values: Mapping[str, Value]) -> Block:
            return Dense(size=1 + number * options + int(values[name]))

        return Place(f"place{number}", (name,), make)

    return Space(
        name="wide",
        task=ImageTask(),
        choices=tuple(Choice(f"choice{n}", tuple(range(options))) for n in range(places)),
        places=tuple(place(n) for n in range(places)),
        phases=(Phase("infer"),),
    )


def true_ns(segment: Segment, phase: Phase) -> int:
    """What the arithmetic device takes: 1000 ns a unit of size, 500 for a bias, thrice to learn."""
    block = segment.block
    assert isinstance(block, Dense)
    cost = 1000 * block.size + 500 * block.bias
    return cost if phase.name == "infer" else 3 * cost


def cost_of(segment: Segment, phase: Phase) -> SegmentCost:
    """Round numbers that tell the sums from each other."""
    block = segment.block
    assert isinstance(block, Dense)
    later = phase.name != "infer"
    return SegmentCost(
        params=block.size,
        active_params=block.size,
        macs=7 * block.size,
        weight_bytes=4 * block.size,
        peak_bytes=(30 if later else 10) * block.size,
        state_bytes=3,
        lasting_bytes=1,
    )


def costs_of(
    space: Space, segments: Sequence[Segment], precision: str = "fp32"
) -> dict[str, SegmentCost]:
    return {s.key(p, precision): cost_of(s, p) for s in segments for p in space.phases}


def timing(usual_ns: int, *, nodes: Sequence[NodeTiming] = (), **changes: object) -> PhaseTiming:
    fields: dict[str, object] = {
        "phase": "infer",
        "latency_ns": usual_ns,
        "low_ns": usual_ns - 1,
        "high_ns": usual_ns + 1,
        "p90_ns": usual_ns + 1,
        "runs": 100,
        "quality": "good",
        "group_ns": (usual_ns, usual_ns + 1),
        "nodes": tuple(nodes),
    }
    return PhaseTiming(**{**fields, **changes})  # type: ignore[arg-type]


def record_of(
    space: Space,
    architecture: Architecture,
    *,
    slower: float = 1.0,
    profiled: bool = True,
    quality: str = "good",
    **changes: object,
) -> NetworkRecord:
    """As the arithmetic device measures it, `slower` than usual; profiling doubles all times."""
    segments = space.segments(architecture)
    phases = []
    for phase in space.phases:
        times = [round(slower * true_ns(s, phase)) for s in segments]
        nodes = [
            NodeTiming(f"{s.place}/0_MatMul", "MatMul", 2 * ns)
            for s, ns in zip(segments, times, strict=True)
        ]
        phases.append(
            timing(sum(times), nodes=nodes if profiled else (), phase=phase.key, quality=quality)
        )
    fields: dict[str, object] = {
        "profile_id": PROFILE.id,
        "space": space.name,
        "architecture_json": architecture.to_json(),
        "architecture_id": architecture.id,
        "precision": "fp32",
        "purpose": "carrier",
        "phases": tuple(phases),
        "canary_ns": None,
        "peak_bytes": None,
        "static_bytes": 1000,
        "created_utc": "2026-01-02T03:04:05+00:00",
    }
    return NetworkRecord(**{**fields, **changes})  # type: ignore[arg-type]


def measure(store: Store, space: Space, architecture: Architecture, **changes: object) -> None:
    """Keeps what the arithmetic device says of one network."""
    segments = space.segments(architecture)
    record = record_of(space, architecture, **changes)  # type: ignore[arg-type]
    store.add_network(record, segments, costs_of(space, segments, record.precision))


def all_architectures(space: Space) -> Iterator[Architecture]:
    """Every network of the tiny space, each once."""
    seen = set()
    for size in (1, 2):
        for depth in (1, 2):
            for bits in range(8):
                values: dict[str, Value] = {"size": size, "depth": depth, "head": bool(bits & 1)}
                values |= {"bias1": bool(bits & 2), "bias2": bool(bits & 4)}
                architecture = space.architecture(values)
                if architecture.id not in seen:
                    seen.add(architecture.id)
                    yield architecture


@contextmanager
def store_in(folder: Path) -> Iterator[Store]:
    """A store in a real SQLite file, with the profile of the arithmetic device."""
    with open_store(f"sqlite:///{folder}/nas.db") as store:
        store.add_profile(PROFILE)
        yield store
