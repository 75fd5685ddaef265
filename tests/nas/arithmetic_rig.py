"""A device that is pure arithmetic behind a real rig: real store, real ONNX, no noise, no waiting.

A node takes 1 µs and 10 ns for each weight that it reads, whatever the phase.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from device_agents import (
    Device,
    DeviceError,
    Energy,
    Job,
    JobFailed,
    JobResult,
    NodeTime,
    PhaseResult,
)
from latency_lut import CanaryState, DeviceProfile, open_store
from nas.measuring.measurement import Rig
from nas.measuring.presence import Presence
from search_spaces import CostTable, SegmentExporter, Space

CANARY_NS = 50_000
FAILURE = JobFailed("board1: network.onnx: crash: it died", device="board1", kind="crash")

Event = str | tuple[str, ...] | Exception
Nodes = list[NodeTime]


class ArithmeticSession:
    """Stands where a session stands, and notes each job.

    Args:
        event: what becomes of a job with these nodes: a quality, of all phases or of each, or an
            error; by default good.

    `slowness` is that of the whole device; `canary_slowness`, if given, that of its canary.
    `names` are those of all measurements, `unconfirmed` of those that nobody has stored yet.
    `peak_bytes` is what it says of memory; by default nothing. `provider` is the asked one, while
    all nodes run on the CPU's. `energy` is that of each phase. `profiler_slowdown` makes nodes take
    so many times as long while they are profiled.
    """

    def __init__(self, event: Callable[[Nodes], Event] = lambda _: "good") -> None:
        self.event = event
        self.slowness = 1.0
        self.canary_slowness: float | None = None
        self.peak_bytes: int | None = None
        self.provider = "CPUExecutionProvider"
        self.energy: Energy | None = None
        self.profiler_slowdown = 1
        self.jobs: list[Job] = []
        self.graphs: list[onnx.GraphProto] = []
        self.names: list[str | None] = []
        self.unconfirmed: list[str] = []

    def confirm(self) -> None:
        self.unconfirmed = []

    is_remote = False  # so that all comes in one order

    def upload(self, model: Path) -> None:
        pass

    def stop(self) -> None:
        pass

    def come_back(self, exc: DeviceError) -> None:
        pass

    def hurry(self) -> None:
        pass

    def run(
        self, job: Job, model: Path, *, name: str | None = None, insist: bool = True
    ) -> JobResult:
        self.names.append(name)
        self.unconfirmed += [name] if name is not None else []
        graph = onnx.load(model).graph
        self.jobs.append(job)
        self.graphs.append(graph)
        nodes = _nodes(graph)
        event = self.event(nodes)
        if isinstance(event, Exception):
            raise event
        qualities = (event,) * len(job.phases) if isinstance(event, str) else event
        total_ns = round(self.slowness * sum(node.duration_ns for node in nodes))
        timed = self._profiled(nodes) if job.kind == "profile" else []
        canary_ns = round((self.canary_slowness or self.slowness) * CANARY_NS)
        return JobResult(
            phases=tuple(
                replace(
                    _phase(phase.name, total_ns, timed, quality, len(self.jobs)), energy=self.energy
                )
                for phase, quality in zip(job.phases, qualities, strict=True)
            ),
            load_ns=1,
            peak_bytes=self.peak_bytes,  # type: ignore[arg-type]
            peak_kind="resident_over_empty_session",
            provider=self.provider,
            energy_absent=None if self.energy else "no sensor: none was made",
            threads=1,
            cores=(0,),
            canary_before_ns=canary_ns,
            canary_after_ns=canary_ns,
            model_sha256="0" * 64,
            warnings=(),
        )

    def _profiled(self, nodes: Nodes) -> Nodes:
        slower = self.profiler_slowdown
        return [replace(node, duration_ns=slower * node.duration_ns) for node in nodes]


@contextmanager
def arithmetic_rig(
    folder: Path,
    space: Space,
    session: ArithmeticSession | None = None,
    device_name: str = "board1",
) -> Iterator[Rig]:
    """A rig with a store in `folder`; all have one device profile."""
    exporter = SegmentExporter()
    session = session or ArithmeticSession()
    profile = DeviceProfile("profile-1", device_name, {"threads": 1})
    with (
        open_store(f"sqlite:///{folder}/nas.db") as store,
        Presence(store, device_name, lambda: 0.0) as presence,
    ):
        store.add_profile(profile)
        yield Rig(
            device=Device(name=device_name, host=device_name),
            profile=profile,
            session=session,  # type: ignore[arg-type]
            store=store,
            space=space,
            exporter=exporter,
            costs=CostTable(exporter),
            folder=folder,
            canary=CanaryState(CANARY_NS, 0.0),
            presence=presence,
        )


def scripted(*events: Event) -> Callable[[Nodes], Event]:
    """These events one after the other, then all is good."""
    left = iter(events)
    return lambda _: next(left, "good")


def _nodes(graph: onnx.GraphProto) -> Nodes:
    sizes = {t.name: int(np.prod(t.dims)) for t in graph.initializer}
    return [
        NodeTime(
            name=node.name,
            op_type=node.op_type,
            provider="CPUExecutionProvider",
            duration_ns=1000 + 10 * sum(sizes.get(name, 0) for name in node.input),
        )
        for node in graph.node
    ]


def _phase(
    name: str, total_ns: int, nodes: Sequence[NodeTime], quality: str, number: int
) -> PhaseResult:
    return PhaseResult(
        name=name,
        group_ns=(total_ns,) * 10,
        visit_groups=(5, 5),
        runs_per_group=3,
        warmup_runs=1,
        first_run_ns=total_ns,
        latency_ns=total_ns,
        low_ns=total_ns,
        high_ns=total_ns,
        p90_ns=total_ns + number,  # or two equal records would be one
        p99_ns=total_ns,
        min_ns=total_ns,
        mad_ns=0,
        quality=quality,  # type: ignore[arg-type]
        nodes=tuple(nodes),
    )
