"""Networks of a table as numbers: what stands in each place, and the columns that terms make of it.

Letters: n networks, p places, c different choices. A view is one reading of the same networks, for
example every choice as written, or with the choices blanked that no output depends on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

CONTEXT_TERMS = ("size", "counts", "neighbours", "pairs")


@dataclass(frozen=True)
class ChoiceRows:
    """Networks by their choices.

    Attributes:
        views: (n, p) codes in [0, `choices`) of each reading, at least one.
        choices: how many different choices there are over all places.
        features: (n, f) numbers known of every network beforehand; f may be 0.
    """

    views: Mapping[str, Codes]
    choices: int
    features: Floats

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: npt.NDArray[np.int64] | slice) -> "ChoiceRows":
        """These networks only, in the order of `rows`."""
        views = {name: codes[rows] for name, codes in self.views.items()}
        return ChoiceRows(views, self.choices, self.features[rows])


def choice_columns(networks: ChoiceRows, views: Sequence[str]) -> Floats:
    """(n, 1 + views p c): a one for all, then a one where a choice stands in its place."""
    ones = np.ones((len(networks), 1))
    return np.hstack([ones, *(_one_hot(networks.views[v], networks.choices) for v in views)])


def term_columns(networks: ChoiceRows, view: str, term: str) -> Floats:
    """The columns of one context term, each about 0 to 1 in size.

    Args:
        networks: to read.
        view: the reading of them that counts.
        term: `counts`: shares of each choice in the network and of the features, to the second
            degree; `neighbours`: share of each choice followed by each; `pairs`: a one where two
            choices stand in two places, for every two places.
    """
    codes, c = networks.views[view], networks.choices
    if term == "counts":
        return _second_degree(np.hstack([_shares(codes, c), networks.features]))
    if term == "neighbours":
        return _shares(codes[:, :-1] * c + codes[:, 1:], c * c)
    first, second = np.triu_indices(codes.shape[1], k=1)
    return _one_hot(codes[:, first] * c + codes[:, second], c * c)


def num_columns(networks: ChoiceRows, term: str) -> int:
    """How many columns a context term has; known without making them."""
    c = networks.choices
    if term == "size":
        return 1
    if term == "neighbours":
        return c * c
    if term == "counts":
        numbers = c + int(networks.features.shape[1])
        return numbers * (numbers + 3) // 2
    places = int(next(iter(networks.views.values())).shape[1])
    return places * (places - 1) // 2 * c * c


def _one_hot(codes: Codes, values: int) -> Floats:
    n, p = codes.shape
    columns = np.zeros((n, p * values))
    np.put_along_axis(columns, codes + values * np.arange(p), 1.0, axis=1)
    return columns


def _shares(codes: Codes, values: int) -> Floats:
    """(n, values): how much of each row is each value."""
    n, p = codes.shape
    flat = (codes + values * np.arange(n)[:, None]).ravel()
    shares: Floats = np.bincount(flat, minlength=n * values).reshape(n, values) / max(p, 1)
    return shares


def _second_degree(numbers: Floats) -> Floats:
    first, second = np.triu_indices(numbers.shape[1])
    return np.hstack([numbers, numbers[:, first] * numbers[:, second]])
