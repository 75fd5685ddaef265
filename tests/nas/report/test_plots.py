import struct

import pytest

from nas.report.plots import draw_front, write_front_png
from tests.nas.front_rows import made_up_language_report, made_up_report, made_up_row


def labels(figure):
    return figure.axes[0].get_legend_handles_labels()[1]


def test_the_picture_is_a_png_of_1600_by_1000_pixels(tmp_path):
    path = tmp_path / "front.png"
    write_front_png(made_up_report(), path)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:24]) == (1600, 1000)


def test_measured_predicted_evaluated_and_budget_are_told_apart():
    found = labels(draw_front(made_up_report()))
    assert sorted(found) == ["budget 10 ms", "evaluated", "front", "measured", "predicted"]


def test_what_is_not_there_is_not_in_the_legend():
    found = labels(draw_front(made_up_language_report()))
    assert sorted(found) == ["evaluated", "front", "measured"]


def test_a_budget_beyond_the_picture_is_told_as_such():
    row = made_up_row(1)
    figure = draw_front(made_up_report(front=(row,), evaluated=(row,), max_latency_ms=500.0))
    assert "budget 500 ms (further right)" in labels(figure)


@pytest.mark.parametrize(
    "report",
    [made_up_report(device="a-device-with-a-rather-long-name" * 3), made_up_language_report()],
    ids=["long name", "language"],
)
def test_title_subtitle_axes_and_legend_do_not_overlap(report):
    figure = draw_front(report)
    figure.canvas.draw()
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = [
        axes.get_window_extent(renderer),
        figure.legends[0].get_window_extent(renderer),
        axes.texts[0].get_window_extent(renderer),
        axes._left_title.get_window_extent(renderer),
    ]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not any(overlaps)
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert boxes[0].width > 0.85 * figure.bbox.width


def test_a_dollar_in_a_name_is_no_formula(tmp_path):
    write_front_png(made_up_report(device=r"$\frac{$", data="$a_$"), tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 1000


@pytest.mark.parametrize("front", [(), (made_up_row(1),)], ids=["none", "one"])
def test_a_front_of_one_network_or_none_is_drawn(front, tmp_path):
    figure = draw_front(made_up_report(front=front, evaluated=front, max_latency_ms=None))
    figure.savefig(tmp_path / "front.png")
    assert ("front" in labels(figure)) == bool(front)
