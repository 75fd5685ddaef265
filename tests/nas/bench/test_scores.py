import numpy as np
import pytest

from nas.bench.scores import score


def test_errors_are_shares_of_the_truth_and_guesses_too_large_are_a_bias_above_0():
    found = score(np.array([104.0, 92.0, 120.0]), np.array([100.0, 100.0, 100.0]))
    assert found["MAPE"] == pytest.approx((0.04 + 0.08 + 0.20) / 3)
    assert found["bias"] == pytest.approx((0.04 - 0.08 + 0.20) / 3)
    assert found["within 5 %"] == pytest.approx(1 / 3)
    assert found["within 10 %"] == pytest.approx(2 / 3)


def test_networks_without_an_answer_are_left_out_and_not_counted():
    found = score(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 3.0]))
    assert found["networks"] == 2
    assert found["MAPE"] == 0.0
    assert found["Spearman"] == pytest.approx(1)


def test_nothing_is_made_up_where_nothing_was_answered():
    found = score(np.array([np.nan]), np.array([1.0]))
    assert found["networks"] == 0
    assert found["MAPE"] is found["Spearman"] is None
