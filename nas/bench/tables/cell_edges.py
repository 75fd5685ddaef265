"""Cells whose choices are operations on edges: which of them run is not what is written down.

A cell has nodes 0 to k-1, node 0 the input and k-1 the output, and an operation on the edge from
each node to each later one; one operation, `none`, is no edge at all. Converters and runtimes drop
what does not reach the output, but run what never saw the input: it is a sum of nothing, and still
computed. So a network has three readings: as written, what feeds the output, and what lies on a
path from input to output.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nas.bench.tables.choice_terms import Codes

Edges = tuple[tuple[int, int], ...]

_NO_OPERATION = ("0", "none")  # what an edge without an operation is written as


def edges_of_cell(names: Sequence[str]) -> Edges | None:
    """The edges that columns are named after; None unless they are all edges of one cell.

    Columns of a cell of at most ten nodes end in two digits, from and to: op_01, op_02, op_12.
    """
    ends = [name[-2:] for name in names]
    if not all(len(end) == 2 and end.isdecimal() for end in ends):
        return None
    edges = tuple((int(end[0]), int(end[1])) for end in ends)
    last = max((j for _, j in edges), default=0)
    whole = {(i, j) for j in range(last + 1) for i in range(j)}
    is_cell = last >= 2 and len(edges) == len(whole) and set(edges) == whole
    return edges if is_cell else None


def feeding_output(codes: Codes, edges: Edges, none: int) -> Codes:
    """(n, edges) codes with `none` on the edges from whose end nothing leads to the output."""
    live = _reached(codes, [(j, i) for i, j in edges], none, start=_output(edges))
    kept = codes.copy()
    for column, (_, end) in enumerate(edges):
        kept[~live[:, end], column] = none
    return kept


def on_path(codes: Codes, edges: Edges, none: int) -> Codes:
    """(n, edges) codes with `none` on the edges on no path from input to output."""
    kept = feeding_output(codes, edges, none)
    fed = _reached(codes, list(edges), none, start=0)
    for column, (begin, _) in enumerate(edges):
        kept[~fed[:, begin], column] = none
    return kept


def no_operation(values: npt.NDArray[np.str_]) -> int | None:
    """The number of the value that is no operation; None if there is none."""
    return next((i for i, value in enumerate(values) if value.lower() in _NO_OPERATION), None)


def _output(edges: Edges) -> int:
    return max(j for _, j in edges)


def _reached(
    codes: Codes, arrows: Sequence[tuple[int, int]], none: int, start: int
) -> npt.NDArray[np.bool_]:
    """(n, nodes) the nodes that arrows with an operation lead to from `start`."""
    nodes = max(max(arrow) for arrow in arrows) + 1
    reached = np.zeros((len(codes), nodes), dtype=bool)
    reached[:, start] = True
    for _ in range(nodes - 1):  # the longest way has that many arrows
        for column, (begin, end) in enumerate(arrows):
            reached[:, end] |= reached[:, begin] & (codes[:, column] != none)
    return reached
