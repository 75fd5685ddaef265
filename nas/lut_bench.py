"""How fast the LUT answers, and how far its answers are from the device's."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from latency_lut import Lut, Predictor
from nas.measurement import Rig
from nas.units import MS
from nas.verification import measure_well
from search_spaces import Architecture, Space

_BATCH = 100_000  # our choice: what a search asks for at once
_ROUNDS = 5

Floats = npt.NDArray[np.float64]


def time_prediction(space: Space, lut: Lut, precision: str, seed: int) -> dict[str, object]:
    """Architectures predicted in a second on one core, and the time to make the predictor."""
    start = time.perf_counter()
    predictor = Predictor(space, lut, precision)
    compile_s = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    few = np.stack([space.encode(space.sample(rng)) for _ in range(500)])
    codes = few[rng.integers(len(few), size=_BATCH)]
    rates = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        predictions = predictor.predict_codes(codes)
        rates.append(_BATCH / (time.perf_counter() - start))
    return {
        "entries": len(lut.entries),
        "predictor made in s": compile_s,
        "architectures/s": float(np.median(rates)),
        "slowest round": min(rates),
        "complete": float(np.mean(predictions.missing == 0)),
    }


def compare(
    rig: Rig, networks: int, seed: int, *, on_network: Callable[[int], None] = lambda _: None
) -> list[dict[str, object]]:
    """Predicted against measured, and measured against measured again, for unseen networks.

    Every network is measured twice, the second time after all others, so that the repeat error
    is the floor under what any prediction can reach. One row a phase and comparison.
    """
    lut = rig.store.lut(rig.profile.id, "fp32")
    predictor = Predictor(rig.space, lut, "fp32")
    rng = np.random.default_rng(seed)
    sampled = [rig.space.sample(rng) for _ in range(networks)]
    rounds = [_measured(rig, sampled, on_network) for _ in range(2)]
    predictions = [predictor.predict(architecture) for architecture in sampled]
    rows = []
    for i, phase in enumerate(rig.space.phases):
        first, second = (measured[:, i] for measured in rounds)
        predicted = np.array([p.phases[i].latency_ns * MS for p in predictions])
        low = np.array([p.phases[i].low_ns * MS for p in predictions])
        high = np.array([p.phases[i].high_ns * MS for p in predictions])
        inside = float(np.mean((low <= first) & (first <= high)))
        rows.append({**_row(phase.name, "LUT", predicted, first), "in interval": inside})
        rows.append({**_row(phase.name, "measured again", second, first), "in interval": None})
    return rows


def _measured(rig: Rig, sampled: list[Architecture], on_network: Callable[[int], None]) -> Floats:
    """(networks, phases) in ms, brought to the device's common state by the canary."""
    rows = []
    for number, architecture in enumerate(sampled, start=1):
        on_network(number)
        record = measure_well(rig, architecture, purpose="measure", nodes=False)
        scale = rig.canary_scale(record) * MS
        rows.append([phase.latency_ns * scale for phase in record.phases])
    return np.array(rows)


def _row(phase: str, what: str, guess: Floats, truth: Floats) -> dict[str, object]:
    known = ~np.isnan(guess)
    error = guess[known] / truth[known] - 1
    return {
        "phase": phase,
        "against the first measurement": what,
        "networks": int(known.sum()),
        "mean |error|": float(np.mean(np.abs(error))),
        "within 5 %": float(np.mean(np.abs(error) <= 0.05)),
        "within 10 %": float(np.mean(np.abs(error) <= 0.10)),
        "within 15 %": float(np.mean(np.abs(error) <= 0.15)),
        "bias": float(np.mean(error)),
        "Spearman": float(spearmanr(guess[known], truth[known]).statistic),
    }
