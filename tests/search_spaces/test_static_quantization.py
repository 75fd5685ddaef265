from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from search_spaces import Block, ImageHead, InvertedResidual, export_segment
from search_spaces.blocks.over_map import MapAttention, MapFeedForward, MapMcsd, MapMixture
from search_spaces.static_quantization import int8_nodes, quantize_activations
from search_spaces.weight_quantization import routers
from tests.search_spaces.onnx_tools import operators, optimised, weights

INVERTED = InvertedResidual(
    in_channels=8, out_channels=8, side=6, stride=1, kernel=3, expansion=3, squeeze_excite=True
)


def chosen(block: Block) -> Counter[str]:
    graph = export_segment(block).graph
    names = int8_nodes(graph, routers(graph))
    return Counter(node.op_type for node in graph.node if node.name in names)


def maps(block: InvertedResidual, count: int = 2) -> list[dict[str, np.ndarray]]:
    shape, rng = block.specs()["x"].shape, np.random.default_rng(0)
    return [{"x": rng.uniform(-1, 1, shape).astype(np.float32)} for _ in range(count)]


def test_all_but_the_hard_sigmoid_of_a_convolutional_block_computes_in_8_bits():
    assert chosen(INVERTED) == {
        "Conv": 5,
        "Relu": 3,
        "GlobalAveragePool": 1,
        "Mul": 1,
        "Add": 1,
    }


def test_a_head_computes_in_8_bits_up_to_its_last_layer():
    head = ImageHead(in_channels=8, hidden=16, classes=10, side=4)

    assert chosen(head) == {"Conv": 1, "Relu": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}


@pytest.mark.parametrize(
    ("block", "products"),
    [
        (MapFeedForward(width=16, side=4, hidden=32), 3),
        (MapAttention(width=32, side=4, heads=2), 2),  # into heads and back
        (MapMcsd(width=32, side=4, channels=4), 1),  # the output; channels have matrices of theirs
        (MapMixture(width=16, side=4, hidden=16, experts=4, used=2), 0),  # its router is none
    ],
    ids=lambda value: value.family if isinstance(value, Block) else None,
)
def test_of_a_token_block_products_with_weights_and_the_residual_compute_in_8_bits(
    block: Block, products: int
):
    found = chosen(block)

    assert found["MatMul"] == products
    assert found["Add"] == 1
    assert found["Mul"] == 0
    assert found.keys() <= {"MatMul", "Add", "Transpose", "Reshape", "Unsqueeze", "Squeeze"}


def test_a_nodes_name_can_be_left_out():
    graph = export_segment(INVERTED).graph
    first = int8_nodes(graph)[0]

    assert first not in int8_nodes(graph, {first})


def test_an_activation_that_gates_itself_stays_a_float():
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[1, 4] x) => (float[1, 4] y, float[1, 4] z) {
        s = Sigmoid (x)
        y = Mul (x, s)
        other = Relu (x)
        z = Mul (other, s)
    }"""
    graph = parse_model(text).graph
    for number, node in enumerate(graph.node):
        node.name = str(number)

    assert int8_nodes(graph) == ["2", "3"]


def test_weights_are_signed_with_a_scale_for_each_channel_and_activations_unsigned():
    quantized = weights(quantize_activations(export_segment(INVERTED), maps(INVERTED)))
    kernels = [w for w in quantized.values() if w.ndim == 4]

    assert {w.dtype for w in kernels} == {np.dtype(np.int8)}
    assert {w.dtype for n, w in quantized.items() if n == "x_zero_point"} == {np.dtype(np.uint8)}
    scales = [w for n, w in quantized.items() if w.shape == (24,) and w.dtype == np.float32]
    assert {len(np.unique(s)) for s in scales} == {24}


def test_what_has_nothing_to_quantize_stays_as_it_is():
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (float[1, 4] x) => (float[1, 4] y) { y = Exp (x) }"""
    model = parse_model(text)

    assert quantize_activations(model, []) is model


def test_the_runtime_really_uses_its_8_bit_operators(tmp_path: Path):
    model = quantize_activations(export_segment(INVERTED), maps(INVERTED))

    onnx.checker.check_model(model)
    found = operators(optimised(model, tmp_path))
    assert found["QLinearConv"] == 5
    assert found["QLinearGlobalAveragePool"] == found["QLinearMul"] == found["QLinearAdd"] == 1
    assert found["HardSigmoid"] == 1
    assert not found.keys() & {"Conv", "FusedConv", "Mul", "Add", "Relu", "GlobalAveragePool"}
