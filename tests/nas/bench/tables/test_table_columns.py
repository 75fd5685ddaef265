from pathlib import Path

import pandas as pd
import pytest

from nas.bench.tables.table_columns import TableFile, find_table, tell_columns
from nas.errors import BadInput


def tell(frame, description=None, params=(), latency=()):
    return tell_columns(TableFile(Path("t.csv"), description or {}), frame, params, latency)


def frame(*names):
    return pd.DataFrame({name: [1, 2] for name in names})


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("op_00,lat_ms\n1,2.5\n")
    return path


def test_choices_and_latencies_are_known_by_their_names():
    columns = tell(frame("index", "op_00", "op_01", "accuracy", "lat_ms_pi", "phone_us"))
    assert columns.params == ("op_00", "op_01")
    assert columns.latency == ("lat_ms_pi", "phone_us")
    assert columns.identity == columns.features == ()


@pytest.mark.parametrize("name", ["latency", "Latency_pi", "lat_ns", "run_time", "pixel_ms", "lat"])
def test_a_latency_has_many_names(name):
    assert tell(frame("layer_0", name, "platform", "params", "flops")).latency == (name,)


def test_a_canonical_form_is_known_by_the_same_numbers():
    columns = tell(frame("op_01", "op_02", "net_01", "net_02", "lat_ms"))
    assert (columns.params, columns.identity) == (("op_01", "op_02"), ("net_01", "net_02"))
    assert tell(frame("op_01", "op_02", "net_01", "lat_ms")).identity == ()


def test_a_description_goes_before_names_and_an_option_before_both():
    described = {"params": ["b"], "features": ["op_00"], "costs": ["flops", "cpu_ms"]}
    table = frame("a", "b", "op_00", "flops", "cpu_ms", "gpu_ms")
    columns = tell(table, described)
    assert columns.params == ("b",)
    assert columns.features == ("op_00",)
    assert columns.latency == ("cpu_ms",)
    asked = tell(table, described, params=["a"], latency=["flops", "gpu*"])
    assert (asked.params, asked.latency) == (("a",), ("flops", "gpu_ms"))


def test_a_star_names_many_columns_in_the_order_of_the_table():
    columns = tell(frame("k_1", "w_1", "k_2", "t_ms"), params=["k_*", "w_*"])
    assert columns.params == ("k_1", "k_2", "w_1")


def test_texts_are_no_latencies():
    table = frame("op_0").assign(time=["noon", "night"], lat_ms=[1.0, 2.0])
    assert tell(table).latency == ("lat_ms",)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["kernel", "lat_ms"], {}, "--params"),
        (["op_0", "speed"], {}, "--latency"),
        (["op_0", "lat_ms"], {"params": ["oops"]}, "the nearest is op_0"),
        (["op_0", "lat_ms"], {"latency": ["lat_us"]}, "the nearest is lat_ms"),
        (
            ["op_0", "lat_ms"],
            {"params": ["*"], "latency": ["lat_ms"]},
            "a choice and a latency at once",
        ),
    ],
)
def test_what_cannot_be_told_is_one_line_with_what_to_do(names, options, words):
    with pytest.raises(BadInput, match=r".") as told:
        tell(frame(*names), **options)
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("description", "words"),
    [({"params": "op_0"}, "no list"), ({"costs": ["speed"]}, "names speed")],
)
def test_a_description_that_does_not_fit_the_table_is_refused(description, words):
    with pytest.raises(BadInput, match=words):
        tell(frame("op_0", "lat_ms"), description)


def test_a_toml_leads_to_its_table(table, tmp_path):
    described = tmp_path / "any.toml"
    described.write_text('table = "cells.csv"\nparams = ["op_00"]')
    found = find_table(described)
    assert found.path == table
    assert found.description["params"] == ["op_00"]


def test_tomls_beside_a_table_describe_it_and_their_costs_add_up(table, tmp_path):
    for board in ("a", "b"):
        text = f'table = "cells.csv"\nparams = ["op_00"]\ncosts = ["lat_{board}"]'
        (tmp_path / f"{board}.toml").write_text(text)
    (tmp_path / "other.toml").write_text('table = "other.csv"')
    assert find_table(table).description["costs"] == ["lat_a", "lat_b"]


def test_a_table_alone_has_no_description_and_a_foreign_broken_toml_does_not_matter(
    table, tmp_path
):
    (tmp_path / "broken.toml").write_text("= = =")
    assert not find_table(table).description


def test_tomls_that_contradict_each_other_are_named(table, tmp_path):
    (tmp_path / "a.toml").write_text('table = "cells.csv"\nparams = ["op_00"]')
    (tmp_path / "b.toml").write_text('table = "cells.csv"\nparams = ["op_01"]')
    with pytest.raises(BadInput, match=r"a\.toml, b\.toml describe it differently"):
        find_table(table)


@pytest.mark.parametrize(
    ("text", "words"), [("= = =", "not a TOML file"), ("x = 1", 'table = "FILE"')]
)
def test_a_toml_that_leads_nowhere_is_refused(tmp_path, text, words):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(BadInput, match=words):
        find_table(tmp_path / "t.toml")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        find_table(tmp_path / "t.parquet")
