import pandas as pd
import pytest

from nas.bench.search import median_reached, read_search_table, search_table
from nas.errors import BadInput
from tests.nas.bench.search.layer_table import write_layer_table


@pytest.fixture
def table(tmp_path):
    return read_search_table(write_layer_table(tmp_path))


def test_the_sampler_of_ours_needs_fewer_evaluations_than_random_networks(table):
    ours = [search_table(table, "pareto", 40, seed) for seed in range(3)]
    random = [search_table(table, "random", 40, seed) for seed in range(3)]
    assert median_reached(ours)[0] < 30
    assert median_reached(random)[0] is None or median_reached(random)[0] > median_reached(ours)[0]


def test_each_evaluation_is_written_down_with_its_accuracy(table):
    seen = []
    run = search_table(table, "random", 12, 0, on_trial=seen.append)
    assert seen == list(range(1, 13))
    assert len(run.rows) == len(run.accuracies) == 12
    judge = table.judge()
    assert [judge.evaluate(row) for row in run.rows] == list(run.accuracies)


def test_levels_are_reached_in_their_order_and_the_share_is_that_of_the_end(table):
    run = search_table(table, "pareto", 81, 0)
    first, second, third = run.reached
    assert first <= second <= third <= 81
    assert run.share == pytest.approx(1.0)
    assert sorted(run.rows) == list(range(81))


def test_ours_ends_when_every_network_was_evaluated(table):
    assert len(search_table(table, "pareto", 200, 0).rows) == 81


def test_a_seed_repeats_itself(table):
    first, second = (search_table(table, "pareto", 20, 3).rows for _ in range(2))
    assert first == second


def test_a_level_that_most_seeds_did_not_reach_has_no_median(table):
    runs = [search_table(table, "random", 3, seed) for seed in range(3)]
    assert median_reached(runs) == (None, None, None)


def test_a_table_that_lacks_networks_is_searched_by_ours_alone(tmp_path):
    path = write_layer_table(tmp_path)
    pd.read_csv(tmp_path / "t.csv").sample(40, random_state=0).to_csv(tmp_path / "t.csv")
    table = read_search_table(path)
    assert sorted(search_table(table, "pareto", 100, 0).rows) == list(range(40))
    with pytest.raises(BadInput, match="search it with --sampler pareto"):
        search_table(table, "tpe", 5, 0)
