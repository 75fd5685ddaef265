"""Fixed weights of distance, in an order in which a part of a series is a series of its own.

Attention heads and mixer channels differ in how far they reach. Supernets give smaller blocks the
leading heads and channels of larger ones, which should still reach near and far. So the longest
reach comes first, each doubling of the count fills the gaps, and where a count lies between two
doublings the near gaps are filled first: three heads that all reach far learn no spelling.
"""

import torch

_OCTAVES = 8  # ALiBi (arXiv 2108.12409): slopes from just below 1 down to 2^-8


def nested_order(count: int) -> list[int]:
    """Positions 0 to count - 1 of a series; the first half is the nested order of every second.

    Args:
        count: a power of two.
    """
    if count == 1:
        return [0]
    half = nested_order(count // 2)
    return [2 * i + 1 for i in half] + [2 * i for i in reversed(half)]


def slopes(count: int) -> torch.Tensor:
    """Penalty for each token of distance, float64 (count,), of ALiBi's geometric series.

    The slopes of fewer heads are the leading slopes of more.
    """
    whole = 1 << (count - 1).bit_length()
    exponents = torch.tensor(nested_order(whole), dtype=torch.float64) + 1
    return torch.exp2(-exponents * _OCTAVES / whole)[:count]
