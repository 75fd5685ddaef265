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
    keep = np.zeros(len(points), dtype=np.bool_)
    left = np.lexsort(points.T[::-1])  # so that no row beats one before it
    left = left[~np.isnan(points[left]).any(axis=1)]
    while len(left):
        keep[left[0]] = True
        left = left[~(points[left[0]] <= points[left]).all(axis=1)]
    return keep
