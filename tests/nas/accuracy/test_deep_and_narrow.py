from collections import Counter

import numpy as np
import pytest

from nas.accuracy.deep_and_narrow import DeepAndNarrow
from search_spaces import hybrid, language, mobile


def shares(space, name, networks=1000):
    """How often each value of a choice is drawn, for each of its values in their order."""
    drawn, rng = DeepAndNarrow(space), np.random.default_rng(3)
    count = Counter(drawn.sample(rng)[name] for _ in range(networks))
    return [
        count[value] / networks for value in next(c for c in space.choices if c.name == name).values
    ]


def test_deeper_decoders_are_drawn_more_often():
    by_depth = shares(language(), "layers")
    assert by_depth == sorted(by_depth)
    assert by_depth[-1] > 0.35


def test_narrower_decoders_are_drawn_more_often():
    by_width = shares(language(), "width")
    assert by_width == sorted(by_width, reverse=True)
    assert by_width[0] > 0.3


def test_what_stands_in_a_layer_is_drawn_by_chance():
    space = language().restricted({"layers": (3,), "width": (128,)})
    assert shares(space, "layer3.mixer") == pytest.approx([1 / 2] * 2, abs=0.06)
    assert shares(space, "layer3.feed_forward") == pytest.approx([1 / 3] * 3, abs=0.06)


@pytest.mark.parametrize("build", [mobile, hybrid])
def test_networks_for_images_can_be_drawn_as_well(build):
    space = build()
    drawn = DeepAndNarrow(space).sample(np.random.default_rng(0))
    assert space.parse(drawn.to_json()) == drawn


def test_the_same_random_numbers_draw_the_same_networks():
    first, second = DeepAndNarrow(language()), DeepAndNarrow(language())
    for seed in range(20):
        networks = {d.sample(np.random.default_rng(seed)).id for d in (first, second)}
        assert len(networks) == 1


def test_a_space_of_one_network_gives_that_one():
    space = language()
    only = space.restricted({n: (v,) for n, v in space.smallest().choices.items()})
    assert DeepAndNarrow(only).sample(np.random.default_rng(0)).id == space.smallest().id
