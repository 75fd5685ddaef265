"""Where LUT and devices meet: networks go to a device, what it measured goes to the store."""

import contextlib
import hashlib
import json
import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from device_agents import (
    WAIT_S,
    Device,
    Feed,
    Job,
    JobFailed,
    JobKind,
    JobResult,
    PhaseResult,
    SteadySession,
    open_steady_session,
)
from device_agents import Phase as JobPhase
from latency_lut import (
    ALONE,
    CanaryState,
    DeviceProfile,
    NetworkRecord,
    NodeTiming,
    PhaseTiming,
    Predictor,
    Purpose,
    Store,
)
from nas.measuring.canary import write_canary
from nas.measuring.observed import observed_json
from search_spaces import (
    FP32,
    Architecture,
    Block,
    CostTable,
    NetworkCost,
    Phase,
    Segment,
    SegmentExporter,
    Space,
    export_network,
    graph_inputs,
    segment_key,
    set_equal_weights_apart,
)

logger = logging.getLogger(__name__)

_DTYPES = {torch.float32: "float32", torch.int64: "int64"}
PRECISION = FP32
# Our choice: a campaign runs hundreds and a segment is seen in several, a verdict is one network's.
_SECONDS_PER_PHASE = {ALONE: 0.5, "carrier": 2.0, "measure": 3.0, "verify": 3.0}
# Our choice: fewer groups would be the luck of one; the agent's fastest agree as well as that.
_FEWEST_FASTEST, _ALIKE = 3, 0.02


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A device ready to measure the networks of a space, and the store that keeps the results."""

    device: Device
    profile: DeviceProfile
    session: SteadySession
    store: Store
    space: Space
    exporter: SegmentExporter
    costs: CostTable
    folder: Path
    """For model files on their way to the device."""
    canary: CanaryState
    """As it was when the rig was opened, so that all records of a run are scaled alike."""
    precision: str = FP32
    """Number format of the networks that it measures; part of every segment key."""

    def cost(self, architecture: Architecture) -> NetworkCost:
        """What a network costs in the first phase, without running it."""
        return self.costs.network(self.space.segments(architecture), self.space.phases[0])

    def static_bytes(self, architecture: Architecture) -> int:
        """The memory that a network needs in the phase that needs most, by calculation."""
        return self._static_bytes(self.space.segments(architecture))

    def _static_bytes(self, segments: Sequence[Segment]) -> int:
        return max(self.costs.network(segments, p).memory_bytes for p in self.space.phases)

    def predictor(self) -> Predictor:
        """By the LUT as it is now; the same whatever is measured later."""
        return Predictor(
            self.space, self.store.lut(self.profile.id, self.precision), self.precision
        )

    def canary_scale(self, record: NetworkRecord) -> float:
        """Factor that brings a record's timings to the common state of its device profile.

        The canary's usual time over its time around this record; 1 without a canary.
        """
        return self.canary.scale(record.canary_ns)

    def measure(
        self,
        architecture: Architecture,
        *,
        purpose: Purpose,
        nodes: bool = True,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> NetworkRecord:
        """Times a whole network on the device and keeps the result before it returns.

        Args:
            architecture: of this rig's space.
            purpose: `carrier`, `measure` or `verify`; all of them teach the LUT when `nodes`.
            nodes: also take the time of each node, for the LUT.
            modules: trained modules by place; random weights where not given.

        Raises:
            DeviceError: the device failed (`JobFailed`: only at this network).
            ExportError: the network cannot be turned into ONNX.
        """
        segments, name = self.space.segments(architecture), _Name.of(architecture)
        return self._keep(segments, name, purpose, nodes=nodes, modules=modules)

    def measure_alone(self, block: Block) -> NetworkRecord:
        """Times a block as a network of its own, in each phase, and keeps it for the LUT.

        Raises:
            DeviceError: the device failed (`JobFailed`: only at this block).
            ExportError: the block cannot be turned into ONNX.
        """
        name = _Name(alone_id(block), json.dumps({"block": block.key}))
        return self._keep((Segment(ALONE, block),), name, ALONE, nodes=False)

    def _keep(
        self,
        segments: tuple[Segment, ...],
        name: "_Name",
        purpose: Purpose,
        *,
        nodes: bool,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> NetworkRecord:
        start = time.monotonic()
        before = self.store.count(self.profile.id, name.id, self.precision, purpose)
        with self._model_file(segments, modules) as model:
            result = self.session.run(
                self._job(segments, purpose, nodes), model, name=f"{purpose} {name.id} {before}"
            )
        for warning in result.warnings:
            logger.warning("%s: %s: %s", self.device.name, name.id, warning)
        record = self._record(segments, name, purpose, result, time.monotonic() - start)
        costs = {
            segment_key(s.block, phase, self.precision): self.costs(s.block, phase)
            for s in segments
            for phase in self.space.phases
        }
        self.store.add_network(record, segments, costs)
        self.session.confirm()
        return record

    def time_alone(self, block: Block) -> tuple[int, ...] | None:
        """Nanoseconds of a block as a network of its own, in each phase; nothing is kept.

        This is what a LUT of blocks timed alone holds: caches are hot, layouts change at the ends.
        None where the device does not run the block by itself.

        Raises:
            DeviceUnusable: the device failed altogether.
            ExportError: the block cannot be turned into ONNX.
        """
        segments = (Segment(ALONE, block),)
        with self._model_file(segments, None) as model:
            try:
                result = self.session.run(self._job(segments, ALONE, nodes=False), model)
            except JobFailed:
                return None
        scale = self.canary.scale(_canary_ns(result))
        return tuple(round(undisturbed_ns(p.group_ns) * scale) for p in result.phases)

    @contextlib.contextmanager
    def _model_file(
        self, segments: tuple[Segment, ...], modules: Mapping[str, nn.Module] | None
    ) -> Iterator[Path]:
        network = export_network(segments, self.exporter, modules)
        if modules is None:  # of random weights, those of equal blocks are equal
            set_equal_weights_apart(network)
        path = self.folder / "network.onnx"
        path.write_bytes(network.SerializeToString())
        yield path
        path.unlink()

    def _job(self, segments: tuple[Segment, ...], purpose: Purpose, nodes: bool) -> Job:
        phases = tuple(_job_phase(segments, phase) for phase in self.space.phases)
        kind: JobKind = "profile" if nodes else "time"
        return Job(kind=kind, phases=phases, max_seconds_per_phase=_SECONDS_PER_PHASE[purpose])

    def _record(
        self,
        segments: Sequence[Segment],
        name: "_Name",
        purpose: Purpose,
        result: JobResult,
        elapsed_s: float,
    ) -> NetworkRecord:
        return NetworkRecord(
            profile_id=self.profile.id,
            space=self.space.name,
            architecture_id=name.id,
            architecture_json=name.json,
            precision=self.precision,
            purpose=purpose,
            phases=tuple(
                _timing(phase, measured)
                for phase, measured in zip(self.space.phases, result.phases, strict=True)
            ),
            canary_ns=_canary_ns(result),
            peak_bytes=result.peak_bytes,
            static_bytes=self._static_bytes(segments),
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            observed_json=observed_json(result, elapsed_s),
        )


@dataclass(frozen=True)
class _Name:
    """What a record says of the network that it is of."""

    id: str
    json: str

    @classmethod
    def of(cls, architecture: Architecture) -> "_Name":
        return cls(architecture.id, architecture.to_json())


def alone_id(block: Block) -> str:
    """Under which records keep a block that ran as a network of its own."""
    return f"block-{hashlib.sha256(block.key.encode()).hexdigest()[:12]}"


@contextlib.contextmanager
def open_rig(
    device: Device,
    space: Space,
    store: Store,
    precision: str = FP32,
    *,
    wait_s: float = WAIT_S,
) -> Iterator[Rig]:
    """Connects to the device, makes it ready and records its profile.

    Args:
        device: to measure on.
        space: whose networks are measured.
        store: keeps what is measured.
        precision: in which the networks run; one of the space's.
        wait_s: for another host that measures on the device.

    Raises:
        SpaceError: no such precision.
        DeviceUnusable: it cannot be reached or made ready; the text says why and what to do.
    """
    with tempfile.TemporaryDirectory(prefix="edge-nas-") as name:
        folder = Path(name)
        with open_steady_session(device, canary=write_canary(folder), wait_s=wait_s) as session:
            profile = DeviceProfile(
                id=session.identity.profile_id,
                device_name=device.name,
                facts=session.identity.as_json(),
            )
            store.add_profile(profile)
            exporter = SegmentExporter(precision)
            yield Rig(
                device=device,
                profile=profile,
                session=session,
                store=store,
                space=space,
                exporter=exporter,
                costs=CostTable(exporter),
                folder=folder,
                canary=store.canary(profile.id),
                precision=precision,
            )


def _job_phase(segments: tuple[Segment, ...], phase: Phase) -> JobPhase:
    feeds = []
    for name, spec in graph_inputs(segments).items():
        constant = phase.constants.get(name)
        low, high = (spec.low, spec.high) if constant is None else (constant, constant)
        feeds.append(
            Feed(
                name=name,
                dtype=_DTYPES[spec.dtype],
                shape=spec.sizes(phase),
                low=float(low),
                high=float(high),
            )
        )
    return JobPhase(name=phase.name, feeds=tuple(feeds))


def _timing(phase: Phase, measured: PhaseResult) -> PhaseTiming:
    """Latency as the undisturbed time; the interval reaches up to where the median may lie."""
    return PhaseTiming(
        phase=phase.key,
        latency_ns=undisturbed_ns(measured.group_ns),
        low_ns=measured.min_ns,
        high_ns=measured.high_ns,
        p90_ns=measured.p90_ns,
        runs=measured.runs,
        quality=measured.quality,
        group_ns=measured.group_ns,
        nodes=tuple(NodeTiming(n.name, n.op_type, n.duration_ns) for n in measured.nodes),
    )


def undisturbed_ns(group_ns: Sequence[int]) -> int:
    """Mean of the groups that are no more than 2 % slower than the third fastest.

    That is a run when nothing else runs: on a quiet board the mean of nearly all groups, close to
    their median. On a shared machine other work adds to most groups, the median follows that
    work, and the fastest groups do not.
    """
    ordered = sorted(group_ns)
    third = ordered[min(_FEWEST_FASTEST, len(ordered)) - 1]
    fastest = [ns for ns in ordered if ns <= (1 + _ALIKE) * third]
    return round(sum(fastest) / len(fastest))


def _canary_ns(result: JobResult) -> int | None:
    """The fastest of the canary's times, as the latency is that of the fastest groups."""
    ends = (result.canary_before_ns, result.canary_after_ns)
    timings = [*result.canary_between_ns, *(ns for ns in ends if ns is not None)]
    return min(timings, default=None)
