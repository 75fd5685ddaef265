"""`nas bench search` as a person or a script runs it."""

import csv
import json

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    codes = np.indices((3,) * 4).reshape(4, -1).T
    frame = pd.DataFrame({f"layer_{n}": codes[:, n] for n in range(4)})
    frame["top1"] = 100 - 60 * np.exp(-np.sqrt(codes) @ np.array([1.0, 0.7, 0.4, 0.2]))
    frame["mflop"] = 1.0 + codes.sum(axis=1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    names = [f"layer_{n}" for n in range(4)]
    (tmp_path / "t.toml").write_text(
        f'table = "t.csv"\nparams = {names}\naccuracy = "top1"\ncosts = ["mflop"]\n'
    )
    return tmp_path / "t.toml"


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
