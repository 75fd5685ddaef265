"""From a space to a verified front, through the command line, on this machine."""

import csv
import json

import numpy as np
import onnxruntime
import optuna
import pytest

from nas.front import Measured, record_measurement
from nas.study import read_device_profile
from tests.end_to_end.desk import ON_LOCAL, SPACE, TINY, only, rows_of, search_command


def test_profile_covers_the_space_and_says_so(profiled):
    ran = profiled.ok("lut", "coverage", *ON_LOCAL, "--json")
    assert ran.json["known"] == ran.json["total"] == 12
    assert ran.json["missing"] == []


def test_the_lut_is_shown_with_the_dearest_segment_first(profiled):
    rows = profiled.ok("lut", "show", *ON_LOCAL, "--json").json
    latencies = [row["latency_ms"] for row in rows]
    assert len(rows) == 12
    assert latencies == sorted(latencies, reverse=True)


def test_segments_stand_beside_the_ceilings_of_the_device(profiled):
    rows = profiled.ok("lut", "show", *ON_LOCAL, "--json").json
    (kept,) = rows_of(
        profiled.database,
        "SELECT flops_per_s, bytes_per_s FROM lut_ceilings JOIN lut_devices USING (profile_id) "
        "WHERE device_name = 'local'",  # boards may have theirs in the same storage
    )
    for row in rows:
        assert [row["ceiling_gflop_s"] * 1e9, row["ceiling_gb_s"] * 1e9] == pytest.approx(kept)
        assert row["low_ms"] <= row["latency_ms"] <= row["high_ms"]
        assert row["gflop_s"] > 0
        assert row["bound"] in ("compute", "memory")
        ceiling, rate = (
            (row["ceiling_gflop_s"], row["gflop_s"])
            if row["bound"] == "compute"
            else (row["ceiling_gb_s"], row["gb_s"])
        )
        assert row["ceiling_share"] == pytest.approx(rate / ceiling)
    shown = profiled.ok("lut", "show", *ON_LOCAL).out
    assert "GFLOP/s and" in shown
    assert "of ceiling" in shown


def test_dominated_choices_are_a_listing_of_their_own(profiled):
    rows = profiled.ok("lut", "show", *ON_LOCAL, "--dominated", "--json").json
    shown = profiled.ok("lut", "show", *ON_LOCAL, "--dominated").out
    for row in rows:  # which there are is for this machine to say
        assert row["choice"] != row["dominated_by"]
        assert 0 < row["contexts"] <= row["compared"]
        assert 0 < row["faster_share"] < 1
    assert "is dominated" in shown if not rows else "dominated by" in shown


def test_a_second_profile_has_nothing_left_to_do(profiled):
    ran = profiled.ok("profile", *ON_LOCAL, "--contexts", "1", "--json")
    assert ran.json["carriers"] == 0
    assert ran.json["ended"] == "complete"


def test_a_profile_with_little_time_is_partial_and_says_so(profiled):
    others = only("resolution=20", "width=0.75", "stage*.depth=1", "stage*.squeeze_excite=true")
    space = ("--space", "mobile", "--data", "digits", *others)
    ran = profiled.ok("profile", *space, "--device", "local", "--minutes", "0.01", "--json")
    assert ran.json["ended"] == "minutes"
    assert ran.json["carriers"] == 1
    assert 0 < ran.json["coverage"] < 1


def test_predict_and_measure_answer_each_line_in_order_with_the_fields_of_the_contract(profiled):
    sampled = profiled.ok("spaces", "sample", "mobile", "-n", "2", "--seed", "1", *only(*TINY))
    predicted = profiled.ok("predict", *ON_LOCAL, "-", stdin=sampled.out).lines
    measured = profiled.ok("measure", *ON_LOCAL, "-", stdin=sampled.out).lines
    ids = [line["id"] for line in sampled.lines]
    fields = {"id", "latency_ms", "low_ms", "high_ms", "memory_mib", "params", "macs"}
    assert [line["id"] for line in predicted] == ids
    assert [line["id"] for line in measured] == ids
    for line in predicted:
        assert fields | {"missing"} <= line.keys()
        assert line["missing"] == []
        assert 0 < line["low_ms"] <= line["latency_ms"] <= line["high_ms"]
    for line in measured:
        assert fields | {"p90_ms", "runs", "quality"} <= line.keys()
        assert line["runs"] >= 7
    assert [p["macs"] for p in predicted] == [m["macs"] for m in measured]


def test_a_segment_that_was_never_measured_is_named_and_not_counted_as_zero(profiled):
    sampled = profiled.ok("spaces", "sample", "mobile", "-n", "1", "--only", "resolution=224")
    command = ("predict", "--space", "mobile", "--device", "local", "-")
    line = profiled.ok(*command, stdin=sampled.out).lines[0]
    assert line["latency_ms"] is None
    assert any("side=224" in key for key in line["missing"])
    assert line["params"] > 0


def test_what_was_exported_is_the_same_lut_when_another_desk_imports_it(profiled, empty_desk):
    file = str(empty_desk.folder / "lut.parquet")
    exported = profiled.ok("lut", "export", "--device", "local", file, "--json").json
    imported = empty_desk.ok("lut", "import", "--device", "local", file, "--json").json
    show = ("lut", "show", *ON_LOCAL, "--json")
    assert imported["device_profile"] == exported["device_profile"]
    assert empty_desk.ok(*show).json == profiled.ok(*show).json


def test_a_search_holds_the_wanted_networks_and_its_front_is_sorted(searched):
    rows = searched.ok("front", "tiny", "--json").json
    assert len(evaluated_ids(searched, "tiny")) == 6
    assert rows
    for row in rows:
        assert 0 < row["accuracy"] <= 1
        assert row["low_ms"] <= row["latency_ms"] <= row["high_ms"]
        assert row["verified"] is False
    latencies = [row["latency_ms"] for row in rows]
    assert latencies == sorted(latencies)


def test_a_second_search_goes_on_where_the_first_stopped(searched):
    before = evaluated_ids(searched, "tiny")
    searched.ok(*search_command("tiny", trials=8, sampler="random"))
    evaluated = evaluated_ids(searched, "tiny")
    assert evaluated[:6] == before
    assert len(evaluated) == len(set(evaluated)) == 8


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_every_sampler_searches_without_falling_back_to_independent_sampling(searched, sampler):
    ran = searched.ok(*search_command(sampler, trials=11, sampler=sampler))
    assert "independent" not in ran.err
    assert len(evaluated_ids(searched, sampler)) == 11


def test_a_budget_keeps_dearer_networks_off_the_front(searched):
    space = ("mobile", "-n", "9", *only(*TINY), "--data", "digits")
    sampled = searched.ok("spaces", "sample", *space).out
    predicted = searched.ok("predict", *ON_LOCAL, "-", stdin=sampled).lines
    budget = sorted(line["high_ms"] for line in predicted)[4]
    searched.ok(*search_command("budget", trials=8), "--max-latency-ms", str(budget))
    within = searched.ok("front", "budget", "--json").json
    assert within
    assert all(row["high_ms"] <= budget for row in within)


@pytest.fixture(scope="module")
def verified(searched):
    """A study `few` of 3 networks whose front was measured."""
    searched.ok(*search_command("few", trials=3))
    searched.ok("verify", "few")
    return searched


def test_verify_replaces_predictions_by_measurements(verified):
    rows = verified.ok("front", "few", "--json").json
    assert rows
    assert all(row["verified"] and row["measured_ms"] > 0 for row in rows)


def test_what_is_verified_is_not_measured_again(verified):
    count = "SELECT count(*) FROM lut_networks"
    before = rows_of(verified.database, count), verified.ok("front", "few", "--json").json
    rows = verified.ok("verify", "few", "--json").json
    assert (rows_of(verified.database, count), rows) == before


def test_a_network_that_breaks_its_budget_is_replaced_by_the_verification(searched):
    budget_ms = 100.0  # far away: the measurement that breaks it is made up
    searched.ok(*search_command("repaired", trials=3), "--max-latency-ms", str(budget_ms))
    study = optuna.load_study(study_name="repaired", storage=f"sqlite:///{searched.database}")
    best = max(searched.ok("front", "repaired", "--json").json, key=lambda row: row["accuracy"])
    times = dict.fromkeys(("latency_ms", "low_ms", "high_ms", "p90_ms"), 2 * budget_ms)
    measured = Measured(**times, memory_mib=None, runs=7, quality="good")
    record_measurement(study, read_device_profile(study), best["arch"]["id"], measured)
    ran = searched.ok("verify", "repaired", "--repair", "2", "--json")
    assert f"dropped {best['arch']['id']}: up to 200 ms measured, budget 100" in ran.err
    assert "networks in place of 1 that broke the budget" in ran.err
    assert f"0 violations of {len(ran.json)}" in ran.err
    assert all(row["verified"] and row["measured_high_ms"] <= budget_ms for row in ran.json)
    assert 3 < len(evaluated_ids(searched, "repaired")) <= 5


def test_report_writes_table_picture_and_page(searched, tmp_path):
    files = searched.ok("report", "tiny", "--output", str(tmp_path), "--json").json
    with (tmp_path / "front.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [*rows[0]][:9] == [
        *("trial", "arch", "accuracy", "latency_ms", "low_ms"),
        *("high_ms", "memory_mib", "verified", "measured_ms"),
    ]
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert set(files) == {"csv", "png", "html"}


def test_front_also_writes_a_table_that_spreadsheets_read(searched, tmp_path):
    rows = searched.ok("front", "tiny", "--csv", str(tmp_path / "front.csv"), "--json").json
    with (tmp_path / "front.csv").open() as stream:
        written = list(csv.DictReader(stream))
    assert [int(row["trial"]) for row in written] == [row["trial"] for row in rows]


def test_an_exported_network_runs_and_carries_trained_weights(searched, tmp_path):
    rows = searched.ok("front", "tiny", "--json").json
    (tmp_path / "arch.json").write_text(json.dumps(rows[-1]["arch"]))
    ran = searched.ok(
        *("export", "--space", "mobile", "--arch", str(tmp_path / "arch.json")),
        *("--output", str(tmp_path / "net.onnx"), "--study", "tiny", "--json"),
    )
    assert ran.json["largest_difference"] < 1e-3
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"))
    image = np.zeros((1, 1, 20, 20), dtype=np.float32)
    assert session.run(None, {"image": image})[0].shape == (1, 10)


def test_an_architecture_can_be_exported_without_a_study_and_is_said_to_be_untrained(
    desk, tmp_path
):
    sampled = desk.ok("spaces", "sample", "mobile", "-n", "1", *only(*TINY), "--data", "digits")
    (tmp_path / "arch.json").write_text(sampled.out)
    ran = desk.ok(
        *("export", *SPACE, "--arch", str(tmp_path / "arch.json")),
        *("--output", str(tmp_path / "net.onnx"), "--json"),
    )
    assert ran.json["weights"] == "random"
    assert "weights are random" in ran.err


def evaluated_ids(desk, study):
    """Of the networks that were really evaluated, in that order."""
    trials = optuna.load_study(study_name=study, storage=f"sqlite:///{desk.database}").trials
    return [
        t.user_attrs["id"]
        for t in trials
        if t.state.name == "COMPLETE" and "duplicate_of" not in t.user_attrs
    ]
