import math

import pandas as pd
import pytest
from scipy.stats import t

from latency_lut.fit import entry


def contexts(seen, *, quality="good", nodes=3.0, set_aside=0):
    """As `contexts_of` gives them, from each key's times in different networks."""
    return pd.DataFrame(
        [
            {
                "key": key,
                "architecture_id": f"arch{i}",
                "quality": quality,
                "latency_ns": float(ns),
                "nodes": nodes,
                "seen": len(latencies) + set_aside,
            }
            for key, latencies in seen.items()
            for i, ns in enumerate(latencies)
        ]
    )


def fit_entries(frame):
    """Entries whose latency is the median of what each network shows."""
    return entry.fit_entries(frame, frame.groupby("key")["latency_ns"].median().to_dict())


def test_the_latency_is_the_one_that_was_fitted_and_the_samples_are_those_of_each_network():
    found = entry.fit_entries(contexts({"k": [100, 110, 500]}), {"k": 108.4})["k"]
    assert found.latency_ns == 108
    assert found.samples_ns == (100, 110, 500)
    assert found.carriers == 3


def test_an_interval_is_around_the_latency_that_was_fitted():
    seen = contexts({f"k{i}": [99_000, 101_000] for i in range(5)})
    half, whole = (
        entry.fit_entries(seen, {f"k{i}": ns for i in range(5)})["k0"] for ns in (50_000, 100_000)
    )
    assert half.high_ns - half.latency_ns == pytest.approx(
        (whole.high_ns - whole.latency_ns) / 2, abs=1
    )


def test_the_interval_is_that_of_the_docstring():
    # Five segments seen twice, 2 % apart, make a pooled spread of 1.4826 * 1 % * sqrt(2).
    pooled = 1.4826 * 0.01 * math.sqrt(2)
    seen = {f"k{i}": [99_000, 101_000] for i in range(5)}
    entry = fit_entries(contexts(seen))["k0"]
    spread = math.sqrt((4 * pooled**2 + 2 * 0.01**2) / 5)
    half = t.ppf(0.975, 5) * spread * math.sqrt(1 + 1 / 2)
    assert entry.low_ns == round(100_000 * (1 - half))
    assert entry.high_ns == round(100_000 * (1 + half))


def test_beyond_two_networks_the_error_is_that_of_a_median():
    seen = {f"k{i}": [100_000] * 3 for i in range(5)}
    entry = fit_entries(contexts(seen))["k0"]
    least = 0.01  # no spread is believed to be smaller
    half = t.ppf(0.975, 6) * math.sqrt(4 * least**2 / 6) * math.sqrt(1 + math.pi / 2 / 3)
    assert entry.high_ns == round(100_000 * (1 + half))


def test_a_segment_seen_once_takes_its_spread_from_all_others():
    calm = {f"k{i}": [99_900, 100_100] for i in range(9)}
    wild = {f"k{i}": [90_000, 110_000] for i in range(9)}
    in_calm = fit_entries(contexts({**calm, "once": [100_000]}))["once"]
    in_wild = fit_entries(contexts({**wild, "once": [100_000]}))["once"]
    assert 3 * (in_calm.high_ns - in_calm.low_ns) < in_wild.high_ns - in_wild.low_ns
    assert in_calm.low_ns < 100_000 < in_calm.high_ns


def test_until_five_segments_were_seen_twice_the_spread_is_assumed():
    four = {f"k{i}": [100_000] * 2 for i in range(4)}
    five = {f"k{i}": [100_000] * 2 for i in range(5)}
    assumed, found = (fit_entries(contexts(seen))["k0"] for seen in (four, five))
    assert assumed.high_ns - 100_000 == pytest.approx(10 * (found.high_ns - 100_000), abs=10)


def test_more_networks_that_agree_narrow_the_interval():
    once = fit_entries(contexts({"k": [100_000]}))["k"]
    often = fit_entries(contexts({"k": [100_000] * 20}))["k"]
    assert often.high_ns - often.low_ns < once.high_ns - once.low_ns


def test_timings_that_were_set_aside_are_counted():
    entry = fit_entries(contexts({"k": [100, 102]}, set_aside=1))["k"]
    assert (entry.latency_ns, entry.carriers, entry.set_aside) == (101, 2, 1)


def test_flagged_timings_alone_make_an_entry_that_says_so_and_is_twice_as_wide():
    good = fit_entries(contexts({"k": [10_000, 10_000]}))["k"]
    noisy = fit_entries(contexts({"k": [10_000, 10_000]}, quality="noisy"))["k"]
    assert (good.quality, noisy.quality) == ("good", "noisy")
    assert noisy.high_ns - 10_000 == pytest.approx(2 * (good.high_ns - 10_000), abs=2)


def test_no_interval_reaches_below_zero():
    entry = fit_entries(contexts({"k": [1_000, 100_000]}, quality="noisy"))["k"]
    assert entry.low_ns == 0
    assert entry.high_ns > entry.latency_ns


def test_an_entry_tells_how_many_nodes_its_segment_usually_is():
    frame = contexts({"k": [100, 100, 100, 100]})
    frame["nodes"] = [2.0, 3.0, 3.0, 2.0]
    assert fit_entries(frame)["k"].nodes == 2.5


def test_a_segment_that_takes_no_time_has_an_interval_of_no_width():
    entry = fit_entries(contexts({"k": [0, 0]}))["k"]
    assert (entry.latency_ns, entry.low_ns, entry.high_ns) == (0, 0, 0)
