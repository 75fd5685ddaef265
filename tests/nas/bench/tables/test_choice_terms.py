import numpy as np

from nas.bench.tables.choice_terms import (
    CONTEXT_TERMS,
    ChoiceRows,
    choice_columns,
    num_columns,
    term_columns,
)

CODES = np.array([[0, 1, 1], [2, 0, 2]])


def rows(features=None):
    return ChoiceRows({"choices": CODES}, 3, np.zeros((2, 0)) if features is None else features)


def test_a_network_is_a_one_and_a_one_for_each_choice_in_its_place():
    assert choice_columns(rows(), ["choices"]).tolist() == [
        [1, 1, 0, 0, 0, 1, 0, 0, 1, 0],
        [1, 0, 0, 1, 1, 0, 0, 0, 0, 1],
    ]


def test_two_readings_stand_side_by_side():
    both = ChoiceRows({"a": CODES, "b": CODES[:, ::-1]}, 3, np.zeros((2, 0)))
    columns = choice_columns(both, ["a", "b"])
    assert columns.shape == (2, 1 + 2 * 9)
    assert columns[:, 10:].tolist() == choice_columns(both, ["b"])[:, 1:].tolist()


def test_counts_are_shares_of_each_choice_and_feature_and_their_products():
    columns = term_columns(rows(np.array([[0.5], [1.0]])), "choices", "counts")
    shares = [1 / 3, 2 / 3, 0.0, 0.5]
    expected = shares + [a * b for i, a in enumerate(shares) for b in shares[i:]]
    assert np.allclose(columns[0], expected)


def test_neighbours_are_shares_of_what_follows_what():
    columns = term_columns(rows(), "choices", "neighbours")
    assert columns[0].reshape(3, 3).tolist() == [[0, 0.5, 0], [0, 0.5, 0], [0, 0, 0]]


def test_pairs_are_a_one_for_every_two_places():
    columns = term_columns(rows(), "choices", "pairs")[0].reshape(3, 3, 3)
    assert [np.argwhere(pair).tolist() for pair in columns] == [[[0, 1]], [[0, 1]], [[1, 1]]]


def test_a_network_of_one_place_has_no_neighbours_and_no_pairs():
    one = ChoiceRows({"choices": CODES[:, :1]}, 3, np.zeros((2, 0)))
    assert term_columns(one, "choices", "neighbours").tolist() == [[0.0] * 9] * 2
    assert term_columns(one, "choices", "pairs").shape == (2, 0)


def test_the_number_of_columns_is_known_without_making_them():
    networks = rows(np.ones((2, 2)))
    for term in set(CONTEXT_TERMS) - {"size"}:
        columns = term_columns(networks, "choices", term)
        assert columns.shape == (2, num_columns(networks, term))


def test_taking_rows_keeps_their_order_in_every_reading():
    taken = rows(np.array([[0.0], [1.0]])).take(np.array([1, 0, 1]))
    assert len(taken) == 3
    assert taken.views["choices"].tolist() == CODES[[1, 0, 1]].tolist()
    assert taken.features.tolist() == [[1], [0], [1]]
