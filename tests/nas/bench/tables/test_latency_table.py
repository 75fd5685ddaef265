import numpy as np
import pandas as pd
import pytest

from nas.bench.tables.latency_table import read_latency_table
from nas.errors import BadInput

CELL = ["op_01", "op_02", "op_12"]


def written(tmp_path, columns, name="t.parquet"):
    path, frame = tmp_path / name, pd.DataFrame(columns)
    if name.endswith("csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_choices_become_codes_and_latencies_stay_as_they_are(tmp_path, name):
    columns = {"op_00": ["k3", "skip", "k5"], "op_01": ["k5", "k3", "k3"], "lat_ms": [1.5, 2, 3]}
    table = read_latency_table(written(tmp_path, columns, name))
    assert table.networks.views["choices"].tolist() == [[0, 1], [2, 0], [1, 0]]
    assert table.networks.choices == 3
    assert table.view_sets == (("choices",),)
    assert table.latencies["lat_ms"].tolist() == [1.5, 2, 3]
    assert (table.name, table.left_out) == (name, 0)


def test_a_choice_called_none_is_a_choice_also_in_a_csv(tmp_path):
    columns = {"op_00": ["None", "NA", "k3"], "lat_ms": [1.0, np.nan, 3.0]}
    table = read_latency_table(written(tmp_path, columns, "t.csv"))
    assert table.networks.choices == 3
    assert np.isnan(table.latencies["lat_ms"][1])


def test_whole_numbers_written_as_fractions_are_the_same_choice(tmp_path):
    columns = {"op_00": [1, 2], "op_01": [2.0, 1.0], "lat_ms": [1.0, 2.0]}
    networks = read_latency_table(written(tmp_path, columns)).networks
    assert networks.views["choices"].tolist() == [[0, 1], [1, 0]]


def test_what_is_no_positive_number_is_no_latency(tmp_path):
    bad = [0.0, -1.0, np.nan, np.inf, 5.0]
    table = read_latency_table(written(tmp_path, {"op_0": range(5), "lat_ms": bad}))
    assert np.isnan(table.latencies["lat_ms"]).tolist() == [True] * 4 + [False]


def test_a_cell_is_read_in_three_ways_and_one_without_a_path_is_no_network(tmp_path):
    cells = np.array([[3, 0, 3], [3, 1, 0], [0, 1, 3], [3, 0, 0]])
    columns = {**dict(zip(CELL, cells.T, strict=True)), "lat_ms": [1.0, 2, 3, 4]}
    table = read_latency_table(written(tmp_path, columns))
    views = {name: codes.tolist() for name, codes in table.networks.views.items()}
    assert views == {
        "choices": [[2, 0, 2], [2, 1, 0], [0, 1, 2]],
        "feeding": [[2, 0, 2], [0, 1, 0], [0, 1, 2]],
        "canonical": [[2, 0, 2], [0, 1, 0], [0, 1, 0]],
    }
    assert table.left_out == 1
    assert table.latencies["lat_ms"].tolist() == [1, 2, 3]


def test_a_canonical_form_that_is_given_goes_before_our_own(tmp_path):
    columns = {"op_00": [1, 2], "op_01": [2, 2], "net_00": [1, 0], "net_01": [0, 2]}
    table = read_latency_table(written(tmp_path, {**columns, "lat_ms": [1.0, 2.0]}))
    assert table.networks.views["canonical"].tolist() == [[1, 0], [0, 2]]
    assert table.view_sets == (("choices",), ("canonical",), ("choices", "canonical"))


def test_features_run_from_zero_to_one(tmp_path):
    path = written(tmp_path, {"op_0": [0, 1, 2], "depth": [4, 6, 8], "one": 7, "lat_ms": 1.0})
    (tmp_path / "t.toml").write_text('table = "t.parquet"\nfeatures = ["depth", "one"]')
    assert read_latency_table(path).networks.features.tolist() == [[0, 0], [0.5, 0], [1, 0]]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"op_0": [1, None], "lat_ms": [1.0, 2.0]}, "op_0 is empty in 1 rows"),
        ({"op_0": range(300), "lat_ms": 1.0}, "300 different choices"),
        ({"op_0": [], "lat_ms": []}, "without rows"),
    ],
)
def test_a_table_that_holds_no_choices_is_refused(tmp_path, columns, words):
    with pytest.raises(BadInput, match=words):
        read_latency_table(written(tmp_path, columns))


def test_words_asked_for_as_latency_are_refused(tmp_path):
    path = written(tmp_path, {"op_0": [1, 2], "speed": ["fast", "slow"]})
    with pytest.raises(BadInput, match="speed holds no numbers"):
        read_latency_table(path, latency=["speed"])


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.xlsx"])
def test_a_file_of_something_else_is_told_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b'\x00"\xff\n\x01')
    with pytest.raises(BadInput) as told:
        read_latency_table(tmp_path / name)
    assert name in str(told.value)
    assert "\n" not in str(told.value)


def test_a_description_of_a_table_that_is_gone_is_told(tmp_path):
    (tmp_path / "t.toml").write_text('table = "gone.parquet"')
    with pytest.raises(BadInput, match=r"gone\.parquet"):
        read_latency_table(tmp_path / "t.toml")
