import pytest

from nas.bench.baselines import hand_made
from nas.errors import BadInput
from search_spaces import ImageTask, load_space

SMALL = ImageTask(channels=1, classes=10, resolution_px=28)


def by_name(made):
    return {member.name: member.architecture for member in made.members}


def blocks(architecture, stage):
    """Kernel, expansion, squeeze and excite of a stage's blocks."""
    return [
        tuple(
            architecture[f"stage{stage}.block{number}.{choice}"]
            for choice in ("kernel", "expansion", "squeeze_excite")
        )
        for number in range(1, architecture[f"stage{stage}.depth"] + 1)
    ]


@pytest.mark.parametrize(
    ("reference", "task", "count"),
    [("mobile", None, 3 * 8 * 3), ("mobile", SMALL, 3 * 2 * 3), ("language", None, 2 * 4 * 4)],
)
def test_each_kind_comes_once_at_every_size_of_the_space(reference, task, count):
    space = load_space(reference, task)
    made = hand_made(reference, space)
    assert len(by_name(made)) == len({a.id for a in by_name(made).values()}) == count
    assert made.left_out == ()
    for architecture in by_name(made).values():
        assert space.parse(architecture.to_json()) == architecture
        assert space.segments(architecture)


def test_a_uniform_network_has_one_kind_of_block():
    architecture = by_name(hand_made("mobile", load_space("mobile", SMALL)))[
        "uniform 3x3 e6, 28 px x0.75"
    ]
    assert (architecture["resolution"], architecture["width"]) == (28, 0.75)
    assert {b for stage in range(1, 6) for b in blocks(architecture, stage)} == {(3, 6, False)}


def test_the_mobilenets_have_the_depths_kernels_and_squeezes_of_their_papers():
    made = by_name(hand_made("mobile", load_space("mobile", SMALL)))
    v2, v3 = (made[f"MobileNetV{version}-like, 28 px x1.0"] for version in (2, 3))
    assert [len(blocks(v2, stage)) for stage in range(1, 6)] == [2, 3, 4, 3, 3]
    assert [len(blocks(v3, stage)) for stage in range(1, 6)] == [2, 3, 4, 2, 3]
    assert blocks(v3, 2) == [(5, 3, True)] * 3
    assert blocks(v3, 3) == [(3, 6, False), *[(3, 3, False)] * 3]
    assert blocks(v3, 5) == [(5, 6, True)] * 3


def test_decoders_have_one_mixer_and_dense_feed_forwards_of_four_times_the_width():
    made = by_name(hand_made("language", load_space("language")))
    for family, mixer in (("attention decoder", "attention"), ("dense MCSD decoder", "mcsd")):
        architecture = made[f"{family}, 3 x 192"]
        layers = {
            tuple(architecture[f"layer{n}.{c}"] for c in ("mixer", "feed_forward", "dense_ratio"))
            for n in (1, 2, 3)
        }
        assert layers == {(mixer, "dense", 4)}
        assert (architecture["layers"], architecture["width"]) == (3, 192)


def test_a_restricted_space_leaves_out_what_it_does_not_hold_and_keeps_the_ids():
    whole = load_space("mobile", SMALL)
    no_squeeze = {c.name: (False,) for c in whole.choices if c.name.endswith("squeeze_excite")}
    made = hand_made("mobile", whole.restricted({"width": (0.5, 1.0), **no_squeeze}))
    assert len(made.members) == 2 * 2 * 2
    assert len(made.left_out) == 18 - 8
    assert "MobileNetV3-like, 20 px x0.5" in made.left_out
    assert by_name(made).items() <= by_name(hand_made("mobile", whole)).items()


def test_choices_that_a_restriction_drops_do_not_matter():
    whole = load_space("mobile", SMALL)
    two_blocks = {f"stage{stage}.depth": (2,) for stage in range(1, 6)}
    made = hand_made("mobile", whole.restricted(two_blocks))
    assert {member.family for member in made.members} == {"uniform 3x3 e6"}


def test_where_there_is_nothing_to_compare_with_it_says_so():
    with pytest.raises(BadInput, match="no hand-made networks of space 'hybrid'"):
        hand_made("hybrid", load_space("hybrid"))
    shallow = load_space("mobile").restricted({"stage1.depth": (1,)})
    with pytest.raises(BadInput, match="holds none of its 72 hand-made networks"):
        hand_made("mobile", shallow)
