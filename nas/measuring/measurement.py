"""Where LUT and devices meet: networks go to a device, what it measured goes to the store."""

import contextlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from torch import nn

from device_agents import (
    WAIT_S,
    Device,
    DeviceError,
    Job,
    JobFailed,
    JobResult,
    SteadySession,
    open_steady_session,
)
from latency_lut import (
    ALONE,
    BadRecord,
    CanaryState,
    DeviceProfile,
    NetworkRecord,
    Predictor,
    Purpose,
    Store,
)
from nas.measuring.canary import write_canary
from nas.measuring.jobs import job_of
from nas.measuring.names import Name, alone_id
from nas.measuring.observed import observed_json, warnings_of
from nas.measuring.presence import Presence, note_unreached
from nas.measuring.timing import canary_ns, phase_timing, undisturbed_ns
from search_spaces import (
    FP32,
    Architecture,
    Block,
    CostTable,
    NetworkCost,
    Segment,
    SegmentCost,
    SegmentExporter,
    Space,
    export_network,
    segment_key,
    set_equal_weights_apart,
)

logger = logging.getLogger(__name__)

# Our choice: a campaign runs hundreds and a segment is seen in several, a verdict is one network's.
_SECONDS_PER_PHASE = {ALONE: 0.5, "carrier": 2.0, "measure": 3.0, "verify": 3.0}
_WITH_ENERGY = ("measure", "verify")  # no LUT holds it, and a sample takes as long as the timings


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
    presence: Presence
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

    def in_precision(self, precision: str) -> "Rig":
        """The same device, ready for networks of another number format."""
        exporter = SegmentExporter(precision)
        return replace(
            self,
            precision=precision,
            exporter=exporter,
            costs=CostTable(exporter),
            canary=self.store.canary(self.profile.id),
        )

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
        prepared = self.prepare(architecture, purpose=purpose, nodes=nodes, modules=modules)
        return self.finish(prepared)

    def prepare(
        self,
        architecture: Architecture,
        *,
        purpose: Purpose,
        nodes: bool = True,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> "Prepared":
        """The part of `measure` that needs no device.

        Raises:
            ExportError: the network cannot be turned into ONNX.
        """
        name = Name(architecture.id, architecture.to_json())
        segments = self.space.segments(architecture)
        return self._prepare(segments, name, purpose, nodes=nodes, modules=modules)

    def prepare_alone(self, block: Block) -> "Prepared":
        """As `prepare`, of a block as a network of its own, in each phase.

        Raises:
            ExportError: the block cannot be turned into ONNX.
        """
        name = Name(alone_id(block), json.dumps({"block": block.key}))
        return self._prepare((Segment(ALONE, block),), name, ALONE, nodes=False)

    def finish(self, prepared: "Prepared", *, insist: bool = True) -> NetworkRecord:
        """The part of `measure` that needs the device; the result is kept before it returns.

        Args:
            prepared: by `prepare`; its model file is deleted, whatever happens.
            insist: as in `SteadySession.run`.

        Raises:
            DeviceError: the device failed (`JobFailed`: only at this network).
            BadRecord: what it reports cannot be, or is not this network.
        """
        start = time.monotonic()
        name, purpose = prepared.name, prepared.purpose
        self.presence.measures(f"{purpose} {name.id}")
        before = self.store.count(self.profile.id, name.id, self.precision, purpose)
        number = f"{purpose} {name.id} {before}"
        try:
            result = self.session.run(prepared.job, prepared.model, name=number, insist=insist)
        finally:
            prepared.model.unlink()
        for warning in warnings_of(result):
            logger.warning("%s: %s: %s", self.device.name, name.id, warning)
        try:
            record = self._record(prepared, result, time.monotonic() - start)
            self.store.add_network(record, prepared.segments, prepared.costs)
        except BadRecord:
            self.session.confirm()  # nobody wants it
            raise
        self.session.confirm()
        return record

    def _prepare(
        self,
        segments: tuple[Segment, ...],
        name: Name,
        purpose: Purpose,
        *,
        nodes: bool,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> "Prepared":
        costs = {
            segment_key(s.block, phase, self.precision): self.costs(s.block, phase)
            for s in segments
            for phase in self.space.phases
        }
        return Prepared(
            segments=segments,
            name=name,
            purpose=purpose,
            model=self._model_file(segments, name, modules),
            job=job_of(
                segments,
                self.space.phases,
                nodes=nodes,
                max_seconds_per_phase=_SECONDS_PER_PHASE[purpose],
                energy=purpose in _WITH_ENERGY,
            ),
            static_bytes=self._static_bytes(segments),
            costs=costs,
        )

    def time_alone(self, block: Block) -> tuple[int, ...] | None:
        """Nanoseconds of a block as a network of its own, in each phase; nothing is kept.

        This is what a LUT of blocks timed alone holds: caches are hot, layouts change at the ends.
        None where the device does not run the block by itself.

        Raises:
            DeviceUnusable: the device failed altogether.
            ExportError: the block cannot be turned into ONNX.
        """
        prepared = self.prepare_alone(block)
        try:
            result = self.session.run(prepared.job, prepared.model)
        except JobFailed:
            return None
        finally:
            prepared.model.unlink()
        scale = self.canary.scale(canary_ns(result))
        return tuple(round(undisturbed_ns(p.group_ns) * scale) for p in result.phases)

    def _model_file(
        self,
        segments: tuple[Segment, ...],
        name: Name,
        modules: Mapping[str, nn.Module] | None,
    ) -> Path:
        network = export_network(segments, self.exporter, modules)
        if modules is None:  # of random weights, those of equal blocks are equal
            set_equal_weights_apart(network)
        handle, path = tempfile.mkstemp(prefix=name.id, suffix=".onnx", dir=self.folder)
        with os.fdopen(handle, "wb") as file:
            file.write(network.SerializeToString())
        return Path(path)

    def _record(self, prepared: "Prepared", result: JobResult, elapsed_s: float) -> NetworkRecord:
        return NetworkRecord(
            profile_id=self.profile.id,
            space=self.space.name,
            architecture_id=prepared.name.id,
            architecture_json=prepared.name.json,
            precision=self.precision,
            purpose=prepared.purpose,
            phases=tuple(
                phase_timing(phase, measured)
                for phase, measured in zip(self.space.phases, result.phases, strict=True)
            ),
            canary_ns=canary_ns(result),
            peak_bytes=result.peak_bytes,
            static_bytes=prepared.static_bytes,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            observed_json=observed_json(result, elapsed_s, device_name=self.device.name),
        )


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A network, or a block alone, as a file ready to be sent."""

    segments: tuple[Segment, ...]
    name: Name
    purpose: Purpose
    model: Path
    job: Job
    static_bytes: int
    costs: Mapping[str, SegmentCost]


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
        with contextlib.ExitStack() as stack:
            opening = open_steady_session(device, canary=write_canary(folder), wait_s=wait_s)
            try:
                session = stack.enter_context(opening)
            except DeviceError as exc:
                note_unreached(store, device.name, exc)
                raise
            presence = Presence(store, device.name, lambda: session.silent_s)
            stack.enter_context(presence)
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
                presence=presence,
                precision=precision,
            )
