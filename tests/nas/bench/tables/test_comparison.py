import json

import numpy as np
import pytest

from nas.bench.tables.choice_terms import ChoiceRows
from nas.bench.tables.comparison import compare_on_table
from nas.bench.tables.latency_table import LatencyTable
from nas.errors import BadInput


def random_table(noise=0.0, drift=0.0, rows=200, absent=0):
    """Latencies of 10 ms and up to 3 ms for each of four choices in six places."""
    rng = np.random.default_rng(0)
    codes = rng.integers(4, size=(rows, 6))
    latency = 10 + rng.uniform(0.1, 3.0, (6, 4))[np.arange(6), codes].sum(axis=1)
    latency *= 1 + noise * rng.random(rows) + drift * (np.arange(rows) // 25 % 2)
    latency[:absent] = np.nan
    networks = ChoiceRows({"choices": codes}, 4, np.zeros((rows, 0)))
    return LatencyTable(
        name="t.parquet",
        networks=networks,
        view_sets=(("choices",),),
        latencies={"lat_ms": latency},
        left_out=3,
    )


def test_latencies_that_are_sums_are_predicted_without_error_by_both():
    rows = compare_on_table(random_table(), train_rows=120, seeds=2)
    assert [row["model"] for row in rows] == ["additive", "least squares"]
    for row in rows:
        assert (row["latency"], row["fitted"], row["tested"]) == ("lat_ms", 120, 80)
        assert row["MAPE"] == pytest.approx(0, abs=1e-3)
        assert row["within 5 %"] == row["within 10 %"] == 1.0
        assert row["Spearman"] == pytest.approx(1, abs=1e-3)


def test_rows_left_out_are_those_that_are_no_network_and_those_not_measured():
    row = compare_on_table(random_table(absent=10), train_rows=120, seeds=1)[0]
    assert (row["tested"], row["left out"]) == (70, 13)


def test_an_error_that_follows_the_file_shows_as_drift():
    still, drifting = (
        compare_on_table(random_table(noise=0.05, drift=drift), train_rows=100, seeds=1)[0]
        for drift in (0.0, 0.2)
    )
    assert abs(still["drift"]) < 0.3
    assert drifting["drift"] > 0.6


def test_the_same_seeds_give_the_same_rows_that_are_plain_json():
    first, second = (compare_on_table(random_table(0.1), train_rows=60, seeds=2) for _ in range(2))
    assert first == second == json.loads(json.dumps(first))
    assert first[0]["spread"] > 0


def test_every_fit_is_told_before_it_begins():
    told = []
    compare_on_table(random_table(), 60, seeds=2, on_fit=lambda *what: told.append(what))
    assert told == [("lat_ms", 1), ("lat_ms", 2)]


@pytest.mark.parametrize(
    ("train_rows", "words"), [(19, "at least 20"), (191, "t.parquet, lat_ms: of 200 rows")]
)
def test_too_few_rows_to_fit_or_to_test_are_told(train_rows, words):
    with pytest.raises(BadInput, match=words):
        compare_on_table(random_table(), train_rows, seeds=1)
