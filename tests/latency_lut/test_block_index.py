import numpy as np
import pytest

from latency_lut import BadCodes
from latency_lut.block_index import NO_BLOCK, block_index, make_block_index
from search_spaces import load_space


@pytest.mark.parametrize("name", ["mobile", "language", "hybrid"])
def test_the_index_gives_the_segments_of_any_architecture(name):
    space = load_space(name)
    index = make_block_index(space, "fp32")
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(50)]
    architectures += [space.smallest(), space.largest()]
    ids = index.block_ids(np.stack([space.encode(a) for a in architectures]))
    for column, architecture in zip(ids.T, architectures, strict=True):
        found = [
            (place.name, index.blocks[i - 1])
            for place, i in zip(space.places, column, strict=True)
            if i != NO_BLOCK
        ]
        assert found == [(s.place, s.block) for s in space.segments(architecture)]


def test_the_index_holds_what_blocks_at_says_and_nothing_else(space):
    index = make_block_index(space, "fp32")
    expected = {b for place in space.places for _, b in space.blocks_at(place)} - {None}
    assert set(index.blocks) == expected
    position = {choice.name: i for i, choice in enumerate(space.choices)}
    for p, place in enumerate(space.places):
        chain = space.choices_of(place)
        for values, block in space.blocks_at(place):
            codes = np.zeros((1, len(space.choices)), dtype=np.int16)
            for choice, value in zip(chain, values, strict=True):
                codes[0, position[choice.name]] = value
            i = index.block_ids(codes)[p, 0]
            assert (None if i == NO_BLOCK else index.blocks[i - 1]) == block


def test_keys_carry_phase_and_precision():
    space = load_space("language")
    index = make_block_index(space, "int8")
    assert len(index.keys[0]) == 2
    assert all(k.endswith("/int8") for k in index.keys[0])
    assert "@decode(" in index.keys[0][0]
    assert "@prefill(" in index.keys[0][1]


def test_an_index_is_made_once_for_a_space_and_anew_for_a_restricted_one(space):
    assert block_index(space, "fp32") is block_index(space, "fp32")
    narrow = space.restricted({"size": [1]})
    assert len(block_index(narrow, "fp32").blocks) == 4
    assert len(block_index(space, "fp32").blocks) == 7


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        (np.zeros((3, 4), dtype=np.int16), "shape"),
        (np.zeros(5, dtype=np.int16), "shape"),
        (np.zeros((3, 5)), "type"),
        (np.full((1, 5), 2, dtype=np.int16), "'size' has no value of index 2"),
    ],
)
def test_codes_of_another_space_are_refused(space, codes, reason):
    with pytest.raises(BadCodes, match=reason):
        block_index(space, "fp32").checked(codes)
