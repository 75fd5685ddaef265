"""Where candidates come from: random networks, and the front's own, changed and crossed."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from nas.samplers.candidates import Candidates, Codes

# All of these are our choice.
_RANDOM_SHARE = 0.4
_CROSSED_SHARE = 0.3  # the rest are mutated
_BELOW_ONE = np.float32(1 - 2**-20)  # so that rounding never gives a value too many
_MEAN_CHANGES = 2.0  # of a mutated network's choices, one at least


def random_codes(candidates: Candidates, count: int, rng: np.random.Generator) -> Codes:
    """(n, C) canonical codes, n at most `count`, each once."""
    return distinct(candidates.canonical(_drawn(candidates, count, rng)))


def even_codes(candidates: Candidates, count: int, rng: np.random.Generator) -> Codes:
    """As `random_codes`, but the choices of a family have all the same value."""
    drawn = _drawn(candidates, count, rng)
    for family in candidates.families:
        drawn[:, family] = drawn[:, family[:1]]
    return distinct(candidates.canonical(drawn))


def proposals(
    candidates: Candidates, parents: Codes, count: int, rng: np.random.Generator
) -> Codes:
    """(n, C) canonical codes, n at most `count`, each once.

    Args:
        candidates: the space.
        parents: (p, C) of the front; all is random where there are none.
        count: how many to make.
        rng: draws them.
    """
    if not len(parents):
        return random_codes(candidates, count, rng)
    crossed = round(_CROSSED_SHARE * count)
    mutated = count - crossed - round(_RANDOM_SHARE * count)
    drawn = _drawn(candidates, count - crossed - mutated, rng)
    made = [
        drawn,
        _mutated(parents[rng.integers(len(parents), size=mutated)], drawn, rng),
        _mutated(_crossed(parents, crossed, rng), drawn, rng),
    ]
    return distinct(candidates.canonical(np.concatenate(made)))


def _drawn(candidates: Candidates, count: int, rng: np.random.Generator) -> Codes:
    """(count, C) any values; by fractions, as whole numbers of many ranges take twice as long."""
    sizes = np.array(candidates.sizes, dtype=np.float32)
    fractions = rng.random((count, len(sizes)), dtype=np.float32)
    return (fractions * sizes * _BELOW_ONE).astype(np.int16)


def distinct(codes: Codes) -> Codes:
    """Each row once, in the order of their first."""
    return codes[~pd.Series(_hashes(codes)).duplicated().to_numpy()]


def among(codes: Codes, others: Codes) -> npt.NDArray[np.bool_]:
    """(n,) which rows of the codes are one of the others."""
    if not len(others):
        return np.zeros(len(codes), dtype=np.bool_)
    return pd.Series(_hashes(codes)).isin(_hashes(others)).to_numpy()


def _hashes(codes: Codes) -> npt.NDArray[np.uint64]:
    """(n,) a number for each row; of a hundred thousand, two share one in 1 of 10^9 cases."""
    # Four codes are read as one number: a quarter of the products, and no copy four times as large.
    count, choices = codes.shape
    packed = np.zeros((count, -(-choices // 4) * 4), dtype=np.int16)
    packed[:, :choices] = codes
    words = packed.view(np.uint64)
    words ^= words >> np.uint64(32)  # else products would lose most of what the last of four says
    factors = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64)
    hashes: npt.NDArray[np.uint64] = words @ (2 * factors + 1)  # overflows, as hashes do
    return hashes


def _mutated(made: Codes, drawn: Codes, rng: np.random.Generator) -> Codes:
    """(n, C) the rows of `made` with one choice changed or some more, as random rows have them."""
    count, choices = made.shape
    others = rng.binomial(choices, min(_MEAN_CHANGES / choices, 1.0), size=count)
    rows = np.repeat(np.arange(count), 1 + others)
    changed = made < 0  # what was without effect may get one
    changed[rows, rng.integers(choices, size=len(rows))] = True
    return np.where(changed, drawn[rng.integers(len(drawn), size=count)], made)


def _crossed(parents: Codes, count: int, rng: np.random.Generator) -> Codes:
    """(count, C) each choice from one of two parents."""
    mothers = parents[rng.integers(len(parents), size=count)]
    fathers = parents[rng.integers(len(parents), size=count)]
    return np.where(rng.integers(0, 2, mothers.shape, dtype=np.bool_), mothers, fathers)
