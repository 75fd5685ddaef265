import pytest

from search_spaces import (
    BUILT_IN,
    InvertedResidual,
    SegmentExporter,
    Space,
    SpaceError,
    check_precision,
    load_space,
)
from search_spaces.blocks.attention import Attention
from search_spaces.blocks.mcsd import Clock
from search_spaces.blocks.over_map import MapAttention
from search_spaces.precision import is_sequential


def test_the_built_in_spaces_tell_their_precisions():
    found = {name: load_space(name).precisions for name in BUILT_IN}

    assert found == {
        "hybrid": ("fp32", "int8"),
        "language": ("fp32", "int8", "int4"),
        "mobile": ("fp32", "int8"),
    }


def test_a_space_that_says_nothing_comes_in_fp32(small_space: Space):
    assert small_space.precisions == ("fp32",)


def test_a_space_keeps_its_precisions_when_it_is_restricted():
    assert load_space("mobile").restricted({"width": [0.5]}).precisions == ("fp32", "int8")


def test_a_precision_that_does_not_exist_is_told_with_those_that_do():
    with pytest.raises(SpaceError, match=r"no precision 'int3' here; there are: fp32, int8, int4"):
        check_precision("int3")
    with pytest.raises(SpaceError, match="no precision 'int4' here; there are: fp32, int8"):
        check_precision("int4", ("fp32", "int8"))
    with pytest.raises(SpaceError, match="'int3'"):
        SegmentExporter("int3")


def test_a_space_cannot_promise_a_precision_that_does_not_exist(small_space: Space):
    with pytest.raises(SpaceError, match="'fp8'"):
        Space(
            name="new",
            task=small_space.task,
            choices=small_space.choices,
            places=small_space.places,
            precisions=("fp32", "fp8"),
        )


def test_blocks_are_sequential_when_some_size_is_a_symbol():
    image = InvertedResidual(
        in_channels=8, out_channels=8, side=6, stride=1, kernel=3, expansion=3, squeeze_excite=True
    )
    assert [is_sequential(b) for b in (Attention(width=64, heads=2), Clock(context=16))] == [
        True
    ] * 2
    assert [is_sequential(b) for b in (image, MapAttention(width=32, heads=2, side=4))] == [
        False
    ] * 2
