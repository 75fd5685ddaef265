import itertools

import numpy as np
import pytest
from matplotlib.text import Annotation

from nas.bench.baselines import compare_with_front, write_picture
from nas.bench.baselines.picture import draw_picture
from tests.nas.bench.baselines.made_up_baselines import baseline, measured_row

FRONT = tuple(measured_row(i, ms, 0.98 - 0.1 / ms) for i, ms in enumerate((1.0, 2.0, 4.0, 8.0)))


def crowd(number):
    rng = np.random.default_rng(0)
    latencies = np.exp(rng.uniform(0.0, 2.5, number))
    return [
        baseline(float(ms), 0.975 - 0.1 / ms, family=f"family {i % 3}", size=f"{i} px x0.5")
        for i, ms in enumerate(latencies)
    ]


@pytest.mark.parametrize("number", [1, 18, 40])
def test_every_baseline_has_its_name_and_names_do_not_overlap(number):
    figure = draw_picture("mobile", FRONT, compare_with_front(crowd(number), FRONT))
    figure.canvas.draw()
    axes = figure.axes[0]
    names = [t for t in axes.texts if isinstance(t, Annotation) and t.get_text().endswith("x0.5")]
    boxes = [name.get_window_extent() for name in names]
    assert len(names) == number
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(axes.bbox.count_contains([(b.x0, b.y0), (b.x1, b.y1)]) == 2 for b in boxes)


def test_families_the_front_and_the_middle_are_told_apart():
    figure = draw_picture("mobile", FRONT, compare_with_front(crowd(6), FRONT))
    found = figure.axes[0].get_legend_handles_labels()[1]
    assert sorted(found) == ["family 0", "family 1", "family 2", "middle", "verified front"]


def test_latency_is_drawn_by_its_logarithm_only_where_it_spans_much():
    wide = draw_picture("mobile", FRONT, compare_with_front(crowd(6), FRONT))
    near = [row for row in FRONT if row.shown_ms < 3.0]
    narrow = draw_picture("mobile", near, compare_with_front([baseline(1.5, 0.9)], near))
    assert [f.axes[0].get_xscale() for f in (wide, narrow)] == ["log", "linear"]


def test_a_front_of_one_network_and_one_baseline_is_drawn(tmp_path):
    front = FRONT[:1]
    found = compare_with_front([baseline(1.0, FRONT[0].quality)], front)
    write_picture("one", front, found, tmp_path / "baselines.png")
    assert (tmp_path / "baselines.png").read_bytes().startswith(b"\x89PNG")
