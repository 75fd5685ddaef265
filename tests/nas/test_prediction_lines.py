import json

import pytest

from device_agents import Energy
from latency_lut import Predictor
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from nas.prediction_lines import measurement_line, prediction_line
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import ArithmeticSession, arithmetic_rig

SHARED = "id latency_ms low_ms high_ms memory_mib params macs".split()


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    """Of a space with two phases, its LUT complete."""
    with arithmetic_rig(tmp_path, tiny_space(phases=("infer", "learn")), session) as opened:
        profile(Crew([opened]))
        yield opened


def test_a_prediction_has_the_fields_of_the_contract(rig):
    largest = rig.space.largest()
    prediction = Predictor(rig.space, rig.store.lut(rig.profile.id)).predict(largest)
    line = prediction_line(largest, prediction)
    assert {*SHARED, "missing"} <= line.keys()
    assert line["id"] == largest.id
    assert line["missing"] == []
    assert line["latency_ms"] == pytest.approx(prediction.phases[0].latency_ns / 1e6)
    assert line["learn_ms"] == pytest.approx(prediction.phases[1].latency_ns / 1e6)
    assert line["low_ms"] <= line["latency_ms"] <= line["high_ms"]
    assert json.loads(json.dumps(line)) == line


def test_where_segments_are_missing_latencies_are_null_but_sizes_are_there(tmp_path):
    space = tiny_space(phases=("infer", "learn"))
    with arithmetic_rig(tmp_path, space) as empty:
        predictor = Predictor(space, empty.store.lut(empty.profile.id))
    line = prediction_line(space.largest(), predictor.predict(space.largest()))
    assert [line[f"{name}_ms"] for name in ("latency", "low", "high", "learn")] == [None] * 4
    assert "dense(bias=0,size=2)@infer/fp32" in line["missing"]
    assert len(line["missing"]) == 2 * 3
    assert line["params"] == 2 * (4 * 4 + 4) + 2 * 4 * 4
    assert line["memory_mib"] > 0


def test_a_measurement_has_the_fields_of_the_contract(rig, session):
    session.peak_bytes = 2 * 2**20
    largest = rig.space.largest()
    record = rig.measure(largest, purpose="measure")
    line = measurement_line(largest, rig, record)
    assert {*SHARED, "p90_ms", "runs", "quality"} <= line.keys()
    assert line["latency_ms"] == pytest.approx(record.phases[0].latency_ns / 1e6)
    assert line["learn_ms"] == pytest.approx(record.phases[1].latency_ns / 1e6)
    assert (line["memory_mib"], line["runs"], line["quality"]) == (2.0, 30, "good")


def test_a_measurement_tells_the_energy_of_a_run_or_why_there_is_none(rig, session):
    largest = rig.space.largest()
    line = measurement_line(largest, rig, rig.measure(largest, purpose="measure"))
    assert (line["energy_mj"], line["learn_energy_over_idle_mj"]) == (None, None)
    assert line["energy_absent"] == "no sensor: none was made"
    session.energy = Energy(
        sensor="pmic", energy_uj=9_000, idle_uw=2_000_000, run_ns=1_500_000, runs=2_000
    )
    line = measurement_line(largest, rig, rig.measure(largest, purpose="measure"))
    assert (line["energy_mj"], line["energy_over_idle_mj"]) == pytest.approx((9.0, 6.0))
    assert line["learn_energy_mj"] == pytest.approx(9.0)
    assert line["energy_absent"] is None


def test_prediction_and_measurement_agree_on_sizes(rig):
    largest = rig.space.largest()
    predictor = Predictor(rig.space, rig.store.lut(rig.profile.id))
    predicted = prediction_line(largest, predictor.predict(largest))
    measured = measurement_line(largest, rig, rig.measure(largest, purpose="measure"))
    assert (measured["params"], measured["macs"]) == (predicted["params"], predicted["macs"])
    assert measured["latency_ms"] == pytest.approx(predicted["latency_ms"])


def test_a_measurement_on_a_slow_day_tells_the_clock_and_the_usual_state(rig, session):
    session.slowness = 1.25
    largest = rig.space.largest()
    line = measurement_line(largest, rig, rig.measure(largest, purpose="measure"))
    assert line["canary_scale"] == pytest.approx(0.8)
    assert line["latency_ms"] == pytest.approx(0.8 * line["raw_ms"])
    assert line["median_ms"] == pytest.approx(line["latency_ms"])


def test_a_device_that_cannot_measure_memory_gives_null(rig):
    record = rig.measure(rig.space.smallest(), purpose="measure")
    assert measurement_line(rig.space.smallest(), rig, record)["memory_mib"] is None
