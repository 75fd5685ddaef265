import pytest

from nas.lut_bench import compare, time_prediction
from nas.profiling import profile
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import ArithmeticSession, arithmetic_rig


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    with arithmetic_rig(tmp_path, tiny_space(phases=("infer", "learn")), session) as opened:
        profile(opened)
        yield opened


def test_a_device_without_noise_is_predicted_without_error(rig):
    rows = compare(rig, networks=8, seed=1)
    assert [(row["phase"], row["against the first measurement"]) for row in rows] == [
        *(("infer", "LUT"), ("infer", "measured again")),
        *(("learn", "LUT"), ("learn", "measured again")),
    ]
    for row in rows:
        assert row["networks"] == 8
        assert row["mean |error|"] == pytest.approx(0, abs=1e-9)
        assert row["bias"] == pytest.approx(0, abs=1e-9)
        assert row["within 5 %"] == row["within 15 %"] == 1.0
        assert row["Spearman"] == pytest.approx(1)
    assert rows[0]["in interval"] == 1.0
    assert rows[1]["in interval"] is None


def test_a_device_that_became_slower_unseen_shows_as_bias_of_the_lut(rig, session):
    session.slowness, session.canary_slowness = 1.25, 1.0
    infer = compare(rig, networks=5, seed=1)[0]
    assert infer["bias"] == pytest.approx(-0.2, abs=1e-3)
    assert infer["within 15 %"] == 0.0
    assert infer["Spearman"] == pytest.approx(1)


def test_networks_are_only_timed_so_that_the_lut_stays_as_it_was(rig, session):
    before, told = rig.store.lut(rig.profile.id).entries, []
    session.jobs.clear()
    compare(rig, networks=3, seed=1, on_network=told.append)
    assert rig.store.lut(rig.profile.id).entries == before
    assert {job.kind for job in session.jobs} == {"time"}
    assert told == [1, 2, 3, 1, 2, 3]


def test_the_speed_of_prediction_is_told_with_what_it_rests_on(rig):
    lut = rig.store.lut(rig.profile.id)
    found = time_prediction(rig.space, lut, "fp32", seed=0)
    assert found["entries"] == len(lut.entries) == 14
    assert found["complete"] == 1.0
    assert 0 < found["slowest round"] <= found["architectures/s"]
