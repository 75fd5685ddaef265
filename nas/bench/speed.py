"""How fast a LUT is read, and how fast it answers."""

import time
from collections.abc import Callable

import numpy as np

from latency_lut import Lut, Predictor
from search_spaces import Space

_BATCH = 100_000  # our choice: what a search asks for at once
_ROUNDS = 5
_NETWORKS = 500  # distinct ones of a batch


def time_prediction(space: Space, load: Callable[[], Lut], seed: int) -> dict[str, object]:
    """Architectures predicted in a second on one core, and the time until the first answer.

    Args:
        space: whose architectures are asked for.
        load: reads the LUT from its storage; called twice, as the first call may fit it.
        seed: of the architectures.
    """
    load()
    start = time.perf_counter()
    lut = load()
    load_s = time.perf_counter() - start
    start = time.perf_counter()
    predictor = Predictor(space, lut, lut.precision)
    compile_s = time.perf_counter() - start
    rng = np.random.default_rng(seed)
    few = np.stack([space.encode(space.sample(rng)) for _ in range(_NETWORKS)])
    codes = few[rng.integers(len(few), size=_BATCH)]
    rates = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        predictions = predictor.predict_codes(codes)
        rates.append(_BATCH / (time.perf_counter() - start))
    return {
        "entries": len(lut.entries),
        "LUT loaded in s": load_s,
        "predictor made in s": compile_s,
        "architectures/s": float(np.median(rates)),
        "slowest round": min(rates),
        "complete": float(np.mean(predictions.missing == 0)),
    }
