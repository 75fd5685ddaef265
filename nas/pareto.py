"""Which points no other point beats."""

import numpy as np
import numpy.typing as npt


def non_dominated(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Rows that no other row beats: at least as good everywhere and better somewhere.

    Args:
        points: (n, m), every column minimised; a row with NaN is never on the front.

    Returns:
        (n,) bool; of equal rows only the first is True.
    """
    keep: npt.NDArray[np.bool_] = np.all(~np.isnan(points), axis=1, keepdims=True)[:, 0]
    for i in np.flatnonzero(keep):
        others = points[keep]
        beaten = (others <= points[i]).all(axis=1) & (others < points[i]).any(axis=1)
        twins = (points[:i] == points[i]).all(axis=1) & keep[:i]
        keep[i] = not (beaten.any() or twins.any())
    return keep
