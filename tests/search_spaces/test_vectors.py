"""What narrower networks of vectors take of wider ones: the same numbers for the same channel."""

import pytest
import torch

from nas.accuracy.supernet import Supernet
from search_spaces import Block, TextTask, language
from search_spaces.blocks.decoder import Embedding
from search_spaces.blocks.mcsd import Mcsd
from search_spaces.blocks.mixture import Mixture, NeuronGroups
from search_spaces.blocks.over_map import MapFeedForward
from search_spaces.blocks.vectors import leading_of_each

NARROW, WIDE = 96, 256


def numbers_taken(block: Block, name: str, shape: tuple[int, ...], dimension: int) -> list[int]:
    """Which numbers along a dimension of the wide network's weight the block has."""
    place = torch.arange(shape[dimension]).reshape(
        [-1 if d == dimension else 1 for d in range(len(shape))]
    )
    ours = block.build().get_parameter(name).shape
    taken = block.slice_weight(name, place.expand(shape), ours).movedim(dimension, 0)
    assert (taken.flatten(1) == taken.flatten(1)[:, :1]).all()
    return taken.flatten(1)[:, 0].tolist()


def test_of_each_part_the_leading_numbers_are_taken():
    assert leading_of_each(torch.arange(8), 0, 4, 2).tolist() == [0, 1, 4, 5]
    assert leading_of_each(torch.arange(8).expand(2, 8), -1, 2, 2)[1].tolist() == [0, 4]


@pytest.mark.parametrize(("size", "parts"), [(3, 2), (4, 3), (8, 2)])
def test_where_parts_are_not_equal_or_all_is_taken_it_is_the_leading_numbers(size, parts):
    assert leading_of_each(torch.arange(8), 0, size, parts).tolist() == list(range(size))


@pytest.mark.parametrize("channels", [4, 8])
@pytest.mark.parametrize("width", [96, 128, 192])
def test_a_channel_reads_in_a_narrow_network_a_part_of_what_it_reads_in_a_wide_one(width, channels):
    part, wide_part = width // channels, WIDE // channels
    mixer = Mcsd(width=width, channels=channels)
    stream = numbers_taken(Embedding(vocabulary=5, width=width), "weight", (5, WIDE), 1)
    inside = numbers_taken(mixer, "mixing.value", (2, channels, wide_part, wide_part), 2)

    assert [number // wide_part for number in stream] == [n // part for n in range(width)]
    assert [number % wide_part for number in stream] == inside * channels
    assert inside == numbers_taken(mixer, "mixing.gain", (2, channels, wide_part), 2)
    assert stream == numbers_taken(mixer, "mixing.output", (2, WIDE, WIDE), 1)
    assert stream == numbers_taken(mixer, "mixing.output", (2, WIDE, WIDE), 2)


def test_mixers_of_four_and_of_eight_channels_share_no_weights():
    weights = Supernet(language(TextTask(context=16)).restricted({"layers": (2,)})).weights
    held = {name: weights[f"layer1.mixer/{name}/mixing.value"].shape for name in ("mcsd4", "mcsd8")}

    assert held == {"mcsd4": (2, 4, 64, 64), "mcsd8": (2, 8, 32, 32)}


@pytest.mark.parametrize("ratio", [2, 4])
def test_a_group_of_neurons_has_those_of_two_of_twice_as_many(ratio):
    hidden, wide_hidden = ratio * NARROW, 4 * WIDE
    few = NeuronGroups(width=NARROW, hidden=hidden, groups=8, used=1)
    many = NeuronGroups(width=NARROW, hidden=hidden, groups=16, used=1)
    neurons = numbers_taken(few, "gate", (wide_hidden, WIDE), 0)

    assert neurons == numbers_taken(many, "gate", (wide_hidden, WIDE), 0)
    assert [n // (wide_hidden // 16) for n in neurons] == [
        n // (hidden // 16) for n in range(hidden)
    ]
    assert numbers_taken(few, "router", (16, WIDE), 0) == list(range(0, 16, 2))
    assert numbers_taken(many, "router", (16, WIDE), 0) == list(range(16))


def test_fewer_experts_are_the_leading_ones_with_their_leading_neurons():
    expert = Mixture(width=NARROW, hidden=NARROW, experts=4, used=1)

    assert numbers_taken(expert, "gate", (8, 2 * WIDE, WIDE), 0) == list(range(4))
    assert numbers_taken(expert, "gate", (8, 2 * WIDE, WIDE), 1) == list(range(NARROW))
    assert numbers_taken(expert, "router", (8, WIDE), 0) == list(range(4))


def test_layers_over_maps_take_leading_channels_as_convolutions_do():
    block = MapFeedForward(width=48, side=7, hidden=48)

    assert numbers_taken(block, "inner.gate", (96, 96), 1) == list(range(48))
