"""Stitched from segments that were quantized once, and quantized as a whole: the same network."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from search_spaces import (
    Architecture,
    ExportError,
    ImageTask,
    Segment,
    SegmentExporter,
    Space,
    TextTask,
    export_network,
    hybrid,
    language,
    load_space,
    mobile,
    place_of,
    quantize_network,
)
from tests.search_spaces.conftest import Run
from tests.search_spaces.onnx_tools import error, operators, optimised, random_feeds, weights

SMALL_IMAGE = ImageTask(channels=1, classes=10, resolution_px=28)
MOBILE = mobile(SMALL_IMAGE).restricted(
    {"width": [0.5], **{f"stage{n}.depth": [1, 2] for n in range(1, 6)}}
)
LANGUAGE = language(TextTask(context=16))
EXPORTERS = {"int8": SegmentExporter("int8"), "int4": SegmentExporter("int4")}
FP32 = SegmentExporter()


def every_kind() -> tuple[Space, Architecture]:
    """A hybrid network with all three mixers and both feed-forwards."""
    space = hybrid(SMALL_IMAGE).restricted(
        {"width": [0.5], "stage4.depth": [4], "stage5.depth": [2]}
    )
    chosen: dict[str, object] = {c.name: c.values[0] for c in space.choices}
    kinds = {"stage4.block2": "mcsd", "stage4.block3": "attention", "stage4.block4": "mcsd"}
    chosen |= {f"{block}.kind": kind for block, kind in kinds.items()}
    chosen |= {"stage4.block3.feed_forward": "mixture"}
    return space, space.architecture(chosen)  # type: ignore[arg-type]


def a_decoder() -> Architecture:
    chosen: dict[str, object] = {c.name: c.values[0] for c in LANGUAGE.choices}
    chosen |= {"layers": 3, "layer2.mixer": "attention"}
    chosen |= {"layer2.feed_forward": "mixture", "layer3.feed_forward": "neurons"}
    return LANGUAGE.architecture(chosen)  # type: ignore[arg-type]


def calibration(segments: tuple[Segment, ...], space: Space) -> list[Mapping[str, np.ndarray]]:
    tensors = (random_feeds(segments, space.phases[0], seed) for seed in range(4))
    return [{name: value.numpy() for name, value in feeds.items()} for feeds in tensors]


def image_networks() -> list[tuple[Space, Architecture]]:
    return [
        (MOBILE, MOBILE.sample(np.random.default_rng(0))),
        (MOBILE, MOBILE.sample(np.random.default_rng(1))),
        every_kind(),
    ]


@pytest.mark.parametrize(("space", "architecture"), image_networks(), ids=["m0", "m1", "hybrid"])
def test_a_stitched_network_runs_the_operators_of_one_quantized_as_a_whole(
    space: Space, architecture: Architecture, tmp_path: Path
):
    segments = space.segments(architecture)
    stitched = export_network(segments, EXPORTERS["int8"])
    plain = export_network(segments, FP32)
    whole = quantize_network(segments, plain, "int8", calibration(segments, space))

    found = operators(optimised(stitched, tmp_path))
    assert found == operators(optimised(whole, tmp_path))
    assert found["QLinearConv"] > 10
    assert found["Conv"] == found["FusedConv"] == 0


def test_for_convolutions_our_choice_of_operators_is_the_librarys(tmp_path: Path):
    segments = MOBILE.segments(MOBILE.sample(np.random.default_rng(0)))
    plain = export_network(segments, FP32)

    class Reader:
        feeds = iter(calibration(segments, MOBILE))

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            return next(self.feeds, None)

    quantize_static(
        plain,
        tmp_path / "library.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )

    stitched = export_network(segments, EXPORTERS["int8"])
    library = onnx.load(tmp_path / "library.onnx")
    assert operators(optimised(stitched, tmp_path)) == operators(optimised(library, tmp_path))


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_a_stitched_decoder_is_the_one_quantized_as_a_whole(precision: str):
    segments = LANGUAGE.segments(a_decoder())
    stitched = export_network(segments, EXPORTERS[precision])
    whole = quantize_network(segments, export_network(segments, FP32), precision, [])

    assert operators(stitched.graph) == operators(whole.graph)
    assert weights(stitched).keys() == weights(whole).keys()
    for name, array in weights(stitched).items():
        np.testing.assert_array_equal(array, weights(whole)[name])


@pytest.mark.parametrize(
    ("space", "architecture"),
    [*image_networks(), (LANGUAGE, a_decoder())],
    ids=["m0", "m1", "hybrid", "language"],
)
def test_every_node_that_quantizing_adds_is_named_after_its_place(
    space: Space, architecture: Architecture, tmp_path: Path
):
    segments = space.segments(architecture)
    model = export_network(segments, EXPORTERS["int8"])

    places = {segment.place for segment in segments}
    names = [node.name for node in model.graph.node]
    assert {place_of(name) for name in names} == places
    assert len(set(names)) == len(names)
    run = optimised(model, tmp_path).node
    assert {place_of(node.name) for node in run if node.name} - {None} == places
    # Changes of layout at the two ends have no name of their own.
    assert {node.op_type for node in run if place_of(node.name) is None} <= {"Transpose"}


@pytest.mark.parametrize(
    ("precision", "most"), [("int8", 0.03), ("int4", 0.3)], ids=["int8", "int4"]
)
def test_a_quantized_decoder_is_near_the_one_of_fp32(precision: str, most: float, run_onnx: Run):
    segments = LANGUAGE.segments(a_decoder())
    feeds = random_feeds(segments, LANGUAGE.phases[0])

    found = run_onnx(export_network(segments, EXPORTERS[precision]), feeds)
    expected = run_onnx(export_network(segments, FP32), feeds)
    assert found.keys() == expected.keys()
    assert error(found["logits"], expected["logits"]) < most
    assert {a.dtype for a in found.values()} == {
        np.dtype(np.float32)
    }  # state and cache stay floats


@pytest.mark.parametrize(("space", "architecture"), image_networks(), ids=["m0", "m1", "hybrid"])
def test_a_network_quantized_as_a_whole_is_near_the_one_of_fp32(
    space: Space, architecture: Architecture, run_onnx: Run
):
    segments = space.segments(architecture)
    plain = export_network(segments, FP32)
    whole = quantize_network(segments, plain, "int8", calibration(segments, space))
    feeds = random_feeds(segments, space.phases[0], seed=9)

    assert error(run_onnx(whole, feeds)["logits"], run_onnx(plain, feeds)["logits"]) < 0.03


def test_the_block_of_a_stranger_is_quantized_like_ours(tmp_path: Path, run_onnx: Run):
    file = Path(__file__).parents[2] / "examples" / "own_space.py"
    space = load_space(f"{file}:mixers", SMALL_IMAGE)
    segments = space.segments(space.smallest())
    model = export_network(segments, EXPORTERS["int8"])

    found = operators(optimised(model, tmp_path))
    assert found["Conv"] == 0
    assert found["QLinearConv"] == 1 + 3 * len(segments[1:-1]) + 1
    feeds, plain = random_feeds(segments, space.phases[0]), export_network(segments, FP32)
    whole = quantize_network(segments, plain, "int8", calibration(segments, space))
    assert error(run_onnx(whole, feeds)["logits"], run_onnx(plain, feeds)["logits"]) < 0.05


def test_fp32_is_the_model_itself():
    segments = MOBILE.segments(MOBILE.smallest())
    model = export_network(segments, FP32)

    assert quantize_network(segments, model, "fp32", []) is model


def test_what_cannot_be_quantized_is_named_in_one_line():
    segments = MOBILE.segments(MOBILE.smallest())
    model = export_network(segments, FP32)

    with pytest.raises(ExportError, match="^the network cannot be quantized to int8: [^\n]+$"):
        quantize_network(segments, model, "int8", [])  # nothing to take the ranges from


def test_a_network_without_anything_to_narrow_is_refused_rather_than_left_as_it_is():
    segments = MOBILE.segments(MOBILE.smallest())[:1]  # a convolution, which has no four bits

    with pytest.raises(ExportError, match="no weights that int4 narrows. Take fp32"):
        quantize_network(segments, export_network(segments, FP32), "int4", [])
