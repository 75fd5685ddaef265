"""8-bit weights and activations by ONNX Runtime's quantizer: static, per-channel, QDQ.

Activations are unsigned, weights signed (U8S8). Measured here on x86 with a MobileNetV3-like
network of 112 pixels, one thread: U8S8 2.7 ms, U8U8 11.3 ms, S8S8 25 ms (a third of its
convolutions stay floats), fp32 3.1 ms. ARM has dot products for U8S8 as well, so it is right on
all. Weights take their full range: only x86 without VNNI, which adds pairs of products in 16 bits,
may saturate.

Which operators compute in 8 bits is decided here. It follows the data from convolutions and
products with weights through all that the runtime has an 8-bit kernel for, except sums and products
inside norms, the gates of feed-forwards and the history of mixers: 8 bits do not hold their ranges.
"""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

from search_spaces.weight_quantization import routers

Feeds = Mapping[str, npt.NDArray[np.generic]]

_PRODUCTS = {"Conv", "ConvTranspose", "Gemm"}
_POOLS = {"AveragePool", "Clip", "GlobalAveragePool", "MaxPool", "Relu"}
_MOVES = {"Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
INT8_OPERATORS = frozenset({*_PRODUCTS, *_POOLS, *_MOVES, "Add", "MatMul", "Mul"})
"""Operators that the runtime fuses with the pairs around them, or drops."""
_GATES = {"HardSigmoid", "Sigmoid"}
_PREPARED = {"onnx.quant.pre_process": "onnxruntime.quant"}  # else it advises to, at each call


def quantize_activations(
    model: onnx.ModelProto, feeds: Iterable[Feeds], left_out: Collection[str] = ()
) -> onnx.ModelProto:
    """The model with 8-bit weights and activations; `model` itself where nothing can be.

    Args:
        model: of fp32; its mixtures may be quantized already.
        feeds: inputs on which the ranges of activations are taken; at least one.
        left_out: names of nodes to leave as they are.
    """
    nodes = int8_nodes(model.graph, {*left_out, *routers(model.graph)})
    if not nodes:
        return model
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    onnx.helper.set_model_props(prepared, _PREPARED)
    with tempfile.TemporaryDirectory(prefix="edge-nas-") as folder:
        path = Path(folder) / "quantized.onnx"
        quantize_static(
            prepared,
            path,
            _Reader(feeds),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=nodes,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ForceQuantizeNoInputCheck": True},  # reshaping of a segment's input too
        )
        quantized = onnx.load(path)
    del quantized.metadata_props[:]
    quantized.metadata_props.extend(model.metadata_props)
    return quantized


def int8_nodes(graph: onnx.GraphProto, left_out: Collection[str] = ()) -> list[str]:
    """Names of the nodes that compute in 8 bits, in order."""
    weights = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    constants = weights.keys() | {n.output[0] for n in graph.node if n.op_type == "Constant"}
    # Inputs count: in a network they are what another segment wrote.
    held = {value.name for value in graph.input if _is_float(value)}
    gates: dict[str, str] = {}
    chosen = []
    for node in graph.node:
        first = node.input[0] if node.input else ""
        if node.op_type in _GATES and first in held:
            gates[node.output[0]] = first
        if node.name not in left_out and _in_8_bits(node, held, gates, constants, weights):
            chosen.append(node.name)
            held.update(node.output)
    return chosen


def _in_8_bits(
    node: onnx.NodeProto,
    held: set[str],
    gates: Mapping[str, str],
    constants: Iterable[str],
    weights: Mapping[str, int],
) -> bool:
    """Whether a node computes in 8 bits, given which tensors before it are held in 8 bits."""
    if node.domain:
        return False
    operands = list(node.input)
    if node.op_type in _PRODUCTS:
        return operands[1] in weights
    if node.op_type == "MatMul":
        return weights.get(operands[1]) == 2  # per-channel weights of more sides have no kernel
    if node.op_type in _POOLS | _MOVES:
        return operands[0] in held
    if node.op_type == "Add":
        return not set(operands) & set(constants) and bool(set(operands) & held)
    if node.op_type == "Mul":
        gated = {operands[0]: operands[1], operands[1]: operands[0]}
        # x * sigmoid(x) is an activation, for which floats have a kernel of their own.
        return any(gates.get(g, x) != x and x in held for g, x in gated.items())
    return False


def _is_float(value: onnx.ValueInfoProto) -> bool:
    return bool(value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)


class _Reader:
    """Feeds as the quantizer asks for them: one a call, None at the end."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds: Iterator[Feeds] = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)
