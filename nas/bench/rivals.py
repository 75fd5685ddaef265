"""Other ways to predict a latency, measured beside our own."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut import NetworkRecord
from nas.measuring.measurement import Rig
from search_spaces import Architecture, Block

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fitted:
    """(n, phases) predicted ns, NaN where there is no answer, and what it took to learn them."""

    values: Floats
    spent: Mapping[str, object]


def blocks_alone(
    rig: Rig, architectures: Sequence[Architecture], on_block: Callable[[int, int], None]
) -> Fitted:
    """Sums of blocks that were timed alone, each as a network of its own.

    So ProxylessNAS (arXiv 1812.00332) and Once-for-all (arXiv 1908.09791) fill their tables.
    """
    start = time.monotonic()
    networks = [[s.block for s in rig.space.segments(a)] for a in architectures]
    timed: dict[Block, Floats] = {}
    distinct = dict.fromkeys(block for blocks in networks for block in blocks)
    for number, block in enumerate(distinct, start=1):
        on_block(number, len(distinct))
        timed[block] = _alone(rig, block)
    values = np.array([sum(timed[block] for block in blocks) for blocks in networks])
    minutes = (time.monotonic() - start) / 60
    return Fitted(values, {"minutes": minutes, "runs": len(timed)})


def _alone(rig: Rig, block: Block) -> Floats:
    found = rig.time_alone(block)
    return np.full(len(rig.space.phases), np.nan) if found is None else np.array(found, float)


def line_on_macs(
    rig: Rig, carriers: Sequence[NetworkRecord], architectures: Sequence[Architecture]
) -> Fitted:
    """A straight line on multiply-accumulates, fitted to the LUT's own carriers.

    Least squares of the relative error, a + b * MACs.
    """
    known = [rig.space.parse(record.architecture_json) for record in carriers]
    times = np.array([[p.latency_ns * rig.canary_scale(r) for p in r.phases] for r in carriers])
    values = np.full((len(architectures), len(rig.space.phases)), np.nan)
    if len(known) >= 2:
        for i in range(len(rig.space.phases)):
            design = _design(rig, known, i) / times[:, i, None]
            line = np.linalg.lstsq(design, np.ones(len(known)), rcond=None)[0]
            values[:, i] = _design(rig, architectures, i) @ line
    return Fitted(values, {})


def _design(rig: Rig, architectures: Sequence[Architecture], phase: int) -> Floats:
    """(n, 2): ones and MACs."""
    macs = [
        rig.costs.network(rig.space.segments(a), rig.space.phases[phase]).macs
        for a in architectures
    ]
    return np.stack([np.ones(len(macs)), np.array(macs, dtype=np.float64)], axis=1)
