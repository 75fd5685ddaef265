from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from search_spaces import Block, export_segment
from search_spaces.blocks.attention import Attention
from search_spaces.blocks.feed_forward import FeedForward
from search_spaces.blocks.mcsd import Mcsd
from search_spaces.blocks.mixture import Mixture, NeuronGroups
from search_spaces.weight_quantization import pack_rows, quantize_weights
from tests.search_spaces.conftest import Run
from tests.search_spaces.onnx_tools import error, operators, weights

ROUNDING = {8: 0.03, 4: 0.3}
"""Largest error of a block's branch: 4 bits have 15 steps, so that a weight is off by a sixteenth
of the largest of its group."""


def product(depth: int, width: int) -> onnx.ModelProto:
    weight = np.random.default_rng(0).standard_normal((depth, width)).astype(np.float32)
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], "product")],
        "g",
        [value("x", onnx.TensorProto.FLOAT, [1, "n", depth])],
        [value("y", onnx.TensorProto.FLOAT, [1, "n", width])],
        [numpy_helper.from_array(weight, "w")],
    )
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )


@pytest.mark.parametrize("bits", [8, 4])
def test_a_product_is_packed_as_the_librarys_own_quantizer_packs_it(bits: int):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    ours = quantize_weights(product(96, 64), bits)
    library = MatMulNBitsQuantizer(
        product(96, 64), bits=bits, block_size=32, is_symmetric=True, accuracy_level=4
    )
    library.process()
    theirs = library.model.model

    for mine, its in zip(weights(ours).values(), weights(theirs).values(), strict=True):
        np.testing.assert_array_equal(mine, its)
    attributes = [{a.name: a.i for a in model.graph.node[0].attribute} for model in (ours, theirs)]
    assert attributes[0] == attributes[1]
    assert ours.opset_import == theirs.opset_import


@pytest.mark.parametrize("bits", [8, 4])
def test_a_row_that_is_no_multiple_of_a_group_is_filled_up(bits: int, run_onnx: Run):
    x = torch.randn(1, 3, 40, generator=torch.Generator().manual_seed(0))
    model = product(40, 8)

    found = run_onnx(quantize_weights(model, bits), {"x": x})["y"]

    assert error(found, run_onnx(model, {"x": x})["y"]) < ROUNDING[bits]


@pytest.mark.parametrize(("bits", "group"), [(8, 32), (4, 16), (8, 0), (4, 0)])
def test_packed_rows_give_the_numbers_back_within_half_a_step(bits: int, group: int):
    rows = np.random.default_rng(1).standard_normal((3, 5, 64)).astype(np.float32)
    packed = pack_rows(rows, bits, group)

    codes = packed.weights
    if bits == 4:
        codes = np.stack([codes & 15, codes >> 4], -1).reshape(rows.shape)
    steps = np.repeat(packed.scales, group or 64, -1)
    found = (codes.astype(np.float32) - 2 ** (bits - 1)) * steps
    # The number opposite to the largest has no code of its own and is a whole step off at most.
    assert (np.abs(found - rows) <= np.abs(steps) * 1.001).all()
    assert np.mean(np.abs(found - rows) <= np.abs(steps) * 0.501) > 0.97


def test_a_row_of_zeros_stays_zero():
    packed = pack_rows(np.zeros((1, 32), np.float32), 8, 32)

    assert (packed.weights == 128).all()
    assert packed.scales.tolist() == [[0.0]]


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(
    "block",
    [
        Mixture(width=64, hidden=32, experts=4, used=2),
        NeuronGroups(width=96, hidden=192, groups=4, used=2),  # 48 neurons: groups of 16
        NeuronGroups(width=96, hidden=192, groups=16, used=4),  # 12 neurons: whole rows
        FeedForward(width=64, hidden=128),
    ],
    ids=["mixture", "groups of 16", "whole rows", "dense"],
)
@pytest.mark.parametrize("tokens", [1, 9])
def test_a_quantized_feed_forward_is_near_the_one_of_fp32(
    block: Block, bits: int, tokens: int, run_onnx: Run
):
    model = export_segment(block)
    width = model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
    x = torch.randn(1, tokens, width, generator=torch.Generator().manual_seed(0))

    branches = [
        run_onnx(m, {"x": x})["x.next"] - x.numpy() for m in (quantize_weights(model, bits), model)
    ]

    assert error(*branches) < ROUNDING[bits]


def test_mixtures_run_quantized_and_their_routers_do_not():
    model = export_segment(Mixture(width=64, hidden=32, experts=4, used=2))
    found = operators(quantize_weights(model, 4).graph)

    assert (found["QMoE"], found["MoE"]) == (1, 0)
    assert (found["MatMul"], found["MatMulNBits"]) == (1, 0)


def test_weights_of_more_than_two_sides_and_products_of_activations_stay_floats():
    mixer = operators(quantize_weights(export_segment(Mcsd(width=64, channels=4)), 8).graph)
    attention = operators(quantize_weights(export_segment(Attention(width=64, heads=2)), 8).graph)

    assert (mixer["MatMulNBits"], mixer["MatMul"]) == (1, 3)  # output; U, V and the history
    assert (attention["MatMulNBits"], attention["MatMul"]) == (2, 2)


def test_nodes_that_are_not_wanted_are_left_alone_and_the_model_that_is_given_too():
    model = export_segment(FeedForward(width=64, hidden=128))
    before = model.SerializeToString()
    unwanted: Callable[[str], bool] = lambda name: False  # noqa: E731

    assert quantize_weights(model, 8, unwanted).SerializeToString() == before
    quantize_weights(model, 8)
    assert model.SerializeToString() == before


def test_a_quantized_block_is_valid_onnx_without_the_weights_it_had():
    model = quantize_weights(export_segment(Mixture(width=64, hidden=32, experts=4, used=2)), 8)

    onnx.checker.check_model(model)
    read = {name for node in model.graph.node for name in node.input}
    assert weights(model).keys() <= read
    experts = [w for w in weights(model).values() if w.dtype == np.uint8]
    assert sum(w.size for w in experts) == 4 * 3 * 64 * 32
