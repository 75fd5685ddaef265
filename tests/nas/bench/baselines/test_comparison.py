import pytest

from nas.bench.baselines import compare_with_front, counts, middle
from tests.nas.bench.baselines.made_up_baselines import baseline, measured_row

FRONT = (measured_row(0, 1.0, 0.90), measured_row(1, 2.0, 0.94), measured_row(2, 4.0, 0.96))
TEXT = {"quality_name": "bits_per_byte", "prefill_ms": 9.0}
TEXT_FRONT = (measured_row(0, 1.0, 2.5, **TEXT), measured_row(1, 2.0, 2.0, **TEXT))


def compared(one, front=FRONT):
    (found,) = compare_with_front([one], front)
    return found


def test_a_baseline_that_is_slower_and_worse_is_dominated_and_both_gains_are_told():
    one = compared(baseline(3.2, 0.93))
    assert one.verdict == "dominated"
    assert (one.rival.trial, one.faster.trial) == (1, 1)
    assert one.gain == pytest.approx(1.0)  # points
    assert one.latency_gain == pytest.approx(37.5)  # per cent


def test_fewer_bits_per_byte_are_better_and_the_gain_is_a_share():
    one = compared(baseline(2.5, 2.5), TEXT_FRONT)
    assert one.verdict == "dominated"
    assert one.gain == pytest.approx(20.0)
    assert (one.faster.trial, one.latency_gain) == (0, pytest.approx(60.0))
    better = compared(baseline(2.0, 1.6), TEXT_FRONT)
    assert (better.verdict, better.faster, better.latency_gain) == ("ahead", None, None)
    assert better.gain == pytest.approx(-25.0)


def test_the_same_values_in_both_are_no_domination():
    assert compared(baseline(2.0, 0.94)).verdict == "matched"
    assert compared(baseline(2.0, 0.9399)).verdict == "dominated"
    assert compared(baseline(2.0001, 0.94)).verdict == "dominated"


def test_matched_is_within_one_combined_standard_error():
    # 0.003 of the front's network and 0.004 of the baseline's make 0.005.
    assert compared(baseline(2.0, 0.9449)).verdict == "matched"
    assert compared(baseline(2.0, 0.9451)).verdict == "ahead"


def test_matched_is_not_slower_than_the_end_of_the_baselines_interval():
    assert compared(baseline(1.97, 0.94)).verdict == "matched"  # up to 2.009 ms
    assert compared(baseline(1.95, 0.94)).verdict == "ahead"  # up to 1.989 ms


def test_a_baseline_before_the_front_has_no_rival_and_what_is_as_good_takes_longer():
    one = compared(baseline(0.8, 0.90))
    assert (one.verdict, one.rival, one.gain) == ("ahead", None, None)
    assert one.latency_gain == pytest.approx(-25.0)


def test_the_rival_is_the_best_in_time_though_a_slower_one_on_the_front_takes_less_memory():
    front = (*FRONT[:2], measured_row(3, 2.5, 0.91), FRONT[2])
    assert compared(baseline(3.0, 0.93), front).rival.trial == 1


def test_the_middle_has_the_median_latency_and_of_two_the_lower():
    three = compare_with_front([baseline(ms, 0.9) for ms in (9.0, 1.0, 2.0)], FRONT)
    assert [one.baseline.latency_ms for one in three] == [1.0, 2.0, 9.0]
    assert middle(three).baseline.latency_ms == 2.0
    four = compare_with_front([baseline(ms, 0.9) for ms in (9.0, 1.0, 2.0, 3.0)], FRONT)
    assert middle(four).baseline.latency_ms == 2.0


def test_verdicts_are_counted_with_those_that_none_got():
    found = compare_with_front([baseline(3.0, 0.93), baseline(3.0, 0.99)], FRONT)
    assert counts(found) == {"dominated": 1, "matched": 0, "ahead": 1}
