"""How far a LUT's answers are from the device's, beside other ways to predict.

Predictions for unseen networks (`Unseen`) are compared with the mean of two measurements. What the
second measurement is off the first is the repeat error: nothing that is learnt from measurements is
much better. As one measurement is less sure than the mean of two, the LUT is compared with the
first alone as well: that row and the repeat error are of like with like.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut import NetworkRecord, Prediction, Predictor
from nas.bench.rivals import Fitted, line_on_macs
from nas.bench.scores import score
from nas.bench.unseen import Unseen
from nas.measuring.measurement import Rig
from nas.units import MIB, MS

Floats = npt.NDArray[np.float64]
Spent = Mapping[str, object]


@dataclass(frozen=True)
class LutBench:
    """One row a quantity and way to predict it, and what stands behind them, network by network."""

    rows: tuple[dict[str, object], ...]
    networks: tuple[dict[str, object], ...]


def compare(rig: Rig, predictor: Predictor, unseen: Unseen) -> LutBench:
    """This LUT, blocks timed alone, a line on MACs and the repeat error, on the same networks.

    Args:
        rig: on which all was measured.
        predictor: by the LUT as it was before the networks were measured, as whatever is measured
            teaches what memory a network takes.
        unseen: the networks, measured.
    """
    predicted = tuple(predictor.predict(architecture) for architecture in unseen.architectures)
    carriers = rig.store.carrier_records(rig.space, rig.profile.id, rig.precision)
    spent = {"minutes": _device_minutes(carriers), "runs": len(carriers)}
    line = Fitted(line_on_macs(rig, carriers, unseen.architectures).values, spent)
    rows = [
        row
        for i, phase in enumerate(rig.space.phases)
        for row in _latency_rows(phase.name, i, predicted, unseen, (spent, line))
    ]
    networks = (_network_row(n, prediction, unseen) for n, prediction in enumerate(predicted))
    return LutBench((*rows, *_memory_rows(predicted, unseen)), tuple(networks))


def _device_minutes(records: Sequence[NetworkRecord]) -> float:
    seconds = [json.loads(r.observed_json)["elapsed_s"] for r in records if r.observed_json]
    return float(sum(seconds)) / 60


def _latency_rows(
    name: str,
    i: int,
    predicted: Sequence[Prediction],
    unseen: Unseen,
    ways: tuple[Spent, Fitted],
) -> list[dict[str, object]]:
    """Of phase number i: ours twice, blocks alone, the line, and the second measurement."""
    (spent, line), alone = ways, unseen.alone
    truth = _mean(unseen.first_ns, unseen.second_ns)[:, i]
    phases = [prediction.phases[i] for prediction in predicted]
    ours = np.array([phase.latency_ns for phase in phases])
    low = np.array([phase.low_ns for phase in phases])
    high = np.array([phase.high_ns for phase in phases])
    first = unseen.first_ns[:, i]
    inside, inside_once = (_share_inside(low, times, high) for times in (truth, first))
    return [
        _row(name, "this LUT", score(ours, truth), inside, spent),
        _row(name, "this LUT, one measurement", score(ours, first), inside_once, spent),
        _row(name, "blocks timed alone", score(alone.values[:, i], truth), None, alone.spent),
        _row(name, "line on MACs", score(line.values[:, i], truth), None, line.spent),
        _row(name, "measured again", score(unseen.second_ns[:, i], first), None, {}),
    ]


def _memory_rows(predicted: Sequence[Prediction], unseen: Unseen) -> list[dict[str, object]]:
    truth = _mean(unseen.first_bytes, unseen.second_bytes)
    guess, low, high = (
        np.array([np.nan if value is None else float(value) for value in values])
        for values in zip(
            *((p.memory_bytes, p.memory_low_bytes, p.memory_high_bytes) for p in predicted),
            strict=True,
        )
    )
    again = score(unseen.second_bytes, unseen.first_bytes)
    return [
        _row("memory", "this LUT", score(guess, truth), _share_inside(low, truth, high), {}),
        _row("memory", "measured again", again, None, {}),
    ]


def _mean(first: Floats, second: Floats) -> Floats:
    """Of ratios none is preferred: the geometric mean."""
    mean: Floats = np.sqrt(first * second)
    return mean


def _share_inside(low: Floats, truth: Floats, high: Floats) -> float | None:
    """Of networks that were measured and have an interval; None where there are none."""
    known = ~(np.isnan(low) | np.isnan(truth))
    inside = (low[known] <= truth[known]) & (truth[known] <= high[known])
    return float(inside.mean()) if known.any() else None


def _row(
    quantity: str, way: str, scores: Spent, inside: float | None, spent: Spent
) -> dict[str, object]:
    costs = {name: spent.get(name) for name in ("minutes", "runs")}
    return {"quantity": quantity, "by": way, **scores, "in interval": inside, **costs}


def _network_row(n: int, prediction: Prediction, unseen: Unseen) -> dict[str, object]:
    architecture = unseen.architectures[n]
    row: dict[str, object] = {"id": architecture.id}
    for i, found in enumerate(prediction.phases):
        row[found.name] = {
            "predicted_ms": found.latency_ns * MS,
            "low_ms": found.low_ns * MS,
            "high_ms": found.high_ns * MS,
            "measured_ms": float(unseen.first_ns[n, i]) * MS,
            "again_ms": float(unseen.second_ns[n, i]) * MS,
            "alone_ms": float(unseen.alone.values[n, i]) * MS,
        }
    row["memory"] = {
        "predicted_mib": prediction.memory_bytes * MIB,
        "measured_mib": float(unseen.first_bytes[n]) * MIB,
        "again_mib": float(unseen.second_bytes[n]) * MIB,
    }
    return {**row, "architecture": json.loads(architecture.to_json())}
