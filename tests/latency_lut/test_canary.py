import pytest

from latency_lut.canary import canary_state


def test_a_slow_canary_makes_a_record_faster():
    state = canary_state([100, 100, 200])
    assert state.scale(200) == 0.5
    assert state.scale(50) == 2.0


def test_without_a_canary_nothing_is_scaled():
    assert canary_state([]).scale(123) == 1.0
    assert canary_state([100]).scale(None) == 1.0


def test_slow_drift_is_not_noise():
    drifting = canary_state([1000 + i for i in range(200)])
    jumping = canary_state([1000 + 200 * (i % 2) for i in range(200)])
    assert drifting.spread < 0.002
    assert jumping.spread == pytest.approx(1.4826 * 200 / 2**0.5 / 1100)
