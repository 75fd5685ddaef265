"""How near guesses are to the truth, in the words that the field compares by."""

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

Floats = npt.NDArray[np.float64]


def score(guess: Floats, truth: Floats) -> dict[str, object]:
    """Of n positive values each; those where either is NaN are left out and not counted.

    `MAPE` is the mean absolute error as a share of the truth; `bias` is above 0 where guesses are
    too large.
    """
    known = ~(np.isnan(guess) | np.isnan(truth))
    error = guess[known] / truth[known] - 1
    ranks = len(set(guess[known])) > 1 and len(set(truth[known])) > 1
    return {
        "networks": int(known.sum()),
        "MAPE": float(np.mean(np.abs(error))) if len(error) else None,
        "within 5 %": float(np.mean(np.abs(error) <= 0.05)) if len(error) else None,
        "within 10 %": float(np.mean(np.abs(error) <= 0.10)) if len(error) else None,
        "Spearman": float(spearmanr(guess[known], truth[known]).statistic) if ranks else None,
        "bias": float(np.mean(error)) if len(error) else None,
    }
