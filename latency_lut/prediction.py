"""What an architecture costs on a device, by its LUT: one with its reasons, or very many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from latency_lut.block_index import block_index
from latency_lut.fit.lut import Lut
from latency_lut.interpolation import interpolate
from latency_lut.memory import SUMMED, MemoryKind, MemoryModel, network_traits
from latency_lut.prediction_table import NetworkSums, prediction_table
from latency_lut.records import GOOD
from search_spaces import (
    Architecture,
    Codes,
    CostTable,
    NetworkCost,
    Segment,
    SegmentCost,
    SegmentExporter,
    Space,
    network_cost,
)

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PhasePrediction:
    """Nanoseconds of one phase; low to high holds 95 % of networks. NaN where keys are missing."""

    name: str
    latency_ns: float
    low_ns: float
    high_ns: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one architecture costs on the device.

    `params`, `macs` and `weight_bytes` are those of the first phase, `memory_bytes` the largest of
    all phases. They do not depend on timings and are there even where segment keys are missing.
    """

    phases: tuple[PhasePrediction, ...]
    """In the order of `Space.phases`."""
    memory_bytes: int
    memory_low_bytes: int | None
    """Low to high holds 95 % of networks; None where no memory was measured, as `high`."""
    memory_high_bytes: int | None
    memory_kind: MemoryKind
    params: int
    active_params: int
    """Without the experts and neurons that a token does not select."""
    macs: int
    weight_bytes: int
    unknown_ops: tuple[str, ...] = ()
    """Operators whose MACs are not known and count as none."""
    missing: tuple[str, ...] = ()
    """Segment keys without an entry."""
    doubtful: tuple[str, ...] = ()
    """Segment keys whose entry comes from flagged measurements, or another device, only."""
    interpolated: tuple[str, ...] = ()
    """Segment keys never measured, but between two that were; the interval is wider by it."""
    unchecked: tuple[str, ...] = ()
    """Names of phases whose intervals rest on an assumption: too few networks of the space were
    measured to check them."""


@dataclass(frozen=True, kw_only=True)
class PhasePredictions:
    """(n,) each: nanoseconds of one phase, NaN where segment keys are missing."""

    name: str
    latency_ns: Floats
    low_ns: Floats
    high_ns: Floats


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What n architectures cost on the device; arrays of shape (n,).

    Where segments lie between two measured ones, bytes, params and macs do so too; where a segment
    is missing they are NaN. `Predictor.predict` works them out for one network, which takes longer.
    """

    phases: tuple[PhasePredictions, ...]
    """In the order of `Space.phases`."""
    memory_bytes: Floats
    memory_low_bytes: Floats
    memory_high_bytes: Floats
    memory_kind: MemoryKind
    params: Floats
    macs: Floats
    weight_bytes: Floats
    missing: Counts
    """Segments, counted in every phase, without an entry."""
    doubtful: Counts
    """Segments, counted in every phase, whose entry comes from flagged measurements only."""
    interpolated: Counts
    """Segments, counted in every phase, that lie between two measured ones."""


class Predictor:
    """Predicts the networks of one space by one LUT.

    A network's latency is the sum of its entries plus the term of its group (`NetworkTerm`). The
    entries' errors h_i are taken as independent and added in quadrature to the relative error e
    that the segments of a network share (`CommonError`): the half width of the interval is
    sqrt(sum h_i^2 + (e * latency)^2).
    """

    def __init__(self, space: Space, lut: Lut, precision: str = "fp32") -> None:
        self.space = space
        self.lut = lut
        self.precision = precision
        self._index = block_index(space, precision)
        self._between = interpolate(self._index, lut.entries, lut.costs)
        self._table = prediction_table(self._index, lut, self._between)
        self._costs = CostTable(SegmentExporter(precision))

    def predict(self, architecture: Architecture) -> Prediction:
        """What one network costs.

        Raises:
            ExportError: a segment that was never measured has no static cost either.
        """
        codes = self.space.encode(architecture)[None]
        sums = self._table.sums(codes)
        by_phase = self._segment_costs(self.space.segments(architecture))
        costs = [network_cost(found) for found in by_phase]
        if sums.missing.any() or sums.interpolated.any():
            traits = np.array([network_traits(found) for found in by_phase])
            sums = _with_costs(sums, costs, traits, self.lut.memory_of(self.space.name))
        many = self._predictions(sums)
        keys = self._keys(codes)
        entries = self.lut.entries
        return Prediction(
            phases=tuple(_first(phase) for phase in many.phases),
            memory_bytes=round(many.memory_bytes[0]),
            memory_low_bytes=_whole(many.memory_low_bytes[0]),
            memory_high_bytes=_whole(many.memory_high_bytes[0]),
            memory_kind=many.memory_kind,
            params=int(many.params[0]),
            active_params=costs[0].active_params,
            macs=int(many.macs[0]),
            weight_bytes=int(many.weight_bytes[0]),
            unknown_ops=costs[0].unknown_ops,
            missing=tuple(k for k in keys if k not in entries and k not in self._between),
            doubtful=tuple(k for k in keys if k in entries and entries[k].quality != GOOD),
            interpolated=tuple(k for k in keys if k in self._between),
            unchecked=self.unchecked,
        )

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Names of phases whose intervals rest on an assumption (`Prediction.unchecked`)."""
        fits = ((p.name, self.lut.group(self.space.name, p.key)) for p in self.space.phases)
        return tuple(name for name, fit in fits if not fit.common_error.networks)

    def predict_codes(self, codes: Codes) -> Predictions:
        """What n networks cost.

        Args:
            codes: (n, choices), what `Space.encode` gives, stacked.

        Raises:
            BadCodes: of another shape or range than this space has.
        """
        return self._predictions(self._table.sums(self._index.checked(codes)))

    def _predictions(self, sums: NetworkSums) -> Predictions:
        fits = [self.lut.group(self.space.name, phase.key) for phase in self.space.phases]
        added = zip(fits, sums.traffic, strict=True)
        added_ns = np.stack([fit.term.added_ns(traffic) for fit, traffic in added])
        common = np.array([[fit.common_error.half_width] for fit in fits])
        latency_ns = sums.latency_ns + added_ns
        half_ns = np.sqrt(sums.variance_ns2 + (common * latency_ns) ** 2)
        low_ns = np.maximum(latency_ns - half_ns, 0.0)
        high_ns = latency_ns + half_ns
        model = self.lut.memory_of(self.space.name)
        memory = model.predict(sums.memory_added, sums.memory_largest)
        return Predictions(
            phases=tuple(
                PhasePredictions(
                    name=phase.name,
                    latency_ns=latency_ns[f],
                    low_ns=low_ns[f],
                    high_ns=high_ns[f],
                )
                for f, phase in enumerate(self.space.phases)
            ),
            memory_bytes=memory.peak_bytes,
            memory_low_bytes=memory.low_bytes,
            memory_high_bytes=memory.high_bytes,
            memory_kind=model.kind,
            params=sums.params,
            macs=sums.macs,
            weight_bytes=sums.weight_bytes,
            missing=sums.missing,
            doubtful=sums.doubtful,
            interpolated=sums.interpolated,
        )

    def _segment_costs(self, segments: Sequence[Segment]) -> list[list[SegmentCost]]:
        """In each phase; looked up where the LUT has them, else calculated."""
        known = self.lut.costs
        return [
            [
                known.get(s.key(phase, self.precision)) or self._costs(s.block, phase)
                for s in segments
            ]
            for phase in self.space.phases
        ]

    def _keys(self, codes: Codes) -> tuple[str, ...]:
        """Segment keys of one network in every phase, each once, in the order of execution."""
        ids = self._index.block_ids(codes)[:, 0]
        return tuple(dict.fromkeys(k for i in ids if i for k in self._index.keys[i - 1]))


def _with_costs(
    sums: NetworkSums, costs: Sequence[NetworkCost], traits: Floats, memory: MemoryModel
) -> NetworkSums:
    """The sums of one network with its static costs by phase, where the table lacks some.

    Args:
        sums: of one network.
        costs: in each phase.
        traits: (F, S + L), of its memory.
        memory: the model that they are for.
    """
    return replace(
        sums,
        memory_added=memory.added(traits[:, : len(SUMMED)])[:, None],
        memory_largest=traits[:, None, len(SUMMED) :],
        params=np.array([float(costs[0].params)]),
        macs=np.array([float(costs[0].macs)]),
        weight_bytes=np.array([float(costs[0].weight_bytes)]),
    )


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else round(value)


def _first(many: PhasePredictions) -> PhasePrediction:
    return PhasePrediction(
        name=many.name,
        latency_ns=float(many.latency_ns[0]),
        low_ns=float(many.low_ns[0]),
        high_ns=float(many.high_ns[0]),
    )
