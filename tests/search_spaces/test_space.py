import itertools
import json

import numpy as np
import optuna
import pytest
from optuna.samplers import TPESampler

from search_spaces import (
    INACTIVE,
    Choice,
    ImageTask,
    InvalidArchitecture,
    Place,
    Space,
    SpaceError,
    mobile,
)

DEEP_B = {
    "depth": 2,
    "bias1": True,
    "bias2": False,
    "kind": "b",
    "rate": 0.5,
    "order": 3,
}


def test_choices_without_effect_are_dropped(small_space: Space):
    given = {**DEEP_B, "bias3": True}

    assert dict(small_space.architecture(given).choices) == DEEP_B
    assert small_space.architecture(given) == small_space.architecture(DEEP_B)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3}, "choice 'bias3' is missing"),
        ({"depth": 9}, r"choice 'depth' is 9; it may be \(1, 2, 3\)"),
        ({"depth": True}, "choice 'depth' is True"),
        ({"bias1": 1}, "choice 'bias1' is 1"),
        ({"colour": "red"}, "space 'small' has no choice 'colour'"),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(
    small_space: Space, change: dict[str, int], message: str
):
    with pytest.raises(InvalidArchitecture, match=message):
        small_space.architecture({**DEEP_B, **change})


def test_a_whole_number_stands_for_the_value_that_it_equals(small_space: Space):
    architecture = small_space.architecture({**DEEP_B, "depth": 2.0, "rate": 1})

    assert architecture.id == small_space.architecture({**DEEP_B, "rate": 1.0}).id
    assert type(architecture["depth"]) is int


def test_json_comes_back_as_the_same_architecture(small_space: Space):
    architecture = small_space.architecture(DEEP_B)

    assert small_space.parse(architecture.to_json()) == architecture


def test_a_line_that_names_no_space_or_id_is_read_too(small_space: Space):
    text = json.dumps({"choices": DEEP_B})

    assert small_space.parse(text) == small_space.architecture(DEEP_B)


def test_a_seed_gives_the_same_samples_again(small_space: Space):
    def samples(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [small_space.sample(rng).id for _ in range(20)]

    assert samples(1) == samples(1)
    assert samples(1) != samples(2)


def test_sampling_reaches_every_architecture(small_space: Space):
    rng = np.random.default_rng(0)

    assert len({small_space.sample(rng).id for _ in range(3000)}) == small_space.count()


def test_the_ends_of_the_space_hold_the_first_and_last_values(small_space: Space):
    assert dict(small_space.smallest().choices) == {"depth": 1, "bias1": False, "kind": "a"}
    assert dict(small_space.largest().choices) == {
        "depth": 3,
        "bias1": True,
        "bias2": True,
        "bias3": True,
        "kind": "c",
        "rate": 1.0,
    }


def test_a_mutation_is_another_network_of_the_space(small_space: Space):
    rng = np.random.default_rng(0)
    for _ in range(200):
        parent = small_space.sample(rng)
        child = small_space.mutate(parent, rng, rate=0.0)

        changed = [n for n in parent.choices if child.choices.get(n) != parent[n]]
        gone = [n for n in changed if n not in child.choices]
        assert len(changed) - len(gone) == 1  # one changed; others may have lost their effect
        assert small_space.architecture(child.choices) == child


def test_a_space_of_one_architecture_has_no_other_neighbour(small_space: Space):
    only = small_space.smallest()
    alone = small_space.restricted({n: [v] for n, v in only.choices.items()})

    assert alone.count() == 1
    assert alone.mutate(only, np.random.default_rng(0)) == only


def test_a_child_of_two_has_each_choice_from_one_of_them(small_space: Space):
    mother = small_space.largest()
    father = small_space.architecture({**DEEP_B, "rate": 0.5})
    rng = np.random.default_rng(0)
    children = [small_space.crossover(mother, father, rng) for _ in range(200)]

    for child in children:
        assert small_space.architecture(child.choices) == child
        for name, value in child.choices.items():
            assert value in {p.choices[name] for p in (mother, father) if name in p.choices}
    # depth, bias2, kind and rate differ; bias3 and order follow from the parent that has them
    assert len({child.id for child in children}) == 16


def test_codes_have_one_length_and_come_back_as_the_same_architecture(small_space: Space):
    rng = np.random.default_rng(0)
    for _ in range(100):
        architecture = small_space.sample(rng)
        codes = small_space.encode(architecture)

        assert codes.shape == (7,)
        assert codes.dtype == np.int16
        assert small_space.decode(codes) == architecture


def test_codes_tell_what_has_no_effect(small_space: Space):
    codes = small_space.encode(small_space.architecture(DEEP_B))

    assert codes.tolist() == [1, 1, 0, INACTIVE, 1, 0, 2]


def test_a_restricted_space_keeps_the_ids(small_space: Space):
    part = small_space.restricted({"depth": [1, 2], "kind": ["b"]})
    rng = np.random.default_rng(0)
    ids = {part.sample(rng).id for _ in range(500)}
    every = {a.id: a for a in (small_space.sample(rng) for _ in range(3000))}

    assert part.count() == len(ids) == (2 + 4) * 6
    assert ids == {i for i, a in every.items() if a["kind"] == "b" and a["depth"] != 3}
    assert "bias3" not in {c.name for c in part.choices}


def test_a_restricted_space_makes_the_same_network(small_space: Space):
    architecture = small_space.architecture(DEEP_B)
    part = small_space.restricted({"depth": [2]})

    assert part.segments(architecture) == small_space.segments(architecture)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"colour": ["red"]}, "space 'small' has no choice 'colour'"),
        ({"depth": [1, 9]}, r"choice 'depth' has no \[9\]; it offers \(1, 2, 3\)"),
        ({"depth": []}, r"choice 'depth' has no \[\]"),
    ],
)
def test_a_restriction_to_what_is_not_there_is_refused(
    small_space: Space, only: dict[str, list[int]], message: str
):
    with pytest.raises(SpaceError, match=message):
        small_space.restricted(only)


def test_segments_are_the_blocks_that_stand(small_space: Space):
    segments = small_space.segments(small_space.architecture(DEEP_B))

    assert [(s.place, s.block.key) for s in segments] == [
        ("layer1", "dense(bias=1,layer=1)"),
        ("layer2", "dense(bias=0,layer=2)"),
    ]


def test_every_block_that_may_stand_at_a_place_is_told(small_space: Space):
    place = small_space.places[1]
    blocks = dict(small_space.blocks_at(place))

    assert [c.name for c in small_space.choices_of(place)] == ["depth", "bias2"]
    assert {i: block and block.key for i, block in blocks.items()} == {
        (0, 0): None,
        (0, 1): None,
        (1, 0): "dense(bias=0,layer=2)",
        (1, 1): "dense(bias=1,layer=2)",
        (2, 0): "dense(bias=0,layer=2)",
        (2, 1): "dense(bias=1,layer=2)",
    }


def test_the_blocks_of_a_place_are_those_of_all_architectures():
    space = mobile(ImageTask(resolution_px=28)).restricted({"width": [1.0]})
    rng = np.random.default_rng(0)
    offered = {p.name: {b.key for _, b in space.blocks_at(p) if b} for p in space.places}

    for _ in range(30):
        for segment in space.segments(space.sample(rng)):
            assert segment.block.key in offered[segment.place]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([Place("a/b", (), lambda _: None)], "'a/b' needs a name of its own, without a slash"),
        ([Place("a", (), lambda _: None)] * 2, "'a' needs a name of its own"),
        ([Place("a", ("size",), lambda _: None)], "'a' depends on 'size', no such choice"),
    ],
)
def test_a_broken_place_is_refused(places: list[Place], message: str):
    with pytest.raises(SpaceError, match=message):
        Space(name="bad", task=ImageTask(), choices=(Choice("n", (1,)),), places=tuple(places))


class CountingTpe(TPESampler):
    """Optuna's sampler, which also counts how often it samples a choice without its model."""

    alone = 0

    def sample_independent(self, *args: object, **kwargs: object) -> object:
        self.alone += 1
        return super().sample_independent(*args, **kwargs)


def test_no_sampler_falls_back_to_independent_sampling(small_space: Space):
    sampler = CountingTpe(multivariate=True, n_startup_trials=3, seed=0)
    study = optuna.create_study(sampler=sampler)
    distributions = small_space.distributions()
    ids = set()
    for number in range(12):
        trial = study.ask(distributions)
        ids.add(small_space.architecture(trial.params).id)
        study.tell(trial, float(number % 5))
        if number == 2:
            sampler.alone = 0  # until then there was nothing to model

    assert sampler.alone == 0
    assert len(ids) > 3


def test_what_a_study_may_suggest_is_what_the_space_offers(small_space: Space):
    distributions = small_space.distributions()
    suggested = {
        small_space.architecture(dict(zip(distributions, values, strict=True))).id
        for values in itertools.product(*(d.choices for d in distributions.values()))
    }

    assert len(suggested) == small_space.count()
