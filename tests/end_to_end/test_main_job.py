"""From a space to a verified front, through the command line, on this machine."""

import csv
import json

import numpy as np
import onnxruntime
import optuna
import pytest

from tests.end_to_end.desk import TINY, only, search_command


def test_profile_covers_the_space_and_says_so(profiled):
    ran = profiled.ok(
        "lut", "coverage", "--space", "mobile", "--device", "local", *only(*TINY), "--json"
    )
    assert ran.json["known"] == ran.json["total"] == 12
    assert ran.json["missing"] == []


def test_a_second_profile_has_nothing_left_to_do(profiled):
    ran = profiled.ok(
        *("profile", "--space", "mobile", "--device", "local", *only(*TINY)),
        *("--contexts", "1", "--json"),
    )
    assert ran.json["carriers"] == 0
    assert ran.json["ended"] == "complete"


def test_predict_and_measure_answer_each_line_in_order_with_the_fields_of_the_contract(profiled):
    space = ("--space", "mobile", "--device", "local")
    sampled = profiled.ok("spaces", "sample", "mobile", "-n", "3", "--seed", "1", *only(*TINY))
    predicted = profiled.ok("predict", *space, "-", stdin=sampled.out).lines
    measured = profiled.ok("measure", *space, "-", stdin=sampled.out).lines
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
    line = profiled.ok(
        "predict", "--space", "mobile", "--device", "local", "-", stdin=sampled.out
    ).lines[0]
    assert line["latency_ms"] is None
    assert any("side=224" in key for key in line["missing"])
    assert line["params"] > 0


def test_a_search_holds_the_wanted_networks_and_none_twice(searched):
    rows = searched.ok("front", "tiny", "--json").json
    assert rows
    for row in rows:
        assert 0 < row["accuracy"] <= 1
        assert row["low_ms"] <= row["latency_ms"] <= row["high_ms"]
        assert row["verified"] is False
    latencies = [row["latency_ms"] for row in rows]
    assert latencies == sorted(latencies)


def test_a_second_search_goes_on_where_the_first_stopped(searched):
    searched.ok(*search_command("tiny", trials=14, sampler="random"))
    evaluated = evaluated_ids(searched, "tiny")
    assert len(evaluated) == len(set(evaluated)) == 14


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
def test_every_sampler_searches(searched, sampler):
    ran = searched.ok(*search_command(sampler, trials=11, sampler=sampler))
    assert "independent sampling" not in ran.err
    assert len(evaluated_ids(searched, sampler)) == 11


def test_a_small_space_is_searched_to_its_end_and_no_further(searched):
    command = search_command("all", trials=50)
    ran = searched.ok(*command, "--only", "stage1.expansion=3", "--only", "stage2.expansion=3")
    assert ran.code == 0


def test_verify_replaces_predictions_by_measurements(searched):
    rows = searched.ok("verify", "tiny", "--json").json
    assert rows
    assert all(row["verified"] and row["measured_ms"] > 0 for row in rows)
    assert searched.ok("front", "tiny", "--json").json == rows


def test_a_budget_that_nothing_meets_ends_with_3_and_shows_the_nearest(searched):
    command = search_command("tight", trials=5)
    ran = searched.nas(*command, "--max-latency-ms", "0.001")
    assert ran.code == 3
    assert "Nearest" in ran.err
    assert '"choices"' in ran.err


def test_a_budget_keeps_dearer_networks_off_the_front(searched):
    rows = searched.ok("front", "tiny", "--json").json
    budget = (rows[0]["high_ms"] + rows[-1]["high_ms"]) / 2
    ran = searched.ok(*search_command("budget", trials=12), "--max-latency-ms", str(budget))
    assert ran.code == 0
    assert all(row["high_ms"] <= budget for row in searched.ok("front", "budget", "--json").json)


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


def evaluated_ids(desk, study):
    storage = f"sqlite:///{desk.folder}/results/nas.db"
    trials = optuna.load_study(study_name=study, storage=storage).trials
    return [
        t.user_attrs["id"]
        for t in trials
        if t.state.name == "COMPLETE" and "duplicate_of" not in t.user_attrs
    ]
