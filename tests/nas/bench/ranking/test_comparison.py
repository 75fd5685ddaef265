import numpy as np
import pytest

from nas.accuracy.estimator import Quality
from nas.bench.ranking.comparison import RankedNetwork, compared
from search_spaces import mobile


def networks(shared, alone, name="accuracy"):
    space, rng = mobile(), np.random.default_rng(0)

    def quality(value):
        return Quality(name=name, value=value, standard_error=0.01, samples=100)

    return [
        RankedNetwork(
            architecture=space.sample(rng), shared=quality(a), alone=quality(b), alone_s=60.0
        )
        for a, b in zip(shared, alone, strict=True)
    ]


def test_the_same_order_is_a_tau_of_one_and_no_regret():
    found = compared(networks([0.1, 0.2, 0.3, 0.35], [0.8, 0.85, 0.9, 0.95]))
    assert found.kendall.value == found.spearman.value == pytest.approx(1)
    assert found.regret == 0


def test_regret_is_what_the_supernets_first_lacks_of_the_best():
    found = compared(networks([0.5, 0.6, 0.4], [0.90, 0.92, 0.95]))
    assert found.regret == pytest.approx(0.03)
    found = compared(networks([2.0, 1.9, 2.2], [1.8, 1.75, 1.7], name="bits_per_byte"))
    assert found.regret == pytest.approx(0.05)


def test_kendalls_tau_counts_the_pairs_in_order():
    found = compared(networks([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.4]))
    assert found.kendall.value == pytest.approx((5 - 1) / 6)


def test_the_interval_is_narrower_with_more_networks():
    def width(count):
        rng = np.random.default_rng(0)
        alone = rng.random(count)
        found = compared(networks(alone + 0.2 * rng.normal(size=count), alone)).kendall
        assert found.low <= found.value <= found.high
        return found.high - found.low

    assert width(200) < 0.6 * width(20)


def test_equal_scores_rank_nothing():
    found = compared(networks([0.5, 0.5, 0.5], [0.90, 0.92, 0.95]))
    assert found.kendall.value == 0
