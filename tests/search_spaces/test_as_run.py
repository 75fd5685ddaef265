"""Bytes by hand: a number of an 8-bit tensor has one, a float four."""

import pytest

from search_spaces import (
    CostTable,
    ImageHead,
    InvertedResidual,
    Phase,
    SegmentCost,
    SegmentExporter,
    Stem,
)
from search_spaces.as_run import as_run
from search_spaces.blocks.feed_forward import FeedForward
from search_spaces.blocks.mcsd import Mcsd
from search_spaces.blocks.mixture import Mixture
from search_spaces.blocks.over_map import MapAttention, MapMcsd, MapMixture
from tests.search_spaces.onnx_tools import operators

INFER = Phase("infer")
DECODE = Phase("decode", {"new": 1, "seen": 15}, {"t0": 15})
INVERTED = InvertedResidual(
    in_channels=24, out_channels=24, side=14, stride=1, kernel=5, expansion=3, squeeze_excite=True
)
INT8 = SegmentExporter("int8")


def cost(block, phase=INFER, precision: str = "int8") -> SegmentCost:
    return CostTable(INT8 if precision == "int8" else SegmentExporter(precision))(block, phase)


def test_an_inverted_residual_in_8_bits_costs_its_hand_sum():
    found, plain = cost(INVERTED), cost(INVERTED, precision="fp32")

    weights = 24 * 72 + 72 * 25 + 2 * 72 * 18 + 72 * 24
    channels = 72 + 72 + 18 + 72 + 24
    # A channel has a bias and its scale and zero point, of 4 bytes each, and the scale (4) and zero
    # point (1) of its weights; a tensor has a scale and a zero point. Tensors: x, after each of 5
    # convolutions, pooled, gate, gated, sum.
    assert found.weight_bytes == weights + channels * (4 * 3 + 4 + 1) + 10 * (4 + 1)
    assert (found.params, found.macs) == (plain.params, plain.macs) == (8106, 1032768)
    # As in fp32: x waits beside the filter's input and output, each number in a byte.
    assert found.peak_bytes == 24 * 196 + 2 * 72 * 196 == plain.peak_bytes // 4


def test_an_image_comes_as_floats_and_logits_go_as_floats():
    stem = Stem(in_channels=3, out_channels=16, side=28, stride=2)
    head = ImageHead(in_channels=160, hidden=640, classes=10, side=7)

    assert cost(stem).peak_bytes == (4 + 1) * 3 * 28 * 28  # at the image's QuantizeLinear
    assert cost(head).peak_bytes == 640 * 49 + 160 * 49  # ReLU is part of the convolution


def test_pairs_that_the_runtime_fuses_are_gone():
    before, after = INT8(INVERTED).graph, as_run(INT8(INVERTED).graph)

    assert operators(before)["DequantizeLinear"] > 10
    found = operators(after)
    # Around the gate's hard sigmoid alone; the biases and weights are read as they are.
    assert (found["DequantizeLinear"], found["QuantizeLinear"]) == (1, 1)
    assert found["Conv"] == 5


def test_a_graph_of_floats_is_itself():
    graph = SegmentExporter()(INVERTED).graph

    assert as_run(graph) is graph


@pytest.mark.parametrize(
    "block",
    [
        MapAttention(width=32, side=4, heads=2),
        MapMcsd(width=32, side=4, channels=4),
        MapMixture(width=32, side=4, hidden=32, experts=4, used=2),
    ],
    ids=lambda block: block.family,
)
def test_all_shapes_of_a_token_block_in_8_bits_are_known(block):
    found, plain = cost(block), cost(block, precision="fp32")

    assert found.unknown_ops == ()
    assert (found.params, found.active_params) == (plain.params, plain.active_params)
    assert found.macs == plain.macs
    assert found.weight_bytes < plain.weight_bytes
    # The mixer's history is of floats; x waits beside it in 8 bits.
    assert found.peak_bytes <= plain.peak_bytes + 32 * 4 * 4


@pytest.mark.parametrize(("precision", "share"), [("int8", 1 + 4 / 32), ("int4", 0.5 + 4 / 32)])
def test_narrow_weights_count_their_bits_and_a_scale_for_32(precision: str, share: float):
    dense, mixture = (
        FeedForward(width=64, hidden=128),
        Mixture(width=64, hidden=32, experts=4, used=2),
    )

    found, plain = (cost(dense, DECODE, p) for p in (precision, "fp32"))
    assert plain.weight_bytes - 4 * 3 * 64 * 128 == found.weight_bytes - share * 3 * 64 * 128
    assert (found.params, found.macs, found.peak_bytes) == (
        plain.params,
        plain.macs,
        plain.peak_bytes,
    )
    found, plain = (cost(mixture, DECODE, p) for p in (precision, "fp32"))
    experts = 4 * 3 * 64 * 32
    assert plain.weight_bytes - 4 * experts == found.weight_bytes - share * experts
    assert found.active_params == plain.active_params < plain.params


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_the_state_of_a_mixer_is_as_large_in_any_precision(precision: str):
    block = Mcsd(width=64, channels=4)

    found = cost(block, DECODE, precision)
    assert found.state_bytes == cost(block, DECODE, "fp32").state_bytes == 4 * 2 * 64
    assert found.unknown_ops == ()
