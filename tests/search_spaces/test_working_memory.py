"""Peaks against sums by hand; `x` has 4 numbers of 4 bytes in every graph."""

import onnx
import pytest
from onnx.parser import parse_model

from search_spaces import CostTable, InvertedResidual, Phase, SegmentExporter
from search_spaces.shapes import Tensor, infer_shapes
from search_spaces.working_memory import operators, peak_bytes, workspace_bytes

WEIGHT = "float[4, 4] w = {" + "1," * 15 + "1}"
ROW = 16
INPUT = Tensor((1, 4), onnx.TensorProto.FLOAT)


def model(body: str, output: str = "float[1, 4] y") -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["": 17]> g (float[1, 4] x) => ({output}) <{WEIGHT}>'
    return parse_model(f"{text} {{ {body} }}")


def peak(body: str, output: str = "float[1, 4] y") -> int:
    made = model(body, output)
    return peak_bytes(made.graph, infer_shapes(made, {"x": INPUT}))


def test_a_product_needs_memory_beside_its_input():
    assert peak("y = MatMul (x, w)") == 2 * ROW


@pytest.mark.parametrize("last", ["Relu (a)", "Add (a, a)", "Mul (a, x)"])
def test_an_operator_by_elements_overwrites_what_nobody_reads_any_more(last: str):
    assert peak(f"a = MatMul (x, w) y = {last}") == 2 * ROW


def test_what_is_read_later_is_not_overwritten():
    assert peak("a = MatMul (x, w) b = Relu (a) y = Add (a, b)") == 2 * ROW  # x is gone
    assert peak("a = MatMul (x, w) b = Relu (a) c = Add (a, b) y = Add (c, x)") == 3 * ROW


def test_what_is_smaller_than_the_output_is_not_overwritten():
    wide = "float[2, 4] y"
    assert peak("a = Relu (x) b = Concat <axis = 0> (a, a) y = Relu (b)", wide) == 3 * ROW


def test_a_view_lies_in_the_memory_of_its_input_and_keeps_it():
    shape = "s = Constant <value = int64[2] {1, 4}> ()"
    assert peak(f"{shape} a = MatMul (x, w) y = Reshape (a, s)") == 2 * ROW
    seen_again = f"{shape} a = MatMul (x, w) v = Reshape (a, s) b = MatMul (x, w) y = Add (v, b)"
    assert peak(seen_again) == 3 * ROW


def test_constants_are_no_operators():
    shape = "s = Constant <value = int64[2] {1, 4}> ()"
    made = model(f"{shape} a = Relu (x) b = Relu (a) y = Reshape (b, s)")
    assert operators(made.graph) == ["Relu", "Relu", "Reshape"]
    assert workspace_bytes(made.graph, infer_shapes(made, {"x": INPUT})) == 0


@pytest.mark.parametrize(("expansion", "sums"), [(3, True), (4, False)])
def test_an_8_bit_filter_works_in_pointers_and_where_no_vector_fits_in_sums(expansion, sums):
    # 24 channels, threefold 72: no whole number of vectors of 16; fourfold 96 are six.
    block = InvertedResidual(
        in_channels=24,
        out_channels=24,
        side=28,
        stride=1,
        kernel=7,
        expansion=expansion,
        squeeze_excite=False,
    )
    pixels, channels = 28 * 28, 24 * expansion
    cost = CostTable(SegmentExporter("int8"))(block, Phase("infer"))
    assert cost.workspace_bytes == 8 * 7 * 7 * pixels + sums * 4 * channels * pixels
    assert CostTable(SegmentExporter("fp32"))(block, Phase("infer")).workspace_bytes == 0
