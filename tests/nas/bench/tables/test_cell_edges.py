import numpy as np
import pytest

from nas.bench.tables.cell_edges import edges_of_cell, feeding_output, on_path

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_columns_named_after_all_edges_of_a_cell_are_its_edges():
    assert edges_of_cell(["op_01", "op_02", "op_12", "op_03", "op_13", "op_23"]) == EDGES


@pytest.mark.parametrize(
    "names",
    [
        ["op_00", "op_01", "op_02"],
        ["op_01", "op_02"],
        ["op_01", "op_02", "op_12", "op_02"],
        ["op_01"],
        ["kernel", "width"],
        ["op_12", "op_13", "op_23"],
        [],
    ],
)
def test_other_columns_are_no_cell(names):
    assert edges_of_cell(names) is None


def test_what_leads_nowhere_is_dropped_and_what_saw_no_input_is_kept():
    # Node 2 has no way to the output; node 1 has no way from the input.
    codes = np.array([[0, 4, 4, 1, 3, 0]])
    assert feeding_output(codes, EDGES, none=0).tolist() == [[0, 0, 0, 1, 3, 0]]
    assert on_path(codes, EDGES, none=0).tolist() == [[0, 0, 0, 1, 0, 0]]


def test_a_way_over_all_nodes_is_followed_to_its_end():
    chain = np.array([[1, 0, 1, 0, 0, 1]])
    assert on_path(chain, EDGES, none=0).tolist() == chain.tolist()
    broken = np.array([[1, 0, 1, 0, 0, 0]])
    assert feeding_output(broken, EDGES, none=0).tolist() == [[0] * 6]


def test_the_order_of_the_columns_does_not_matter():
    order = [5, 3, 1, 0, 4, 2]
    codes = np.random.default_rng(0).integers(3, size=(200, 6))
    shuffled = on_path(codes[:, order], tuple(EDGES[i] for i in order), none=0)
    assert shuffled.tolist() == on_path(codes, EDGES, none=0)[:, order].tolist()


def test_whole_cells_and_the_given_codes_stay_as_they_are():
    codes = np.array([[1, 2, 1, 2, 1, 2], [0, 4, 4, 1, 3, 0]])
    before = codes.copy()
    assert on_path(codes, EDGES, none=0)[0].tolist() == codes[0].tolist()
    feeding_output(codes, EDGES, none=0)
    assert codes.tolist() == before.tolist()
