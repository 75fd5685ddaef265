import pytest
from onnx import TensorProto
from onnx.parser import parse_graph

from search_spaces.arithmetic import node_macs
from search_spaces.shapes import Tensor


def macs(line: str, **shapes: tuple[int, ...]) -> int:
    """Multiply-accumulates of the one node in `line`, whose output is y."""
    node = parse_graph(f"g () => () {{ {line} }}").node[0]
    return node_macs(node, {n: Tensor(s, TensorProto.FLOAT) for n, s in shapes.items()})


@pytest.mark.parametrize(
    ("expected", "line", "shapes"),
    [
        # 5 x 5 outputs of 8 channels, each a sum over 3 channels and a 3 x 3 kernel
        (5400, "y = Conv (x, w)", {"x": (1, 3, 5, 5), "w": (8, 3, 3, 3), "y": (1, 8, 5, 5)}),
        # depthwise: each sum is over one channel
        (1800, "y = Conv (x, w)", {"x": (1, 8, 5, 5), "w": (8, 1, 3, 3), "y": (1, 8, 5, 5)}),
        (
            5400,
            "y = QLinearConv (x, s, z, w, s, z, s, z)",
            {"x": (1, 3, 5, 5), "w": (8, 3, 3, 3), "y": (1, 8, 5, 5)},
        ),
        # each input of 2 channels is spread over 8 channels and a 3 x 3 kernel
        (
            3600,
            "y = ConvTranspose (x, w)",
            {"x": (1, 2, 5, 5), "w": (2, 8, 3, 3), "y": (1, 8, 7, 7)},
        ),
        (2 * 6 * 4 * 5, "y = MatMul (a, b)", {"a": (2, 6, 4), "b": (4, 5), "y": (2, 6, 5)}),
        (6 * 4 * 5, "y = Gemm (a, b)", {"a": (6, 4), "b": (4, 5), "y": (6, 5)}),
        (6 * 4 * 5, "y = Gemm <transA = 1> (a, b)", {"a": (4, 6), "b": (4, 5), "y": (6, 5)}),
        (
            2 * 6 * 4 * 5,
            'y = Einsum <equation = "bik,kj->bij"> (a, b)',
            {"a": (2, 6, 4), "b": (4, 5), "y": (2, 6, 5)},
        ),
        (
            2 * 6 * 4 * 5,
            'y = Einsum <equation = "...ik,...kj"> (a, b)',
            {"a": (2, 6, 4), "b": (2, 4, 5), "y": (2, 6, 5)},
        ),
        (0, 'y = Einsum <equation = "ij->ji"> (a)', {"a": (6, 4), "y": (4, 6)}),
        # 7 tokens, 4 gates of 5 hidden numbers from 3 inputs and 5 of the state
        (
            7 * 4 * 5 * (3 + 5),
            "y = LSTM <hidden_size = 5> (x, w, r)",
            {"x": (7, 1, 3), "w": (1, 20, 3), "r": (1, 20, 5), "y": (7, 1, 1, 5)},
        ),
        # 6 tokens, 2 of 8 experts each, of 16 hidden neurons with gates
        (
            6 * 2 * (32 * 4 + 4 * 16),
            "y = com.microsoft.MoE <k = 2> (x, p, up, , down)",
            {"x": (1, 6, 4), "p": (6, 8), "up": (8, 32, 4), "down": (8, 4, 16), "y": (1, 6, 4)},
        ),
        (0, "y = Relu (x)", {"x": (4,), "y": (4,)}),
        (0, "y = MatMul (a, b)", {"a": (6, 4)}),
    ],
)
def test_multiply_accumulates_are_those_of_the_hand_sum(
    expected: int, line: str, shapes: dict[str, tuple[int, ...]]
):
    assert macs(line, **shapes) == expected
