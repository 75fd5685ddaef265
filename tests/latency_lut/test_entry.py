import math

import pytest
from scipy.stats import t

from latency_lut.entry import Context, fit_entries


def contexts(*latencies_ns: float, quality: str = "good") -> list[Context]:
    return [Context(f"arch{i}", ns, quality) for i, ns in enumerate(latencies_ns)]


def test_the_latency_is_the_median_over_networks():
    entry = fit_entries({"k": contexts(100, 110, 500)})["k"]
    assert entry.latency_ns == 110
    assert entry.samples_ns == (100, 110, 500)
    assert entry.carriers == 3


def test_the_interval_is_that_of_the_docstring():
    # Five segments seen twice, 2 % apart, make a pooled spread of 1.4826 * 1 % * sqrt(2).
    pooled = 1.4826 * 0.01 * math.sqrt(2)
    seen = {f"k{i}": contexts(99_000, 101_000) for i in range(5)}
    entry = fit_entries(seen)["k0"]
    spread = math.sqrt((4 * pooled**2 + 2 * 0.01**2) / 5)
    half = t.ppf(0.975, 5) * spread * math.sqrt(1 + 1 / 2)
    assert entry.low_ns == round(100_000 * (1 - half))
    assert entry.high_ns == round(100_000 * (1 + half))


def test_a_segment_seen_once_takes_its_spread_from_all_others():
    calm = {f"k{i}": contexts(99_900, 100_100) for i in range(9)}
    wild = {f"k{i}": contexts(90_000, 110_000) for i in range(9)}
    in_calm = fit_entries({**calm, "once": contexts(100_000)})["once"]
    in_wild = fit_entries({**wild, "once": contexts(100_000)})["once"]
    assert 10 * (in_calm.high_ns - in_calm.low_ns) < in_wild.high_ns - in_wild.low_ns
    assert in_calm.low_ns < 100_000 < in_calm.high_ns


def test_more_networks_that_agree_narrow_the_interval():
    once = fit_entries({"k": contexts(100_000)})["k"]
    often = fit_entries({"k": contexts(*[100_000] * 20)})["k"]
    assert often.high_ns - often.low_ns < once.high_ns - once.low_ns


def test_flagged_timings_are_set_aside_and_counted():
    seen = contexts(100, 102) + contexts(900, quality="noisy")
    entry = fit_entries({"k": seen})["k"]
    assert (entry.latency_ns, entry.carriers, entry.set_aside) == (101, 2, 1)
    assert entry.quality == "good"


def test_flagged_timings_alone_make_an_entry_that_says_so_and_is_twice_as_wide():
    good = fit_entries({"k": contexts(10_000, 10_000)})["k"]
    noisy = fit_entries({"k": contexts(10_000, 10_000, quality="noisy")})["k"]
    assert noisy.quality == "noisy"
    assert noisy.high_ns - 10_000 == pytest.approx(2 * (good.high_ns - 10_000), abs=2)


def test_a_failed_timing_never_becomes_an_entry():
    assert fit_entries({"k": contexts(100, quality="failed")}) == {}


def test_a_segment_that_takes_no_time_has_an_interval_of_no_width():
    entry = fit_entries({"k": contexts(0, 0)})["k"]
    assert (entry.latency_ns, entry.low_ns, entry.high_ns) == (0, 0, 0)
