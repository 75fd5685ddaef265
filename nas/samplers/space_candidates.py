"""The networks of a space on a device, as `ParetoSampler` sees them."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from optuna.distributions import CategoricalDistribution

from latency_lut import Predictor
from nas.samplers.candidates import INACTIVE, Candidates, Codes, Floats, Known
from nas.samplers.proposals import among
from nas.units import MIB, MS
from search_spaces import Architecture, Space


class SpaceCandidates(Candidates):
    """Costs are the latency of the first phase in ms and the memory in MiB, by the LUT.

    Features are the logarithms of what else a network costs: other phases, MACs, parameters and
    weights. Budgets are compared with the high end of the latency's interval; of networks that were
    measured, what the measurement says of the budgets counts.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_latency_ms: float | None = None,
        max_memory_mib: float | None = None,
        measured: Mapping[Architecture, float] | None = None,
    ) -> None:
        """Of the predictor's space and device.

        Args:
            predictor: of the space on the device.
            max_latency_ms: budget.
            max_memory_mib: budget.
            measured: by how much measured networks exceed a budget, as a share; 0 if they do not.
        """
        self._predictor, self._space = predictor, predictor.space
        self._max_latency_ms, self._max_memory_mib = max_latency_ms, max_memory_mib
        found = [(self._space.encode(network), by) for network, by in (measured or {}).items()]
        self._measured = {codes.tobytes(): by for codes, by in found}
        self._measured_codes = np.array([codes for codes, _ in found], dtype=np.int16).reshape(
            len(found), len(self._space.choices)
        )

    @cached_property
    def distributions(self) -> Mapping[str, CategoricalDistribution]:
        """Every choice of the space."""
        return self._space.distributions()

    def canonical(self, codes: Codes) -> Codes:
        """Choices whose parent is without effect, or has another value, are without effect."""
        return canonical_codes(self._space, codes)

    def known(self, codes: Codes) -> Known:
        """By the LUT; NaN where a segment has no entry."""
        found = self._predictor.predict_codes(codes)
        first, *others = found.phases
        memory_mib = found.memory_bytes * MIB
        latencies = [phase.latency_ns for phase in others]
        sizes = [found.macs, found.params, found.weight_bytes]
        over: list[Floats] = [np.zeros(len(codes))]
        if self._max_latency_ms is not None:
            over.append(first.high_ns * MS / self._max_latency_ms - 1)
        if self._max_memory_mib is not None:
            over.append(memory_mib / self._max_memory_mib - 1)
        return Known(
            costs=np.column_stack([first.latency_ns * MS, memory_mib]),
            features=np.nan_to_num(np.log1p(np.column_stack([*latencies, *sizes]))),
            violations=self._as_measured(codes, np.max(over, axis=0)),
        )

    def _as_measured(self, codes: Codes, violations: Floats) -> Floats:
        for number in np.flatnonzero(among(codes, self._measured_codes)):
            violations[number] = self._measured[codes[number].tobytes()]
        return violations


def canonical_codes(space: Space, codes: Codes) -> Codes:
    """(n, C) codes as `Space.encode` gives them, from any values of the choices."""
    numbers = {choice.name: number for number, choice in enumerate(space.choices)}
    found = np.maximum(codes.T, 0, order="C")  # (C, n), as the rows of one choice go together
    for number, choice in enumerate(space.choices):
        if choice.parent is None:
            continue
        parent = numbers[choice.parent]
        asleep = found[parent] == INACTIVE
        for code, value in enumerate(space.choices[parent].values):
            if value not in choice.when:
                asleep |= found[parent] == code
        np.putmask(found[number], asleep, INACTIVE)
    return np.ascontiguousarray(found.T)
