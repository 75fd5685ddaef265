import numpy as np
import pytest

from nas.samplers import ChoiceCandidates
from nas.samplers.proposals import among, distinct, even_codes, proposals, random_codes
from tests.nas.samplers.worlds import Layers


def test_random_networks_are_canonical_and_each_is_there_once():
    space, rng = Layers(6), np.random.default_rng(0)
    codes = random_codes(space, 500, rng)
    assert codes.tolist() == space.canonical(codes).tolist()
    assert len(np.unique(codes, axis=0)) == len(codes)
    assert set(codes[:, 0]) == {0, 1}


def test_without_parents_all_is_random():
    space = Layers(6)
    none = np.empty((0, 7), np.int16)
    found = proposals(space, none, 300, np.random.default_rng(0))
    assert found.tolist() == random_codes(space, 300, np.random.default_rng(0)).tolist()


def test_many_proposals_are_near_their_parents_and_some_are_not():
    space, rng = Layers(20), np.random.default_rng(0)
    parent = space.canonical(np.full((1, 21), 1, np.int16))
    found = proposals(space, parent, 2000, rng)
    changes = (found != parent).sum(axis=1)
    assert (changes <= 4).mean() > 0.3
    assert (changes > 8).mean() > 0.2
    assert found.tolist() == space.canonical(found).tolist()


def test_choices_that_a_parent_does_not_have_may_come_to_life():
    space, rng = Layers(6), np.random.default_rng(0)
    shallow = space.canonical(np.zeros((1, 7), np.int16))
    found = proposals(space, shallow, 2000, rng)
    deep = found[found[:, 0] == 1]
    assert len(deep) > 0
    assert (deep >= 0).all()
    assert len(np.unique(deep[:, -1])) == 3


def test_rows_are_told_apart_and_found_again():
    codes = np.array([[0, 1], [1, 0], [0, 1], [-1, 0]], np.int16)
    assert distinct(codes).tolist() == [[0, 1], [1, 0], [-1, 0]]
    assert among(codes, codes[1:2]).tolist() == [False, True, False, False]
    assert among(codes, np.empty((0, 2), np.int16)).tolist() == [False] * 4


def test_rows_that_differ_in_every_fourth_choice_alone_are_told_apart():
    codes = np.zeros((16**3, 12), np.int16)
    codes[:, 3::4] = np.indices((16,) * 3).reshape(3, -1).T - 1
    assert len(distinct(codes)) == len(codes)


def test_in_even_networks_all_layers_have_the_same_choices():
    space, rng = Layers(20), np.random.default_rng(0)
    codes = even_codes(space, 500, rng)
    assert codes.tolist() == space.canonical(codes).tolist()
    assert sorted(map(tuple, codes)) == sorted(
        tuple(space.canonical(np.array([[deep, *[value] * 20]], np.int16))[0])
        for deep in (0, 1)
        for value in range(3)
    )


def test_families_are_choices_whose_names_differ_in_numbers_alone_and_whose_values_are_the_same():
    values = {f"layer{n}.kind": ["dense", "mixture"] for n in range(1, 8)}
    values |= {f"layer{n}.units": [n, 2 * n] for n in range(1, 8)} | {"width": [64, 96]}
    many = ChoiceCandidates(values, lambda columns: columns["width"])
    assert many.families == (tuple(range(7)),)


def test_where_all_networks_can_be_listed_there_are_no_families():
    few = ChoiceCandidates({f"layer{n}": [1, 2] for n in range(4)}, lambda c: c["layer0"])
    assert few.families == ()


@pytest.mark.parametrize(
    "names",
    [
        [f"conv{n}x{n}" for n in range(1, 22, 2)],
        [f"at{n}" for n in (1, 10, 100, 1000, *range(2000, 2400, 50))],
    ],
)
def test_choices_whose_numbers_count_no_places_are_no_family(names):
    many = ChoiceCandidates(dict.fromkeys(names, [0, 1, 2]), lambda columns: columns[names[0]])
    assert many.everything() is None
    assert many.families == ()


@pytest.mark.filterwarnings("ignore:Choices for a categorical distribution should be")
def test_values_that_are_lists_or_equal_but_of_other_types_are_told_apart():
    values = {f"pair{n}": [[1, 2], [3, 4], [5, 6]] for n in range(1, 11)}
    values |= {"on1": [0, 1], "on2": [False, True]}
    many = ChoiceCandidates(values, lambda columns: columns["on1"])
    assert many.families == (tuple(range(10)),)
