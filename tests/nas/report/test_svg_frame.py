import pytest

from nas.report.chart_data import Range
from nas.report.svg_frame import SvgFrame, round_ticks


def test_the_ends_of_the_ranges_are_the_corners_of_the_drawing():
    frame = SvgFrame(width=400, height=300, x_range=Range(1, 3), y_range=Range(0, 10))
    assert (frame.x(1), frame.x(3)) == (frame.left, frame.right)
    assert (frame.y(0), frame.y(10)) == (frame.bottom, frame.top)
    assert frame.x(2) == (frame.left + frame.right) / 2


def test_what_lies_beyond_an_end_is_drawn_at_the_end():
    frame = SvgFrame(width=400, height=300, x_range=Range(1, 3), y_range=Range(0, 10))
    assert frame.x(99) == frame.right
    assert frame.y(-99) == frame.bottom


@pytest.mark.parametrize("ends", [Range(0.9, 14.6), Range(88.1, 89.4), Range(0.00012, 0.00088)])
def test_ticks_are_round_inside_the_range_and_differ_in_their_labels(ends):
    ticks = round_ticks(ends, 4)
    assert 4 <= len(ticks) <= 12
    assert all(ends.holds(value) for value in ticks.values())
    assert all(float(label) == pytest.approx(value) for label, value in ticks.items())
