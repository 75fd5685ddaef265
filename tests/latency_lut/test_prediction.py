import math
from dataclasses import replace

import numpy as np
import pytest

from latency_lut import Predictor, Store, kept_bytes, touched_bytes
from latency_lut.fit.network_term import CacheTerm, NetworkTerm
from search_spaces import Space, load_space
from tests.latency_lut.networks import (
    PROFILE,
    all_architectures,
    cost_of,
    measure,
    store_in,
    tiny_space,
    true_ns,
)


@pytest.fixture
def two_phases(tmp_path) -> tuple[Space, Store]:
    space = tiny_space(("infer", "learn"))
    with store_in(tmp_path) as store:
        for architecture in all_architectures(space):
            measure(store, space, architecture)
        yield space, store


def test_a_prediction_is_the_sum_of_its_segments(two_phases):
    space, store = two_phases
    predictor = Predictor(space, store.lut(PROFILE.id))
    for architecture in all_architectures(space):
        prediction = predictor.predict(architecture)
        segments = space.segments(architecture)
        for phase, found in zip(space.phases, prediction.phases, strict=True):
            assert found.name == phase.name
            assert found.latency_ns == sum(true_ns(s, phase) for s in segments)
            assert found.low_ns < found.latency_ns < found.high_ns
        costs = [cost_of(s, space.phases[0]) for s in segments]
        assert prediction.params == sum(c.params for c in costs)
        assert prediction.macs == sum(c.macs for c in costs)
        assert prediction.weight_bytes == sum(c.weight_bytes for c in costs)
        assert prediction.missing == prediction.doubtful == ()


def test_memory_is_that_of_the_dearest_phase_with_only_the_largest_peak(two_phases):
    space, store = two_phases
    prediction = Predictor(space, store.lut(PROFILE.id)).predict(space.largest())
    # Sizes 2, 20, 20 and 100: weights 4 a unit, state twice 3 and lasting 1 a segment, and the
    # peak of the head in phase "learn".
    assert prediction.memory_bytes == 4 * 142 + 4 * (2 * 3 + 1) + 30 * 100
    assert prediction.memory_kind == "static"


def test_a_batch_says_the_same_as_one_at_a_time(two_phases):
    space, store = two_phases
    predictor = Predictor(space, store.lut(PROFILE.id))
    architectures = list(all_architectures(space)) * 300  # more than one chunk
    many = predictor.predict_codes(np.stack([space.encode(a) for a in architectures]))
    assert len(many.params) == len(architectures) > 4096
    for i in (0, 7, 2047, 2048, len(architectures) - 1):
        one = predictor.predict(architectures[i])
        assert many.phases[1].high_ns[i] == one.phases[1].high_ns
        assert many.phases[0].latency_ns[i] == one.phases[0].latency_ns
        assert (many.memory_bytes[i], many.macs[i]) == (one.memory_bytes, one.macs)
    assert not many.missing.any()


def test_a_row_with_a_missing_segment_has_no_latency_rather_than_a_part_of_it(store, space):
    measure(store, space, space.smallest())
    predictor = Predictor(space, store.lut(PROFILE.id))
    many = predictor.predict_codes(
        np.stack([space.encode(space.smallest()), space.encode(space.largest())])
    )
    assert many.missing.tolist() == [0, 4]
    assert many.phases[0].latency_ns[0] == 11_000
    assert np.isnan(many.phases[0].latency_ns[1])
    assert np.isnan(many.phases[0].high_ns[1])
    assert np.isnan(many.memory_bytes[1])


def test_a_missing_segment_is_named_once_and_static_costs_are_there_all_the_same(store, space):
    prediction = Predictor(space, store.lut(PROFILE.id)).predict(space.largest())
    assert prediction.missing == (
        "dense(bias=0,size=2)@infer/fp32",
        "dense(bias=1,size=20)@infer/fp32",
        "dense(bias=0,size=100)@infer/fp32",
    )
    assert math.isnan(prediction.phases[0].latency_ns)
    assert prediction.params == 2 * 16 + 2 * 20  # as exported: 4 x 4 weights, 4 of bias
    assert prediction.memory_bytes > 0


def test_flagged_entries_are_used_but_named(store, space):
    measure(store, space, space.smallest(), quality="throttled")
    prediction = Predictor(space, store.lut(PROFILE.id)).predict(space.smallest())
    assert prediction.missing == ()
    assert prediction.doubtful == (
        "dense(bias=0,size=1)@infer/fp32",
        "dense(bias=0,size=10)@infer/fp32",
    )
    assert prediction.phases[0].latency_ns == 11_000


def test_a_prediction_is_the_sum_of_its_segments_and_what_the_whole_network_adds(two_phases):
    """A segment touches its peak bytes and 4 a unit of size, all being read."""
    space, store = two_phases
    lut = store.lut(PROFILE.id)
    term = NetworkTerm(700.0, (CacheTerm(1000.0, 0.5),), CacheTerm(2000.0, 3.0), 20)
    fits = {name: replace(fit, term=term) for name, fit in lut.groups.items()}
    predictor = Predictor(space, replace(lut, groups=fits))
    for architecture in all_architectures(space):
        segments = space.segments(architecture)
        prediction = predictor.predict(architecture)
        for phase, found in zip(space.phases, prediction.phases, strict=True):
            touched = sum(touched_bytes(cost_of(s, phase)) for s in segments)
            kept = sum(kept_bytes(cost_of(s, phase)) for s in segments)
            whole_ns = 700 + 0.5 * max(0, touched - 1000) + 3 * touched * max(0, 1 - 2000 / kept)
            expected = sum(true_ns(s, phase) for s in segments) + whole_ns
            assert found.latency_ns == pytest.approx(expected)
        many = predictor.predict_codes(space.encode(architecture)[None])
        assert many.phases[0].latency_ns[0] == prediction.phases[0].latency_ns


def test_a_network_with_one_segment_more_is_never_predicted_to_be_faster(two_phases):
    space, store = two_phases
    lut = store.lut(PROFILE.id)
    term = NetworkTerm(9.0, (CacheTerm(100.0, 2.0),), CacheTerm(200.0, 2.0), 20)
    fits = {name: replace(fit, term=term) for name, fit in lut.groups.items()}
    predictor = Predictor(space, replace(lut, groups=fits))
    compared = 0
    for architecture in all_architectures(space):
        if architecture.choices["head"]:
            continue
        larger = space.architecture({**architecture.choices, "head": True})
        small, large = (predictor.predict(a).phases for a in (architecture, larger))
        for before, after in zip(small, large, strict=True):
            assert after.latency_ns > before.latency_ns
            assert after.high_ns > before.high_ns
            compared += 1
    assert compared == 2 * space.count() / 2


def test_the_interval_joins_entry_errors_and_the_common_one(store, space):
    measure(store, space, space.smallest())
    lut = store.lut(PROFILE.id)
    halves = [entry.high_ns - entry.latency_ns for entry in lut.entries.values()]
    phase = Predictor(space, lut).predict(space.smallest()).phases[0]
    assert lut.group(space.name, space.phases[0].key).common_error.half_width == 0.10
    expected = math.sqrt(sum(h * h for h in halves) + 1100**2)
    assert phase.high_ns - 11_000 == pytest.approx(expected)
    assert phase.low_ns == pytest.approx(11_000 - expected)


def test_memory_is_calibrated_once_eight_networks_were_measured(store, space):
    def predicted():
        return Predictor(space, store.lut(PROFILE.id)).predict(space.smallest())

    first, *others = list(all_architectures(space))[:8]
    for architecture in others:
        measure(store, space, architecture, peak_bytes=2_000_000)
    assert predicted().memory_kind == "static"
    assert predicted().memory_high_bytes is None
    measure(store, space, first, peak_bytes=2_000_000)
    assert predicted().memory_kind == "calibrated"
    assert predicted().memory_bytes == pytest.approx(2_000_000, rel=0.1)
    assert predicted().memory_low_bytes <= predicted().memory_bytes <= predicted().memory_high_bytes


def test_a_lut_without_any_entry_predicts_nothing_for_a_real_space(store):
    space = load_space("mobile")
    rng = np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(10)]
    codes = np.stack([space.encode(a) for a in architectures])
    many = Predictor(space, store.lut(PROFILE.id)).predict_codes(codes)
    assert np.isnan(many.phases[0].latency_ns).all()
    assert many.missing.tolist() == [len(space.segments(a)) for a in architectures]
