"""Costs against sums by hand; a number of fp32 has 4 bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from search_spaces import (
    Block,
    CostTable,
    ImageHead,
    ImageTask,
    InvertedResidual,
    NetworkCost,
    Phase,
    SegmentCost,
    SegmentExporter,
    Stem,
    TensorSpec,
    export_segment,
    language,
    mobile,
    network_cost,
    segment_cost,
)
from search_spaces.blocks.attention import Attention
from search_spaces.blocks.mcsd import Clock
from search_spaces.blocks.mixture import Mixture

INFER = Phase("infer")
DECODE = Phase("decode", {"new": 1, "seen": 15}, {"t0": 15})
PREFILL = Phase("prefill", {"new": 16, "seen": 0}, {"t0": 0})


def cost(block: Block, phase: Phase = INFER) -> SegmentCost:
    return segment_cost(block, phase, export_segment(block))


def test_a_stem_costs_its_hand_sum():
    found = cost(Stem(in_channels=3, out_channels=16, side=28, stride=2))

    weights = 16 * 3 * 9
    image, map_ = 3 * 28 * 28, 16 * 14 * 14
    assert found == SegmentCost(
        params=weights + 16,  # the norm is folded into a bias
        active_params=weights + 16,
        macs=14 * 14 * weights,
        weight_bytes=4 * (weights + 16),
        peak_bytes=4 * (image + map_),  # rectified in place
        state_bytes=0,
        lasting_bytes=0,
        convolution_bytes=4 * weights,
        workspace_bytes=0,
        operators=2,
        operator_kinds=2,
    )


def test_an_inverted_residual_costs_its_hand_sum():
    found = cost(
        InvertedResidual(
            in_channels=24,
            out_channels=24,
            side=14,
            stride=1,
            kernel=5,
            expansion=3,
            squeeze_excite=True,
        )
    )

    expand, depthwise, project = 24 * 72, 72 * 25, 72 * 24
    squeeze = 72 * 18
    biases = 72 + 72 + 18 + 72 + 24
    params = expand + depthwise + 2 * squeeze + project + biases
    assert found.params == found.active_params == params == 8106
    assert found.macs == 14 * 14 * (expand + depthwise + project) + 2 * squeeze == 1032768
    assert found.weight_bytes == 4 * 8106
    assert found.convolution_bytes == 4 * (params - biases) == 31392
    # While the map is filtered, x waits for the shortcut beside the filter's input and output.
    assert found.peak_bytes == 4 * (24 * 196 + 2 * 72 * 196) == 131712


def test_a_block_without_shortcut_does_not_keep_its_input():
    block = InvertedResidual(
        in_channels=8,
        out_channels=16,
        side=14,
        stride=2,
        kernel=3,
        expansion=3,
        squeeze_excite=False,
    )

    # The map is widest beside the x that it was made of; x is gone when it is filtered.
    assert cost(block).peak_bytes == 4 * (8 * 196 + 24 * 196) == 25088


def test_an_image_head_costs_its_hand_sum():
    found = cost(ImageHead(in_channels=160, hidden=640, classes=10, side=7))

    assert found.params == 160 * 640 + 640 + 640 * 10 + 10 == 109450
    assert found.macs == 49 * 160 * 640 + 640 * 10 == 5024000
    assert found.peak_bytes == 4 * (160 * 49 + 640 * 49) == 156800


@pytest.mark.parametrize("phase", [DECODE, PREFILL], ids=["decode", "prefill"])
def test_a_cache_counts_as_large_as_it_gets(phase: Phase):
    keys_and_values = 2 * 2 * 16 * 32

    assert cost(Attention(width=64, heads=2), phase).state_bytes == 4 * keys_and_values


def test_attention_multiplies_each_token_with_all_that_it_sees():
    new, seen = 1, 16
    projections = new * (64 * 3 * 64 + 64 * 64)

    found = cost(Attention(width=64, heads=2), DECODE)

    assert found.macs == projections + 2 * new * seen * 64 == 18432
    assert found.params == 64 + 4 * 64 * 64  # a gain for the norm, and four projections


@pytest.mark.parametrize(("phase", "tokens"), [(DECODE, 1), (PREFILL, 16)])
def test_a_mixture_multiplies_by_the_experts_that_are_used(phase: Phase, tokens: int):
    found = cost(Mixture(width=64, hidden=64, experts=8, used=2), phase)

    gain, router, expert = 64, 64 * 8, 3 * 64 * 64
    assert found.params == gain + router + 8 * expert == 98880
    assert found.active_params == gain + router + 2 * expert == 25152
    assert found.macs == tokens * (router + 2 * expert)
    # The tokens once more, two sums, and the busiest expert: tokens and answers twice, gate and up,
    # and the neurons.
    assert found.workspace_bytes == 4 * tokens * (3 * 64 + 4 * 64 + 128 + 64)
    assert found.convolution_bytes == 0


def test_wires_beside_the_main_one_last():
    found = cost(Clock(context=16), PREFILL)

    history, carry = 2 * 8 * 16 * 16, 2 * 8 * 16
    assert found.lasting_bytes == 4 * (history + carry)


@dataclass(frozen=True, kw_only=True)
class Written(Block):
    """Stands for a stranger's block whose graph is written out in a test."""

    family: ClassVar[str] = "written"
    reads: ClassVar[tuple[str, ...]] = ("x", "go")

    def build(self) -> nn.Module:
        return nn.Identity()

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, 4)), "go": TensorSpec((), torch.bool)}


WEIGHT = "float[4, 4] w = {" + "1," * 15 + "1}"
BRANCHES = f"""g (float[1, 4] x, bool go) => (float[1, 4] x.next) <{WEIGHT}> {{
    x.next = If (go) <
        then_branch = cheap () => (float[1, 4] p) {{ p = MatMul (x, w) }},
        else_branch = dear () => (float[1, 4] q) {{ r = MatMul (x, w) q = MatMul (r, w) }}
    >
}}"""
LOOP = f"""g (float[1, 4] x, bool go) => (float[1, 4] x.next) <{WEIGHT}> {{
    limit = Constant <value_int = 5> ()
    x.next = Loop (limit, go, x) <
        body = turn (int64 i, bool on, float[1, 4] v) => (bool more, float[1, 4] y) {{
            more = Identity (on)
            y = MatMul (v, w)
        }}
    >
}}"""


def written(text: str, **constants: int) -> SegmentCost:
    # A dot is no part of a name in ONNX's text form.
    text = text.replace("x.next", "x_next")
    model = parse_model('<ir_version: 8, opset_import: ["": 17, "strange": 1]>' + text)
    for names in (*(node.output for node in model.graph.node),):
        names[:] = [name.replace("x_next", "x.next") for name in names]
    model.graph.output[0].name = "x.next"
    return segment_cost(Written(), Phase("infer", {}, constants), model)


def test_of_the_branches_of_an_if_the_dearest_counts():
    found = written(BRANCHES)

    assert found.macs == 2 * 16
    assert found.peak_bytes == 16 + 1 + 16 + 2 * 16  # x, go, output; and both values inside
    assert found.params == 16


def test_of_an_if_on_a_pinned_value_the_branch_that_runs_counts():
    assert written(BRANCHES, go=1).macs == 16
    assert written(BRANCHES, go=0).macs == 2 * 16


def test_a_loop_counts_each_of_its_turns():
    assert written(LOOP).macs == 5 * 16


def test_an_operator_without_known_shape_is_named():
    text = "g (float[1, 4] x, bool go) => (float[1, 4] x.next) { x.next = strange.Twist (x) }"

    found = written(text)

    assert found.unknown_ops == ("strange.Twist",)
    assert found.peak_bytes == 16 + 1  # what is known of it


def test_a_network_adds_up_its_segments_and_peaks_once():
    def segment(**changes: int) -> SegmentCost:
        numbers = dict.fromkeys(("params", "active_params", "macs", "weight_bytes"), 0)
        sizes = dict.fromkeys(("peak_bytes", "state_bytes", "lasting_bytes"), 0)
        return SegmentCost(**{**numbers, **sizes, **changes})

    found = network_cost(
        [
            segment(params=10, active_params=5, macs=7, weight_bytes=40, peak_bytes=100),
            segment(params=20, active_params=20, weight_bytes=80, peak_bytes=300, state_bytes=16),
            segment(lasting_bytes=64, peak_bytes=200),
        ]
    )

    assert found == NetworkCost(
        params=30,
        active_params=25,
        macs=7,
        weight_bytes=120,
        state_bytes=16,
        memory_bytes=120 + 2 * 16 + 64 + 300,
    )


def test_what_is_unknown_in_a_segment_is_unknown_in_the_network():
    unknown = written("g (float[1, 4] x, bool go) => (float[1, 4] x.next) { x.next = NonZero (x) }")

    assert network_cost([unknown, unknown]).unknown_ops == ("NonZero",)


def test_a_table_calculates_a_cost_once_for_each_block_and_phase():
    asked = []

    class Listening(SegmentExporter):
        def __call__(self, block: Block) -> onnx.ModelProto:
            asked.append(block.key)
            return super().__call__(block)

    table, block = CostTable(Listening()), Attention(width=64, heads=2)
    decode, prefill = table(block, DECODE), table(block, PREFILL)

    assert table(Attention(width=64, heads=2), DECODE) is decode
    assert prefill.macs > decode.macs
    assert asked == [block.key] * 2


def test_a_networks_weights_are_those_of_its_modules():
    """Without a norm's statistics, which the exporter folds into the weights before it."""
    space = mobile(ImageTask(resolution_px=28))
    segments = space.segments(space.sample(np.random.default_rng(0)))
    found = CostTable(SegmentExporter()).network(segments, INFER)

    modules = [part for s in segments for part in s.block.build().modules()]
    norms = [part.num_features for part in modules if isinstance(part, nn.BatchNorm2d)]
    weights = [w.numel() for part in modules for w in part.parameters(recurse=False)]
    assert found.params == sum(weights) - sum(norms)  # gain and offset become one bias
    assert found.unknown_ops == ()


def test_every_segment_of_a_decoder_has_a_known_cost_in_both_phases():
    space, rng, table = language(), np.random.default_rng(0), CostTable(SegmentExporter())
    for segments in (space.segments(space.sample(rng)) for _ in range(3)):
        weights = sum(p.numel() for s in segments for p in s.block.build().parameters())
        for phase in space.phases:
            found = table.network(segments, phase)
            assert found.unknown_ops == ()
            assert found.params == weights
