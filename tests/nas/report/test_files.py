import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pandas as pd
import pytest

from nas.front_row import Dropped
from nas.report.files import front_frame, render_html, write_report
from tests.nas.front_rows import (
    made_up_language_report,
    made_up_report,
    made_up_row,
    measured,
)

FIXED = "latency_ms low_ms high_ms memory_mib verified measured_ms".split()


def svgs(html):
    return [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", html, re.S)]


def test_the_csv_begins_with_the_columns_of_the_contract_and_reads_back(tmp_path):
    report = made_up_report()
    frame = pd.read_csv(write_report(report, tmp_path / "new" / "folder").csv)
    assert list(frame)[:9] == ["trial", "arch", "accuracy", *FIXED]
    assert len(frame) == len(report.front)
    first = report.front[0]
    assert json.loads(frame["arch"][0])["choices"] == dict(first.architecture.choices)
    assert frame["accuracy"][0] == pytest.approx(first.quality)
    assert frame["measured_ms"][0] == pytest.approx(first.measured_ms)


def test_a_network_that_was_not_measured_has_an_empty_measured_cell():
    frame = front_frame(made_up_report())
    unmeasured = frame[~frame["verified"]]
    assert len(unmeasured) == 1
    assert unmeasured["measured_ms"].isna().all()


def test_the_quality_of_a_language_study_is_named_bits_per_byte():
    frame = front_frame(made_up_language_report())
    assert list(frame)[:9] == ["trial", "arch", "bits_per_byte", *FIXED]
    assert frame["prefill_ms"].notna().all()


def test_an_empty_front_still_has_all_columns():
    assert list(front_frame(made_up_report(front=()))) == list(front_frame(made_up_report()))


def test_the_page_needs_no_network_and_no_script():
    html = render_html(made_up_report())
    assert not re.search(r"https?://|<script|<link|<img|url\(|@import", html)


def test_the_page_tells_the_result_first_and_every_network_of_the_front():
    report = made_up_report()
    html = render_html(report)
    assert "13 networks are on the front for raspberrypi5 within 10\u00a0ms" in html
    assert all(row.architecture.id in html for row in report.front)
    assert "1,204 of 1,318 segments" in html
    assert "Cortex-A76" in html
    assert "measured 10.2 ms, over the budget of 10 ms" in html
    assert "nas verify bird-feeder" in html


def test_the_pictures_of_the_page_hold_a_mark_for_each_network():
    report = made_up_report()
    wide = svgs(render_html(report))[0]
    kinds = [group.get("class") for group in wide.iter("g")]
    assert kinds.count("measured") == len(report.verified)
    assert kinds.count("predicted") == 1
    others = len({row.trial for row in report.evaluated} - {row.trial for row in report.front})
    cloud = next(group for group in wide.iter("g") if group.get("class") == "cloud")
    assert len(cloud.findall("circle")) == others


def test_names_and_facts_from_outside_stay_text():
    evil = "</style><script>alert(1)</script>\"'"
    row = measured(made_up_row(7), 1.3)
    report = made_up_report(
        study=evil,
        device=evil,
        data=evil,
        device_facts={evil: evil, "cpu": {"model": [evil]}},
        dropped=(Dropped(row, evil),),
        commands=(evil,),
    )
    html = render_html(report)
    assert "<script" not in html
    assert html.count("</style>") == 1
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    "changes",
    [
        {"front": (), "evaluated": (), "dropped": ()},
        {"front": ()},
        {"front": (), "max_latency_ms": None, "dropped": ()},
        {"front": (made_up_row(3),), "evaluated": (made_up_row(3),), "dropped": ()},
        {"coverage_total": 0, "coverage_known": 0, "device_facts": {}, "segments": {}},
    ],
    ids=["nothing evaluated", "no front", "no budget", "one network", "nothing known"],
)
def test_a_report_can_be_written_with_little_to_tell(tmp_path, changes):
    files = write_report(made_up_report(**changes), tmp_path)
    assert svgs(files.html.read_text()) or not made_up_report(**changes).evaluated
    assert files.png.stat().st_size > 1000


def test_segments_that_were_never_measured_are_told():
    html = render_html(made_up_report(coverage_transferred=90))
    assert "90 of them taken over from another device's LUT and never measured" in html


def test_a_budget_that_nothing_holds_is_told_with_the_nearest_network():
    html = render_html(made_up_report(front=(), max_latency_ms=0.5, dropped=()))
    assert "None of 120 evaluated networks holds 0.5\u00a0ms" in html


def test_without_measurements_the_page_says_how_to_get_them():
    front = tuple(replace(row, verified=False) for row in made_up_report().front)
    html = render_html(made_up_report(front=front, dropped=()))
    assert "nas verify bird-feeder" in html
    assert "measured / predicted" not in html


def test_a_language_page_shows_prefill_and_time_by_what_layers_do():
    html = render_html(made_up_language_report())
    assert "prefill (ms)" in html
    assert "mixer: mcsd" in html
    assert "bits per byte (lower is better)" in html
