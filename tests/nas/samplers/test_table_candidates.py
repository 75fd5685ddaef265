import numpy as np
import pytest

from nas.samplers import TableCandidates


def table(**changes):
    given = {
        "params": {"op": ["skip", "none", "conv"], "edge": [1, 1, 2]},
        "costs": np.array([[1.0], [2.0], [3.0]]),
        **changes,
    }
    params, costs = given.pop("params"), given.pop("costs")
    return TableCandidates(params, costs, **given)


def test_a_row_is_found_by_its_params_and_gives_them_back():
    found = table()
    for row, params in enumerate(({"op": "skip", "edge": 1}, {"op": "conv", "edge": 2})):
        codes = found.encode(params)
        assert found.decode(codes) == params
        assert found.known(codes[None]).costs[0, 0] == 2 * row + 1
    assert found.row({"op": "none", "edge": 1}) == 1


def test_what_is_no_row_of_the_table_is_an_error():
    with pytest.raises(KeyError):
        table().encode({"op": "none", "edge": 2})


def test_of_rows_that_are_the_same_network_the_cheapest_stands_for_all():
    found = table(identity=[["a", "a", "b"]], costs=np.array([[2.0], [1.0], [3.0]]))
    everything = found.everything()
    assert everything is not None
    assert len(everything) == 2
    assert found.sizes == (2,)
    assert found.encode({"op": "none", "edge": 1}).tolist() == everything[0].tolist()
    assert found.decode(everything[0]) == {"op": "none", "edge": 1}
    assert found.known(found.encode({"op": "skip", "edge": 1})[None]).costs[0, 0] == 1.0


def test_features_come_along():
    found = table(features=np.array([[5.0], [6.0], [7.0]]))
    everything = found.everything()
    assert found.known(everything).features[:, 0].tolist() == [5.0, 6.0, 7.0]
    assert table().known(everything).features.shape == (3, 0)


def test_two_rows_of_the_same_params_are_refused():
    with pytest.raises(ValueError, match="same choices"):
        table(params={"op": ["skip", "none", "skip"]})


def test_an_identity_that_is_a_mere_name_puts_rows_together_and_the_params_describe_them():
    numbers = [*range(70), *range(70)]
    params = {"op": ["left"] * 70 + ["right"] * 70, "edge": numbers}
    found = table(
        params=params,
        costs=np.arange(140.0, 0.0, -1.0)[:, None],
        identity=[[f"network {number}" for number in numbers]],
    )
    everything = found.everything()
    assert len(everything) == 70
    assert [found.decode(codes)["op"] for codes in everything] == ["right"] * 70
    twins = ({"op": op, "edge": 3} for op in ("left", "right"))
    assert len({found.encode(params).tobytes() for params in twins}) == 1


def test_a_column_of_very_many_values_is_told_in_digits():
    found = table(params={"row": range(40_000)}, costs=np.ones((40_000, 1)))
    assert found.sizes == (64, 64, 10)
    assert len(np.unique(found.everything(), axis=0)) == 40_000
    assert found.decode(found.encode({"row": 39_999})) == {"row": 39_999}
