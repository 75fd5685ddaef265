import itertools

import pytest

from search_spaces import Choice, Space, SpaceError
from search_spaces.choice import check_choices, count_choices


def test_a_choice_needs_distinct_values():
    with pytest.raises(SpaceError, match="'depth' needs distinct values"):
        Choice("depth", (1, 2, 1))
    with pytest.raises(SpaceError, match="'depth' needs distinct values"):
        Choice("depth", ())


def test_a_child_has_an_effect_only_under_the_values_that_wake_it():
    child = Choice("kernel", (3, 5), "depth", (2, 3))

    assert child.is_active({"depth": 2})
    assert not child.is_active({"depth": 1})
    assert not child.is_active({})


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([Choice("a", (1,)), Choice("a", (2,))], "'a' is defined twice"),
        ([Choice("b", (1,), "a", (1,)), Choice("a", (1,))], "'a' must stand before 'b'"),
        ([Choice("a", (1,)), Choice("b", (1,), "a", (7,))], "'a' is never 7"),
        ([Choice("a", (1,)), Choice("b", (1,), "a")], "'b' needs the values of 'a' in `when`"),
    ],
)
def test_a_broken_tree_of_choices_is_refused(choices: list[Choice], message: str):
    with pytest.raises(SpaceError, match=message):
        check_choices(choices)


def test_the_count_equals_counting_by_hand():
    choices = [
        Choice("a", (1, 2)),
        Choice("b", (1, 2, 3), "a", (2,)),
        Choice("c", (1, 2), "b", (2, 3)),
        Choice("d", (True, False)),
    ]

    assert count_choices(choices) == (1 + (1 + 2 + 2)) * 2


def test_the_count_equals_counting_by_brute_force(small_space: Space):
    every = itertools.product(*(c.values for c in small_space.choices))
    names = [c.name for c in small_space.choices]
    ids = {small_space.architecture(dict(zip(names, values, strict=True))).id for values in every}

    assert small_space.count() == len(ids) == (2 + 4 + 8) * (1 + 2 * 3 + 2)
