import dataclasses

import pytest

from nas.report.chart_data import agreement_chart, front_chart
from tests.nas.front_rows import made_up_language_report, made_up_report, made_up_row, measured


def chart_of(*rows, **changes):
    return front_chart(made_up_report(front=rows, evaluated=rows, dropped=(), **changes))


def test_steps_give_the_best_accuracy_that_a_latency_allows():
    fast = made_up_row(0, latency_ms=1.0, low_ms=0.9, high_ms=1.1, quality=0.8)
    slow = made_up_row(1, latency_ms=2.0, low_ms=1.9, high_ms=2.1, quality=0.9)
    chart = chart_of(slow, fast, max_latency_ms=2.2)
    assert [x for x, _ in chart.steps] == pytest.approx([1.0, 2.0, 2.0, 2.2])
    assert [y for _, y in chart.steps] == pytest.approx([80.0, 80.0, 90.0, 90.0])


def test_steps_of_bits_per_byte_go_down():
    steps = front_chart(made_up_language_report()).steps
    heights = [y for _, y in steps]
    assert heights == sorted(heights, reverse=True)


def test_a_network_on_the_front_for_its_memory_alone_adds_no_step():
    fast = made_up_row(0, latency_ms=1.0, low_ms=0.9, high_ms=1.1, quality=0.9)
    small = made_up_row(1, latency_ms=2.0, low_ms=1.9, high_ms=2.1, quality=0.8, memory_mib=1.0)
    chart = chart_of(fast, small, max_latency_ms=None)
    assert {y for _, y in chart.steps} == {90.0}
    assert len(chart.front) == 2


def test_a_verified_network_stands_where_it_was_measured():
    row = measured(made_up_row(0), 1.2)
    (mark,) = chart_of(row).front
    assert mark.measured
    assert (mark.x_low, mark.x, mark.x_high) == pytest.approx((4.752, 4.8, 4.848))


def test_networks_far_outside_are_counted_not_hidden():
    front = (made_up_row(0, quality=0.90), made_up_row(1, latency_ms=5.0, quality=0.95))
    others = (made_up_row(2, quality=0.10), made_up_row(3, latency_ms=400.0, quality=0.9))
    near = tuple(made_up_row(10 + i, quality=0.89) for i in range(5))
    report = made_up_report(front=front, evaluated=(*front, *others, *near), dropped=())
    chart = front_chart(report)
    assert chart.outside == 2
    assert {mark.trial for mark in chart.cloud} == {10, 11, 12, 13, 14}


def test_all_of_the_front_lies_in_the_picture_with_its_intervals():
    chart = front_chart(made_up_report())
    assert all(chart.x.holds(m.x_low) and chart.x.holds(m.x_high) for m in chart.front)
    assert all(chart.y.holds(m.y_low) and chart.y.holds(m.y_high) for m in chart.front)


def test_agreement_counts_the_front_and_what_was_dropped_once_each():
    good, bad = measured(made_up_row(0), 1.04), measured(made_up_row(1), 0.8)
    report = made_up_report(front=(good,), evaluated=(good, bad))
    report = dataclasses.replace(
        report, dropped=(dataclasses.replace(report.dropped[0], row=bad),) * 2
    )
    chart = agreement_chart(report)
    assert len(chart.marks) == 2
    assert chart.close == 1
    assert chart.worst_ratio == pytest.approx(0.8)
    assert chart.median_ratio == pytest.approx(0.92)


def test_there_is_no_agreement_without_measurements():
    assert agreement_chart(made_up_report(front=(made_up_row(0),), dropped=())) is None
