from collections import Counter

import numpy as np
import pytest

from latency_lut import next_carrier, sharpening_carrier
from search_spaces import Architecture, Space, load_space
from tests.latency_lut.networks import wide_space


def keys_of(space: Space, architecture: Architecture) -> set[str]:
    return {s.key(phase) for s in space.segments(architecture) for phase in space.phases}


def run_campaign(space: Space, contexts: int, seed: int = 0) -> tuple[int, Counter[str]]:
    rng = np.random.default_rng(seed)
    seen: Counter[str] = Counter()
    carriers = 0
    while (carrier := next_carrier(space, seen, "fp32", rng, contexts)) is not None:
        seen.update(keys_of(space, carrier))
        carriers += 1
        assert carriers <= 2000
    return carriers, seen


def space_keys(space: Space) -> set[str]:
    blocks = {b for place in space.places for _, b in space.blocks_at(place)} - {None}
    return {f"{b.key}@{phase.key}/fp32" for b in blocks for phase in space.phases}


@pytest.mark.parametrize("contexts", [1, 3])
def test_a_campaign_ends_with_every_segment_seen_often_enough(space, contexts):
    _, seen = run_campaign(space, contexts)
    assert seen.keys() == space_keys(space)
    assert min(seen.values()) >= contexts


def test_a_campaign_on_mobile_at_one_resolution_and_width_sees_ten_segments_a_carrier():
    space = load_space("mobile").restricted({"resolution": [112], "width": [1.0]})
    carriers, seen = run_campaign(space, 1)
    assert len(seen) == len(space_keys(space)) == 182
    # Each network shows one of the 18 first blocks of a stage, so no campaign can do with less.
    assert carriers == 18


def test_two_contexts_of_every_segment_of_mobile_take_one_carrier_for_five_keys():
    space = load_space("mobile").restricted({"resolution": [112], "width": [1.0]})
    carriers, seen = run_campaign(space, 2)
    assert min(seen.values()) >= 2
    assert len(seen) == 182
    assert carriers <= 182 // 5


@pytest.mark.parametrize("seed", range(3))
def test_carriers_are_of_every_size(seed):
    """What a whole network does to its segments is learnt from small ones and large ones."""
    space = load_space("mobile").restricted({"resolution": [112], "width": [1.0]})
    rng, seen, sizes = np.random.default_rng(seed), Counter(), []
    while (carrier := next_carrier(space, seen, "fp32", rng, 2)) is not None:
        seen.update(keys_of(space, carrier))
        sizes.append(len(space.segments(carrier)))
    smallest, largest = (len(space.segments(a)) for a in (space.smallest(), space.largest()))
    assert len(set(sizes)) >= 6
    assert min(sizes) < (smallest + largest) / 2 < max(sizes)


def test_the_network_that_sharpens_most_holds_the_segment_with_most_to_gain(space):
    wanted = "dense(bias=1,size=20)@infer/fp32"
    gains = {key: 1.0 for key in space_keys(space)} | {wanted: 100.0}
    for seed in range(5):
        carrier = sharpening_carrier(space, gains, "fp32", np.random.default_rng(seed))
        assert wanted in keys_of(space, carrier)


def test_where_nothing_is_to_be_gained_no_network_is(space):
    rng = np.random.default_rng(0)
    assert sharpening_carrier(space, {}, "fp32", rng) is None
    assert sharpening_carrier(space, dict.fromkeys(space_keys(space), 0.0), "fp32", rng) is None
    assert sharpening_carrier(space, dict.fromkeys(space_keys(space), 1.0), "int8", rng) is None


def test_a_network_that_sharpens_gains_most_of_what_one_network_can():
    space = load_space("mobile").restricted({"resolution": [112], "width": [1.0]})
    rng = np.random.default_rng(0)
    gains = {key: float(rng.exponential()) for key in sorted(space_keys(space))}

    def gain(architecture: Architecture) -> float:
        return sum(gains[key] for key in keys_of(space, architecture))

    drawn = max(gain(space.sample(rng)) for _ in range(500))
    found = [gain(sharpening_carrier(space, gains, "fp32", rng)) for _ in range(10)]
    assert max(found) > drawn
    assert min(found) > drawn / 2


def test_a_campaign_on_language_sees_both_phases_in_few_carriers():
    space = load_space("language")
    carriers, seen = run_campaign(space, 1)
    assert seen.keys() == space_keys(space)
    assert carriers <= len(seen) / 2 / 5


def test_a_segment_never_seen_goes_before_any_seen_once(space):
    seen = Counter(dict.fromkeys(space_keys(space), 1))
    lacking = "dense(bias=1,size=20)@infer/fp32"
    del seen[lacking]
    carrier = next_carrier(space, seen, "fp32", np.random.default_rng(0), 2)
    assert lacking in keys_of(space, carrier)


def test_what_is_avoided_stays_out_before_what_is_only_unneeded():
    space = wide_space(places=4, options=4)
    keys = {
        place.name: [f"{block.key}@infer/fp32" for _, block in space.blocks_at(place)]
        for place in space.places
    }
    sought, *others = keys["place2"]
    rest = {key for name in keys for key in keys[name]} - {sought}
    avoided = {keys["place0"][1], keys["place3"][2], others[0]}
    seen = dict.fromkeys(rest, 1)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        carrier = next_carrier(space, seen, "fp32", rng, 1, avoided, rest)
        assert sought in keys_of(space, carrier)
        assert not keys_of(space, carrier) & avoided


def test_a_key_of_another_precision_does_not_count(space):
    seen = {key: 9 for key in space_keys(space)}
    rng = np.random.default_rng(0)
    assert next_carrier(space, seen, "fp32", rng) is None
    assert next_carrier(space, seen, "int8", rng) is not None


def test_the_same_seed_plans_the_same_campaign():
    space = load_space("mobile")
    first = next_carrier(space, {}, "fp32", np.random.default_rng(7))
    assert first == next_carrier(space, {}, "fp32", np.random.default_rng(7))


def test_a_space_of_one_network_is_planned_once_for_each_context():
    space = load_space("mobile")
    narrow = space.restricted({c.name: c.values[:1] for c in space.choices})
    assert narrow.count() == 1
    carriers, _ = run_campaign(narrow, 2)
    assert carriers == 2
