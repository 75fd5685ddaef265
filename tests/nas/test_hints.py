from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nas.hints import zero_cost_hints
from nas.samplers import ChoiceCandidates
from nas.surroundings import Surroundings
from nas.workspace import open_workspace

NARROW = ("resolution=20", "width=0.5", "stage*.depth=2")


def surroundings(told):
    @contextmanager
    def bar(name):
        yield lambda share, left_s, words: told.append((name, share, words))

    return Surroundings(storage="", devices=Path(), bar=bar)


def hints(networks, only=NARROW):
    told = []
    workspace = open_workspace("mobile", "digits", only=only)
    return zero_cost_hints(workspace, networks, surroundings(told)), told


def test_the_same_networks_of_a_space_are_scored_each_time():
    first, told = hints(12)
    again, _ = hints(12)
    assert first.codes.shape[0] == 12
    assert np.array_equal(first.codes, again.codes)
    for name in ("activation_patterns", "gradient_norm"):
        assert np.array_equal(first.scores[name], again.scores[name])
    assert told[0] == ("zero-cost", 0.0, "0 of 12 networks")
    assert told[-1] == ("zero-cost", 1.0, "12 networks; activation_patterns, gradient_norm")


def test_a_space_of_few_networks_is_searched_without_hints():
    few, _ = hints(
        12,
        only=(
            *("resolution=20", "width=0.5,1.0", "stage*.depth=1"),
            *("*.kernel=3", "*.expansion=3", "*.squeeze_excite=false"),
        ),
    )
    names = {f"choice{n}": range(8) for n in range(few.codes.shape[1])}
    space = ChoiceCandidates(names, lambda columns: columns["choice0"] + 1.0)
    assert 0 < len(few.codes) < 10
    assert few.added_to(space).known(np.maximum(few.codes, 0)).promise is None
