from dataclasses import replace

import numpy as np
import pytest

from latency_lut import Lut, Predictor, Store
from latency_lut.block_index import block_index
from latency_lut.interpolation import INTERPOLATED, interpolate
from search_spaces import Choice, CostTable, Place, SegmentExporter, Space
from tests.latency_lut.filled_lut import filled
from tests.latency_lut.networks import Dense, tiny_space

SIZES = (1, 2, 4, 8, 16)


def sized(sizes=SIZES, places=1) -> Space:
    """So many places, each with one block that comes in these sizes."""

    def place(number: int) -> Place:
        return Place(
            f"place{number}",
            (f"size{number}",),
            lambda values: Dense(size=1000 * number + values[f"size{number}"]),
        )

    return replace(
        tiny_space(),
        name="sized",
        choices=tuple(Choice(f"size{n}", tuple(sizes)) for n in range(places)),
        places=tuple(place(n) for n in range(places)),
    )


def key(size: int) -> str:
    return f"dense(bias=0,size={size})@infer/fp32"


def power_law(block, _phase) -> int:
    return round(50_000 * (block.size % 1000) ** 0.7)


def without(lut: Lut, *keys: str) -> Lut:
    return replace(lut, entries={k: e for k, e in lut.entries.items() if k not in keys})


def between(space: Space, lut: Lut):
    return interpolate(block_index(space, "fp32"), lut.entries, lut.costs)


def test_what_was_never_measured_lies_on_the_line_between_its_neighbours(store: Store):
    space = sized()
    found = between(space, without(filled(store, space, power_law), key(4)))
    (entry,) = (one.entry for one in found.values())
    assert entry.key == key(4)
    assert entry.latency_ns == pytest.approx(50_000 * 4**0.7, rel=1e-4)
    assert (entry.quality, entry.carriers, entry.samples_ns) == (INTERPOLATED, 0, ())


def test_nothing_is_said_beyond_what_was_measured(store: Store):
    space = sized()
    lut = without(filled(store, space, power_law), key(1), key(16))
    assert between(space, lut) == {}
    assert Predictor(space, lut).predict(space.smallest()).missing == (key(1),)


def test_the_nearest_neighbours_count_and_not_the_ends(store: Store):
    """Beside the line through the ends: what is near is on a line of its own."""
    space, ns = sized(), {1: 10, 2: 100, 4: 200, 8: 400, 16: 9_000_000}
    lut = without(filled(store, space, lambda block, _: ns[block.size]), key(4))
    assert between(space, lut)[key(4)].entry.latency_ns == 200


def test_several_in_a_row_lie_on_one_line(store: Store):
    space = sized()
    found = between(space, without(filled(store, space, power_law), key(2), key(4), key(8)))
    times = [found[key(size)].entry.latency_ns for size in (2, 4, 8)]
    assert times == pytest.approx([50_000 * size**0.7 for size in (2, 4, 8)], rel=1e-4)


def test_the_interval_is_wider_than_that_of_either_neighbour(store: Store):
    space = sized()
    lut = without(filled(store, space, power_law, spread=0.05), key(4))
    entry = between(space, lut)[key(4)].entry
    # 5 % of the neighbours and 30 % that are assumed until twenty lines could be checked.
    half = (0.05**2 + 0.30**2) ** 0.5
    assert entry.high_ns == pytest.approx(entry.latency_ns * (1 + half), rel=1e-4)
    assert entry.low_ns == pytest.approx(entry.latency_ns * (1 - half), rel=1e-4)


def test_how_far_lines_miss_is_learnt_where_all_three_were_measured(store: Store):
    """Ten places with three sizes between two others each: thirty lines, all but one checked."""
    space, rng = sized(places=10), np.random.default_rng(0)
    miss = {size: float(rng.choice([0.9, 1.1])) for size in range(1000 * 10)}

    def bent(block, phase) -> int:
        return round(power_law(block, phase) * miss[block.size])

    straight, crooked = (
        between(space, without(filled(store, space, law), key(4)))[key(4)].entry
        for law in (power_law, bent)
    )
    assert straight.high_ns == pytest.approx(straight.latency_ns * 1.01, rel=1e-3)
    assert 0.10 < crooked.high_ns / crooked.latency_ns - 1 < 0.30


def test_choices_that_are_no_sizes_are_not_interpolated(store: Store):
    space = sized(sizes=(False, True, 2))
    lut = without(filled(store, space, lambda *_: 100), key(1))
    assert between(space, lut) == {}


def test_a_line_needs_values_above_zero(store: Store):
    space = sized(sizes=(0, 3, 9))
    lut = without(filled(store, space, lambda *_: 100), key(3))
    assert between(space, lut) == {}


def test_a_prediction_names_what_was_interpolated_and_is_complete(store: Store):
    space = sized()
    lut = without(filled(store, space, power_law), key(4))
    predictor = Predictor(space, lut)
    architecture = space.architecture({"size0": 4})
    prediction = predictor.predict(architecture)
    assert prediction.interpolated == (key(4),)
    assert prediction.missing == prediction.doubtful == ()
    assert prediction.phases[0].latency_ns == pytest.approx(50_000 * 4**0.7, rel=1e-4)
    many = predictor.predict_codes(
        np.stack([space.encode(architecture), space.encode(space.smallest())])
    )
    assert many.interpolated.tolist() == [1, 0]
    assert many.missing.tolist() == many.doubtful.tolist() == [0, 0]


def test_static_costs_lie_between_too_and_are_worked_out_for_one_network(store: Store):
    """So a search sees memory and size of such networks, and may propose them."""
    space = sized()
    whole = filled(store, space, power_law)
    lut = replace(
        without(whole, key(4)), costs={k: c for k, c in whole.costs.items() if k != key(4)}
    )
    architecture = space.architecture({"size0": 4})
    known, guessed = (
        Predictor(space, of).predict_codes(space.encode(architecture)[None]) for of in (whole, lut)
    )
    assert guessed.memory_bytes == pytest.approx(known.memory_bytes, rel=0.01)
    assert guessed.params == pytest.approx(known.params, rel=0.01)
    assert guessed.macs == pytest.approx(known.macs, rel=0.01)
    (segment,) = space.segments(architecture)
    exported = CostTable(SegmentExporter("fp32"))(segment.block, space.phases[0])
    assert Predictor(space, lut).predict(architecture).params == exported.params
