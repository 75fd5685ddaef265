from collections import Counter

import numpy as np
import onnx
import pytest
import torch

from search_spaces import ImageHead, InvertedResidual, Segment, SegmentExporter, export_network
from search_spaces.blocks.over_map import MapFeedForward
from search_spaces.seam import exit_grid, on_grid
from tests.search_spaces.conftest import Run
from tests.search_spaces.onnx_tools import error, weights

EXPORTER = SegmentExporter("int8")
BLOCK = InvertedResidual(
    in_channels=16, out_channels=16, side=4, stride=1, kernel=3, expansion=3, squeeze_excite=False
)
TOKENS = MapFeedForward(width=16, side=4, hidden=16)
HEAD = ImageHead(in_channels=16, hidden=32, classes=10, side=4)
FLOATS = SegmentExporter()


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 16, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def quantizers_of(model: onnx.ModelProto) -> Counter[str]:
    """How many QuantizeLinear read each tensor, through a DequantizeLinear if there is one."""
    return Counter(n.input[0] for n in model.graph.node if n.op_type == "QuantizeLinear")


def test_a_tensor_between_two_segments_has_one_pair():
    segments = [Segment("a", BLOCK), Segment("b", BLOCK), Segment("c", TOKENS), Segment("d", HEAD)]
    model = export_network(segments, EXPORTER)

    made = {n.output[0]: n for n in model.graph.node}
    again = [
        node.name
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
        and made.get(node.input[0], node).op_type == "DequantizeLinear"
    ]
    assert again == []
    assert set(quantizers_of(model).values()) == {1}
    assert quantizers_of(model)["x"] == 1  # nobody wrote it, so the first block's pair stays


@pytest.mark.parametrize("reader", [BLOCK, HEAD, TOKENS], ids=lambda block: block.family)
def test_on_the_writers_grid_a_segment_computes_what_it_computed_on_its_own(reader, run_onnx: Run):
    """Biases count in steps of the input, and what is only reshaped is on the input's grid."""
    plain, own = FLOATS(reader), EXPORTER(reader)
    grid = exit_grid(EXPORTER(BLOCK).graph, "x.next")
    (output,) = (value.name for value in own.graph.output)
    # What the writer sends are codes of its grid, turned back into floats.
    codes = np.random.default_rng(3).integers(0, 256, (1, 16, 4, 4)) - int(grid.zero_point)
    x = torch.from_numpy((codes * grid.step).astype(np.float32)).clamp(-1, 1)

    moved = on_grid(own, "x", grid)

    assert quantizers_of(moved)["x"] == 0
    expected = run_onnx(plain, {"x": x})[output]
    assert error(run_onnx(moved, {"x": x})[output], expected) < 0.1
    assert error(run_onnx(own, {"x": x})[output], expected) < 0.1


def test_biases_are_rounded_anew_to_steps_of_the_writers_grid():
    own = EXPORTER(BLOCK)
    grid = exit_grid(EXPORTER(TOKENS).graph, "x.next")
    moved = weights(on_grid(own, "x", grid))

    def biases(numbers):
        name = next(
            n for n, w in numbers.items() if w.dtype == np.int32 and w.shape == (48,) and w.any()
        )
        return numbers[name] * numbers[f"{name}_scale"]

    np.testing.assert_allclose(biases(moved), biases(weights(own)), atol=1e-4)


def test_a_segment_that_reads_floats_is_left_as_it_is():
    grid = exit_grid(EXPORTER(BLOCK).graph, "x.next")

    assert on_grid(FLOATS(BLOCK), "x", grid) is FLOATS(BLOCK)
    assert exit_grid(FLOATS(BLOCK).graph, "x.next") is None


def test_the_segment_that_is_kept_is_not_changed_by_stitching():
    before = EXPORTER(BLOCK).SerializeToString()
    export_network([Segment("a", BLOCK), Segment("b", BLOCK)], EXPORTER)

    assert EXPORTER(BLOCK).SerializeToString() == before


def test_stitched_in_8_bits_two_blocks_are_near_fp32(run_onnx: Run):
    segments = [Segment("a", BLOCK), Segment("b", TOKENS), Segment("c", HEAD)]
    feeds = {"x": image()}

    found = run_onnx(export_network(segments, EXPORTER), feeds)["logits"]
    expected = run_onnx(export_network(segments, FLOATS), feeds)["logits"]
    assert error(found, expected) < 0.1
