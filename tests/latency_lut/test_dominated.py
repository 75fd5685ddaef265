from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from latency_lut import Lut, domination
from search_spaces import Block, Choice, Phase, Place, SegmentCost, Space, hybrid, mobile
from tests.latency_lut.filled_lut import COST, filled
from tests.latency_lut.networks import PROFILE, Dense, tiny_space


def by_bias(block: Block, phase: Phase) -> int:
    return 1200 if block.bias else 1000


def middles(lut: Lut, space: Space) -> dict[str, tuple[str, str, int, int]]:
    found = domination(space, lut).choices
    return {", ".join(c.places): (c.choice, c.by, c.contexts, c.compared) for c in found}


def test_what_is_slower_with_no_more_to_learn_with_is_dominated_in_every_context(store, space):
    lut = filled(store, space, by_bias)
    assert middles(lut, space) == {
        "middle1": ("bias1=true", "bias1=false", 2, 2),
        "middle2": ("bias2=true", "bias2=false", 2, 2),
    }
    assert domination(space, lut).choices[0].faster_share == pytest.approx(200 / 1200)


def test_a_dominated_segment_names_the_one_that_is_better(store, space):
    assert domination(space, filled(store, space, by_bias)).by_key == {
        f"dense(bias=1,size={size})@infer/fp32": f"dense(bias=0,size={size})@infer/fp32"
        for size in (10, 20)
    }


def test_noise_does_not_decide(store, space):
    assert middles(filled(store, space, by_bias, spread=0.08), space)
    assert not middles(filled(store, space, by_bias, spread=0.1), space)


@pytest.mark.parametrize("more", ["params", "macs"])
def test_what_is_slower_but_larger_is_not_dominated(store, space, more):
    def cost(block: Block) -> SegmentCost:
        return replace(COST, **{more: 11}) if block.bias else replace(COST, **{more: 10})

    assert not middles(filled(store, space, by_bias, cost=cost), space)


def test_only_good_entries_are_compared(store, space):
    def quality(block: Block) -> str:
        return "noisy" if block.bias and block.size == 10 else "good"

    lut = filled(store, space, by_bias, quality=quality)
    assert middles(lut, space)["middle1"] == ("bias1=true", "bias1=false", 1, 1)


def test_a_segment_that_was_never_measured_is_not_compared(store, space):
    lut = filled(store, space, by_bias)
    known = {k: e for k, e in lut.entries.items() if k != "dense(bias=1,size=10)@infer/fp32"}
    found = middles(replace(lut, entries=known), space)
    assert found["middle1"] == ("bias1=true", "bias1=false", 1, 1)


def test_a_choice_may_be_dominated_in_some_contexts_only(store, space):
    def latency_ns(block: Block, phase: Phase) -> int:
        return 1200 if block.bias and block.size == 10 else 1000

    lut = filled(store, space, latency_ns)
    assert middles(lut, space)["middle1"] == ("bias1=true", "bias1=false", 1, 2)


def test_it_must_be_slower_in_every_phase(store):
    def latency_ns(block: Block, phase: Phase) -> int:
        return 1200 if block.bias and phase.name == "infer" else 1000

    space = tiny_space(("infer", "learn"))
    assert not middles(filled(store, space, latency_ns), space)
    both = filled(store, space, by_bias)
    assert middles(both, space)
    assert len(domination(space, both).by_key) == 4


def test_an_empty_lut_dominates_nothing(store, space):
    found = domination(space, store.lut(PROFILE.id))
    assert (found.choices, dict(found.by_key)) == ((), {})


def test_a_choice_that_others_depend_on_too_is_a_context_and_not_compared(store, space):
    """The size of the tiny space changes what stands elsewhere."""
    lut = filled(store, space, lambda block, _: 1000 * block.size)
    assert not middles(lut, space)


@dataclass(frozen=True, kw_only=True)
class Fed(Dense):
    """Reads a wire more than others."""

    family: ClassVar[str] = "fed"
    reads: ClassVar[tuple[str, ...]] = ("x", "tokens")

    def specs(self) -> Mapping[str, object]:
        return {name: super(Fed, self).specs()["x"] for name in self.reads}


def test_a_block_with_other_inputs_is_not_compared(store, space):
    def mixed(family: type[Dense]) -> Space:
        place = Place("one", ("kind",), lambda v: Dense(size=1) if v["kind"] else family(size=2))
        return Space(
            name="mixed", task=space.task, choices=(Choice("kind", (0, 1)),), places=(place,)
        )

    for family, count in ((Dense, 1), (Fed, 0)):
        one = mixed(family)
        lut = filled(store, one, lambda block, _: 1000 * block.size)
        assert len(domination(one, lut).choices) == count


def test_places_with_the_same_blocks_are_told_together_and_by_their_own_choices(store):
    space = mobile().restricted({"width": [1.0], "resolution": [80, 112]})

    def latency_ns(block: Block, phase: Phase) -> int:
        return 2000 if getattr(block, "squeeze_excite", False) else 1000

    found = domination(space, filled(store, space, latency_ns)).choices
    repeated = [c for c in found if "stage2.block2" in c.places]
    assert {c.places for c in repeated} == {tuple(f"stage2.block{n}" for n in (2, 3, 4))}
    assert len(repeated) == 9  # three kernels and three expansions, each without better
    assert all("squeeze_excite=true" in c.choice for c in repeated)
    assert all("squeeze_excite=false" in c.by for c in repeated)
    assert {(c.contexts, c.compared) for c in repeated} == {(2, 2)}


def test_contexts_with_the_same_blocks_count_once(store):
    """Resolutions of one family have maps of the same sides behind the stem."""
    space = mobile().restricted({"width": [1.0], "resolution": [80, 112, 224]})

    def latency_ns(block: Block, phase: Phase) -> int:
        return 2000 if getattr(block, "squeeze_excite", False) else 1000

    found = domination(space, filled(store, space, latency_ns)).choices
    assert {c.compared for c in found} == {2}


def test_only_choices_with_an_effect_are_named(store):
    """Where an MCSD mixer stands, the kernel of a convolution in its place means nothing."""
    space = hybrid().restricted({"width": [1.0], "resolution": [112]})

    def latency_ns(block: Block, phase: Phase) -> int:
        return 2000 if getattr(block, "channels", 4) == 8 else 1000

    (mixer,) = [
        c
        for c in domination(space, filled(store, space, latency_ns)).choices
        if "stage4.block2" in c.places
    ]
    assert (mixer.choice, mixer.by) == ("channels=8", "channels=4")
    assert mixer.places == ("stage4.block2", "stage4.block3", "stage4.block4")


def test_of_several_better_ones_the_one_of_most_contexts_is_named(store, space):
    def choose(values: Mapping[str, object]) -> Block:
        return Dense(size=10 * int(values["kind"]) + int(values["where"]))

    kinds, where = Choice("kind", (1, 2, 3)), Choice("where", (0, 1))
    both = (Place("one", ("kind", "where"), choose),)
    other = (Place("two", ("where",), lambda v: Dense(size=100 + int(v["where"]))),)
    space = Space(name="three", task=space.task, choices=(kinds, where), places=both + other)
    times = {10: 3000, 11: 3000, 20: 2000, 21: 2000, 30: 1000, 31: 3000, 100: 1, 101: 1}
    lut = filled(store, space, lambda block, _: times[block.size])
    choices = {c.choice: (c.by, c.contexts, c.compared) for c in domination(space, lut).choices}
    assert choices == {
        "kind=1": ("kind=2", 2, 2),
        "kind=2": ("kind=3", 1, 2),
        "kind=3": ("kind=2", 1, 2),
    }
    better = domination(space, lut).by_key["dense(bias=0,size=10)@infer/fp32"]
    assert better == "dense(bias=0,size=30)@infer/fp32"  # the fastest where that segment stands
