import numpy as np
import pandas as pd
import pytest

from nas.bench.search import read_search_table
from nas.errors import BadInput

COLUMNS = {
    "op_0": [0, 1, 0, 1],
    "op_1": [0, 0, 1, 1],
    "same": ["a", "b", "b", "d"],
    "depth": [0, 1, 1, 2],
    "top1": [60.0, 70.0, 71.0, 90.0],
    "ms": [1.0, 2.0, 2.5, 4.0],
}
TOML = 'table = "t.parquet"\nparams = ["op_0", "op_1"]\naccuracy = "top1"\ncosts = ["ms"]\n'


def written(tmp_path, toml=TOML, **changes):
    pd.DataFrame({**COLUMNS, **changes}).to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.toml").write_text(toml)
    return tmp_path / "t.toml"


def refusal(path):
    with pytest.raises(BadInput) as found:
        read_search_table(path)
    return str(found.value)


def test_what_a_sampler_sees_holds_no_accuracy(tmp_path):
    toml = TOML + 'identity = ["same"]\nfeatures = ["depth"]\n'
    table = read_search_table(written(tmp_path, toml))
    everything = table.candidates.everything()
    assert len(everything) == 3  # two rows are one network
    known = table.candidates.known(everything)
    assert known.costs[:, 0].tolist() == [1.0, 2.0, 4.0]
    assert known.features[:, 0].tolist() == [0.0, 1.0, 2.0]
    assert not {60.0, 70.0, 71.0, 90.0} & set(np.ravel([known.costs, known.features]))


def test_a_judge_tells_accuracies_one_by_one_and_writes_down_which(tmp_path):
    judge = read_search_table(written(tmp_path)).judge()
    assert judge.share() == 0.0
    assert [judge.evaluate(row) for row in (3, 1)] == [90.0, 70.0]
    assert judge.rows == [3, 1]
    assert judge.accuracies() == [90.0, 70.0]


def test_all_rows_have_the_whole_front(tmp_path):
    judge = read_search_table(written(tmp_path)).judge()
    for row in range(4):
        judge.evaluate(row)
    assert judge.share() == pytest.approx(1.0)


def test_the_share_is_that_of_logarithms_up_to_the_quantiles(tmp_path):
    """By hand: of four rows only the second and third lie within both 75 % quantiles."""
    table = read_search_table(written(tmp_path))
    judge = table.judge()
    errors, costs = np.log([40.0, 30.0, 29.0, 10.0]), np.log(COLUMNS["ms"])
    worst_error, worst_cost = np.quantile(errors, 0.75), np.quantile(costs, 0.75)
    whole = (worst_error - errors[1]) * (worst_cost - costs[1])
    whole += (errors[1] - errors[2]) * (worst_cost - costs[2])
    judge.evaluate(2)
    third = (worst_error - errors[2]) * (worst_cost - costs[2])
    assert judge.share() == pytest.approx(third / whole)


def test_accuracies_may_be_shares_of_one(tmp_path):
    assert read_search_table(written(tmp_path)).best == 100.0
    shares = [0.6, 0.7, 0.71, 0.9]
    assert read_search_table(written(tmp_path, top1=shares)).best == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"op_1": [0, 0, 0, 1]}, "row 2 and an earlier one"),
        ({"top1": [60.0, np.nan, 71.0, 90.0]}, "top1 is missing or infinite in 1 rows"),
        ({"top1": [60.0, 170.0, 71.0, 90.0]}, "neither per cent nor a share"),
        ({"top1": ["a", "b", "c", "d"]}, "top1 holds no numbers"),
        ({"ms": [1.0, 1.0, 1.0, 1.0]}, "ms is the same in all rows"),
        ({"ms": [0.0, 1.0, 2.0, 3.0]}, "ms is not above 0"),
        ({"ms": [np.inf, 1.0, 2.0, 3.0]}, "ms is missing or infinite in 1 rows"),
        ({"top1": [70.0, 70.0, 70.0, 70.0]}, "there is no front"),
        ({"op_0": [0, None, 0, 1]}, "op_0 is empty in 1 rows"),
    ],
)
def test_a_table_that_cannot_be_searched_is_refused_in_one_line(tmp_path, changes, words):
    found = refusal(written(tmp_path, **changes))
    assert words in found
    assert "t.parquet" in found
    assert "\n" not in found


def test_a_table_of_one_row_has_no_front(tmp_path):
    path = written(tmp_path)
    pd.DataFrame(COLUMNS).head(1).to_parquet(tmp_path / "t.parquet")
    assert "the same in all rows" in refusal(path)


@pytest.mark.parametrize("missing", ["params", "accuracy", "costs"])
def test_a_description_that_lacks_a_line_is_told_which(tmp_path, missing):
    lines = [line for line in TOML.splitlines() if not line.startswith(missing)]
    assert missing in refusal(written(tmp_path, "\n".join(lines)))


def test_columns_that_the_table_lacks_are_named(tmp_path):
    assert "watts" in refusal(written(tmp_path, TOML.replace('["ms"]', '["ms", "watts"]')))
    assert "accuracy" in refusal(written(tmp_path, TOML.replace('"top1"', '"top5"')))


def test_a_file_that_is_not_there_is_told(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.toml")


def test_of_a_cell_without_features_the_operations_that_count_are_counted(tmp_path):
    columns = {
        "op_01": ["conv", "none", "conv"],
        "op_02": ["none", "pool", "pool"],
        "op_12": ["conv", "conv", "none"],
        "top1": [60.0, 70.0, 90.0],
        "ms": [1.0, 2.0, 4.0],
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    toml = TOML.replace('["op_0", "op_1"]', '["op_01", "op_02", "op_12"]')
    (tmp_path / "t.toml").write_text(toml)
    candidates = read_search_table(tmp_path / "t.toml").candidates
    cells = zip(*list(columns.values())[:3], strict=True)
    rows = [dict(zip(list(columns)[:3], row, strict=True)) for row in cells]
    codes = np.stack([candidates.encode(row) for row in rows])
    # conv and pool: the second cell's conv starts where nothing arrives, the third's ends nowhere
    assert candidates.known(codes).features.tolist() == [[2, 0], [0, 1], [0, 1]]
