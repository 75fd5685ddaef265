import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from search_spaces import InvertedResidual, Segment, SegmentExporter, export_network
from search_spaces.equal_weights import set_equal_weights_apart

BLOCK = InvertedResidual(
    in_channels=8,
    out_channels=8,
    side=4,
    stride=1,
    kernel=3,
    expansion=3,
    squeeze_excite=False,
)


def matrices(network: onnx.ModelProto) -> list[bytes]:
    return [t.raw_data for t in network.graph.initializer if len(t.dims) > 1]


def three_equal_blocks(precision: str = "fp32") -> onnx.ModelProto:
    segments = [Segment(f"block{i}", BLOCK) for i in range(3)]
    return export_network(segments, SegmentExporter(precision))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_no_two_matrices_of_a_network_are_equal(precision: str):
    network = three_equal_blocks(precision)
    assert len(set(matrices(network))) == len(matrices(network)) / 3

    set_equal_weights_apart(network)

    assert len(set(matrices(network))) == len(matrices(network))


def test_the_first_block_stays_as_it_is_and_the_others_nearly_so():
    network, before = three_equal_blocks(), three_equal_blocks()

    set_equal_weights_apart(network)

    for old, new in zip(before.graph.initializer, network.graph.initializer, strict=True):
        expected = numpy_helper.to_array(old)
        np.testing.assert_allclose(numpy_helper.to_array(new), expected, rtol=1e-4)
        if old.name.startswith("block0/"):
            assert new == old


def test_vectors_stay_equal():
    network, before = three_equal_blocks("int8"), three_equal_blocks("int8")

    set_equal_weights_apart(network)

    for old, new in zip(before.graph.initializer, network.graph.initializer, strict=True):
        assert len(old.dims) > 1 or new == old
