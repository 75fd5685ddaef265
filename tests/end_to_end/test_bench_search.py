"""`nas bench search` as a person or a script runs it."""

import csv
import json

import pandas as pd
import pytest

from tests.nas.bench.search.layer_table import write_layer_table


@pytest.fixture
def table(tmp_path):
    return write_layer_table(tmp_path)


def test_the_trace_has_a_line_for_each_evaluation(desk, table, tmp_path):
    trace = tmp_path / "trace.csv"
    told = ("--trials", "12", "--seeds", "2", "--trace", str(trace), "--json")
    document = json.loads(desk.ok("bench", "search", "--table", str(table), *told).out)
    (pareto,) = document["samplers"]
    assert pareto["sampler"] == "pareto"
    assert [seed["evaluations"] for seed in pareto["seeds"]] == [12, 12]
    header, *lines = list(csv.reader(trace.open()))
    assert header == ["seed", "evaluation", "row", "accuracy", "mflop"]
    assert [(int(s), int(e)) for s, e, *_ in lines] == [
        (s, e) for s in (0, 1) for e in range(1, 13)
    ]
    rows = pd.read_csv(table.with_suffix(".csv"))
    for _, _, row, accuracy, cost in lines:
        assert float(accuracy) == pytest.approx(rows["top1"][int(row)])
        assert float(cost) == rows["mflop"][int(row)]


def test_compared_samplers_stand_beside_ours_in_the_table(desk, table):
    told = ("--trials", "12", "--seeds", "1", "--compare")
    out = desk.ok("bench", "search", "--table", str(table), *told).out
    assert "evaluations until" in out
    for name in ("pareto", "nsga2", "tpe", "gp", "random", "median", "95 %", "99 %"):
        assert name in out


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (("--sampler", "paretto"), "did you mean 'pareto'"),
        (("--trace", "/nowhere/trace.csv"), "/nowhere/trace.csv cannot be written"),
        (("--table", "none.toml"), "no such file"),
    ],
)
def test_bad_input_is_one_clear_line(desk, table, changed, words):
    command = ("bench", "search", "--table", str(table), "--trials", "3", *changed)
    assert words in desk.refused(2, *command)
