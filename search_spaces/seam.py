"""Where two quantized segments meet: one Q/DQ pair in place of two.

Quantized by itself, a segment writes its output through a pair (QuantizeLinear, DequantizeLinear)
and reads its input through another. Quantized as a whole, a network has one pair for each tensor.
So the reader gives up its own and takes over the writer's grid: wherever the reader counted on its
grid (biases in units of input step times weight step, tensors that are only reshaped), the
numbers are changed to the writer's.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

_BIASED = {"Conv", "ConvTranspose", "Gemm"}
_BIAS_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Grid:
    """The numbers that an 8-bit tensor can hold: `(code - zero_point) * step`."""

    step: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Pair:
    quantize: onnx.NodeProto
    dequantize: onnx.NodeProto

    @property
    def step_name(self) -> str:
        return str(self.dequantize.input[1])


def exit_grid(graph: onnx.GraphProto, name: str) -> Grid | None:
    """The grid of the tensor `name`, None if it was not just dequantized."""
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.output[0] == name:
            step, zero_point = (
                numpy_helper.to_array(_initializer(graph, node.input[i])) for i in (1, 2)
            )
            return Grid(step, zero_point)
    return None


def on_grid(model: onnx.ModelProto, name: str, grid: Grid) -> onnx.ModelProto:
    """The segment with its input `name`, which comes on `grid`, read without a pair of its own.

    The model itself where it has no such pair, otherwise a copy.
    """
    if _entry_pair(model.graph, name) is None:
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    pair = _entry_pair(graph, name)
    assert pair is not None
    ratio = grid.step / numpy_helper.to_array(_initializer(graph, pair.step_name))
    for bias in _biases(graph, pair.step_name):
        _rescale(graph, bias, ratio)
    _replace(graph, pair.step_name, grid.step)
    _replace(graph, pair.dequantize.input[2], grid.zero_point)
    _bypass(graph, pair, name)
    return copy


def _entry_pair(graph: onnx.GraphProto, name: str) -> _Pair | None:
    for node in graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] == name:
            readers = [n for n in graph.node if node.output[0] in n.input]
            if len(readers) == 1 and readers[0].op_type == "DequantizeLinear":
                return _Pair(node, readers[0])
    return None


def _biases(graph: onnx.GraphProto, step_name: str) -> Iterator[onnx.NodeProto]:
    """What dequantizes the biases of products whose input is on the grid of that step."""
    made = {n.output[0]: n for n in graph.node if n.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type not in _BIASED or len(node.input) < 3 or node.input[2] not in made:
            continue
        read = made.get(node.input[0])
        if read is not None and read.input[1] == step_name:
            yield made[node.input[2]]


def _rescale(graph: onnx.GraphProto, bias: onnx.NodeProto, ratio: npt.NDArray[np.float32]) -> None:
    codes, steps = (numpy_helper.to_array(_initializer(graph, bias.input[i])) for i in (0, 1))
    finer = np.clip(np.rint(codes / np.float64(ratio)), -_BIAS_LIMIT, _BIAS_LIMIT)
    _replace(graph, bias.input[0], finer.astype(codes.dtype))
    _replace(graph, bias.input[1], (steps * ratio).astype(steps.dtype))


def _bypass(graph: onnx.GraphProto, pair: _Pair, name: str) -> None:
    """Takes the pair out; numbers that nothing else reads go with it."""
    gone = pair.dequantize.output[0]
    numbers = {*pair.dequantize.input[1:], *pair.quantize.input[1:]}
    graph.node.remove(pair.quantize)
    graph.node.remove(pair.dequantize)
    for node in graph.node:
        node.input[:] = [name if read == gone else read for read in node.input]
    for unread in numbers - {read for node in graph.node for read in node.input}:
        graph.initializer.remove(_initializer(graph, unread))


def _initializer(graph: onnx.GraphProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(t for t in graph.initializer if t.name == name)
    return found


def _replace(graph: onnx.GraphProto, name: str, array: npt.NDArray[np.generic]) -> None:
    _initializer(graph, name).CopyFrom(numpy_helper.from_array(array, name))
