"""How far a LUT's answers are from the device's, beside other ways to predict.

Random networks that never taught the LUT are measured whole, all of them once, and later all of
them again in another order. Predictions are compared with the mean of the two. What the second
measurement is off the first is the repeat error: nothing that is learnt from measurements is much
better. Nothing is measured again for being flagged: that error is of single tries.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut import NetworkRecord, Prediction, Predictor
from nas.bench.rivals import Fitted, blocks_alone, line_on_macs
from nas.bench.scores import score
from nas.errors import BadInput
from nas.measurement import Rig
from nas.units import MIB, MS
from search_spaces import Architecture

_DRAWS = 50  # our choice, for each network wanted: a tiny space has few that were never measured

Floats = npt.NDArray[np.float64]
Spent = Mapping[str, object]
OnStep = Callable[[float, str], None]
"""Share done in [0, 1], and what is going on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rounds:
    """The same networks measured at two times; (n, phases) in ns, canary taken into account."""

    architectures: tuple[Architecture, ...]
    first_ns: Floats
    second_ns: Floats
    first_bytes: Floats
    """(n,) peak memory; NaN where it was not measured."""
    second_bytes: Floats


@dataclass(frozen=True)
class LutBench:
    """One row a quantity and way to predict it, and what stands behind them, network by network."""

    rows: tuple[dict[str, object], ...]
    networks: tuple[dict[str, object], ...]


def compare(rig: Rig, networks: int, seed: int, *, on_step: OnStep = lambda *_: None) -> LutBench:
    """This LUT, blocks timed alone, a line on MACs and the repeat error, in one run.

    Raises:
        BadInput: the space has too few networks that never taught the LUT.
        DeviceError: the device became unusable.
    """
    predictor = Predictor(rig.space, rig.store.lut(rig.profile.id, rig.precision), rig.precision)
    rng = np.random.default_rng(seed)
    sampled = _unseen(rig, networks, rng)
    first = _measured(rig, sampled, np.arange(networks), _part(on_step, "network", 0.0, 0.4))
    alone = blocks_alone(rig, sampled, _part(on_step, "block alone", 0.4, 0.2))
    order = rng.permutation(networks)
    second = _measured(rig, sampled, order, _part(on_step, "network again", 0.6, 0.4))
    rounds = Rounds(
        architectures=tuple(sampled),
        first_ns=_latencies(rig, first),
        second_ns=_latencies(rig, second),
        first_bytes=_peaks(first),
        second_bytes=_peaks(second),
    )
    carriers = rig.store.networks(
        rig.profile.id, rig.space.name, precision=rig.precision, purpose="carrier"
    )
    spent = {"minutes": _device_minutes(carriers), "runs": len(carriers)}
    line = Fitted(line_on_macs(rig, carriers, sampled).values, spent)
    predicted = tuple(predictor.predict(architecture) for architecture in sampled)
    rows = [
        row
        for i, phase in enumerate(rig.space.phases)
        for row in _latency_rows(phase.name, i, predicted, rounds, (spent, alone, line))
    ]
    networks_ = tuple(
        _network_row(rig, n, prediction, rounds, alone) for n, prediction in enumerate(predicted)
    )
    return LutBench((*rows, *_memory_rows(predicted, rounds)), networks_)


def _part(on_step: OnStep, words: str, start: float, share: float) -> Callable[[int, int], None]:
    """Tells step n of m of a part that takes `share` of the whole."""
    return lambda n, m: on_step(start + share * n / m, f"{words} {n} of {m}")


def _unseen(rig: Rig, networks: int, rng: np.random.Generator) -> list[Architecture]:
    taught = {c.id for c in rig.store.carriers(rig.space, rig.profile.id, rig.precision)}
    found: dict[str, Architecture] = {}
    for _ in range(_DRAWS * networks):
        architecture = rig.space.sample(rng)
        if architecture.id not in taught:
            found[architecture.id] = architecture
        if len(found) == networks:
            return list(found.values())
    raise BadInput(
        f"{rig.space.name} has only {len(found)} networks that never taught the LUT, "
        f"{networks} are wanted. Ask for fewer with --networks, or for more of the space"
    )


def _measured(
    rig: Rig,
    sampled: Sequence[Architecture],
    order: npt.NDArray[np.intp],
    on_network: Callable[[int, int], None],
) -> list[NetworkRecord]:
    """In the order of `sampled`, measured in another."""
    records: dict[int, NetworkRecord] = {}
    for number, i in enumerate(order, start=1):
        on_network(number, len(order))
        records[int(i)] = rig.measure(sampled[i], purpose="measure", nodes=False)
    return [records[i] for i in range(len(sampled))]


def _latencies(rig: Rig, records: Sequence[NetworkRecord]) -> Floats:
    return np.array([[p.latency_ns * rig.canary_scale(r) for p in r.phases] for r in records])


def _peaks(records: Sequence[NetworkRecord]) -> Floats:
    return np.array([np.nan if r.peak_bytes is None else r.peak_bytes for r in records], float)


def _device_minutes(records: Sequence[NetworkRecord]) -> float:
    seconds = [json.loads(r.observed_json)["elapsed_s"] for r in records if r.observed_json]
    return float(sum(seconds)) / 60


def _latency_rows(
    name: str,
    i: int,
    predicted: Sequence[Prediction],
    rounds: Rounds,
    ways: tuple[Spent, Fitted, Fitted],
) -> list[dict[str, object]]:
    """Of phase number i: ours, blocks alone, the line, and the second measurement."""
    spent, alone, line = ways
    truth = _mean(rounds.first_ns, rounds.second_ns)[:, i]
    phases = [prediction.phases[i] for prediction in predicted]
    ours = np.array([phase.latency_ns for phase in phases])
    low = np.array([phase.low_ns for phase in phases])
    high = np.array([phase.high_ns for phase in phases])
    again = score(rounds.second_ns[:, i], rounds.first_ns[:, i])
    return [
        _row(name, "this LUT", score(ours, truth), _share_inside(low, truth, high), spent),
        _row(name, "blocks timed alone", score(alone.values[:, i], truth), None, alone.spent),
        _row(name, "line on MACs", score(line.values[:, i], truth), None, line.spent),
        _row(name, "measured again", again, None, {}),
    ]


def _memory_rows(predicted: Sequence[Prediction], rounds: Rounds) -> list[dict[str, object]]:
    truth = _mean(rounds.first_bytes, rounds.second_bytes)
    guess, low, high = (
        np.array([np.nan if value is None else float(value) for value in values])
        for values in zip(
            *((p.memory_bytes, p.memory_low_bytes, p.memory_high_bytes) for p in predicted),
            strict=True,
        )
    )
    again = score(rounds.second_bytes, rounds.first_bytes)
    return [
        _row("memory", "this LUT", score(guess, truth), _share_inside(low, truth, high), {}),
        _row("memory", "measured again", again, None, {}),
    ]


def _mean(first: Floats, second: Floats) -> Floats:
    """Of ratios none is preferred: the geometric mean."""
    mean: Floats = np.sqrt(first * second)
    return mean


def _share_inside(low: Floats, truth: Floats, high: Floats) -> float | None:
    """None where there are no intervals."""
    return None if np.isnan(low).all() else float(np.mean((low <= truth) & (truth <= high)))


def _row(
    quantity: str, way: str, scores: Spent, inside: float | None, spent: Spent
) -> dict[str, object]:
    costs = {name: spent.get(name) for name in ("minutes", "runs")}
    return {"quantity": quantity, "by": way, **scores, "in interval": inside, **costs}


def _network_row(
    rig: Rig, n: int, prediction: Prediction, rounds: Rounds, alone: Fitted
) -> dict[str, object]:
    architecture = rounds.architectures[n]
    row: dict[str, object] = {"id": architecture.id}
    for i, found in enumerate(prediction.phases):
        row[found.name] = {
            "predicted_ms": found.latency_ns * MS,
            "low_ms": found.low_ns * MS,
            "high_ms": found.high_ns * MS,
            "measured_ms": float(rounds.first_ns[n, i]) * MS,
            "again_ms": float(rounds.second_ns[n, i]) * MS,
            "alone_ms": float(alone.values[n, i]) * MS,
        }
    row["memory"] = {
        "predicted_mib": prediction.memory_bytes * MIB,
        "measured_mib": float(rounds.first_bytes[n]) * MIB,
        "again_mib": float(rounds.second_bytes[n]) * MIB,
    }
    return {**row, "architecture": json.loads(architecture.to_json())}
