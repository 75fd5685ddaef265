"""Weights in 8 or 4 bits, activations in floats: `MatMulNBits` and `QMoE` of ONNX Runtime.

A decode step reads every weight once and multiplies it once, so it waits for memory, and narrow
weights are what saves time. Measured here (width 256, 6 layers, one thread): a decode step takes
0.40 ms in fp32, 0.30 ms with weights of 8 or of 4 bits, and 0.32 ms with 8 bits the other way, by
dynamic quantization (DynamicQuantizeLinear and MatMulInteger), whose outputs are 1.5 to 2.5 times
as far from fp32. In a prefill of 256 tokens dynamic quantization is the faster one (55 ms against
100 ms), but a budget is one of decode.

What stays in floats, as the CPU provider has no operator for it: products with weights of more
than two sides (the channel-wise projections of MCSD), products of activations, embeddings, norms,
and the state and cache. Routers stay in floats too: they are small, and rounding there chooses
other experts.

Bytes are packed here, as the library's own quantizer for `MatMulNBits` packs them (a test compares
the two): it knows no `QMoE`, and importing it turns on the logs of the whole process.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from search_spaces.arithmetic import MOE_OPERATOR, QMOE_OPERATOR
from search_spaces.shapes import operator_name

_GROUP = 32
"""Weights that share a scale: of the sizes in common use the smallest, the most accurate."""
_INT8_PRODUCTS = 4
"""As `accuracy_level`; the runtime rounds activations on the way in. Without it a decode step with
8-bit weights took 50 times as long."""
_DOMAIN = "com.microsoft"

Floats = npt.NDArray[np.float32]


def quantize_weights(
    model: onnx.ModelProto, bits: int, wanted: Callable[[str], bool] = lambda _: True
) -> onnx.ModelProto:
    """A copy with 8-bit or 4-bit weights in products of matrices and, everywhere, in mixtures.

    Args:
        model: of fp32.
        bits: 8 or 4.
        wanted: by a node's name, whether its product of matrices is to be quantized.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    sides = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    left_out = routers(graph)
    before = {operator_name(node) for node in graph.node}
    for node in graph.node:
        if operator_name(node) == MOE_OPERATOR:
            _quantize_experts(graph, node, bits)
        elif node.op_type == "MatMul" and sides.get(node.input[1]) == 2:
            if wanted(node.name) and node.name not in left_out:
                _quantize_product(graph, node, bits)
    if {operator_name(node) for node in graph.node} != before:
        _drop_unread(graph)
        _need_domain(copy)
    return copy


def routers(graph: onnx.GraphProto) -> set[str]:
    """Names of the products that give mixtures the scores of their experts."""
    makers = {name: node for node in graph.node for name in node.output}
    found = set()
    for node in graph.node:
        if operator_name(node) not in (MOE_OPERATOR, QMOE_OPERATOR):
            continue
        maker = makers.get(node.input[1])
        while maker is not None and maker.op_type != "MatMul":
            maker = makers.get(maker.input[0])
        if maker is not None:
            found.add(maker.name)
    return found


def _quantize_product(graph: onnx.GraphProto, node: onnx.NodeProto, bits: int) -> None:
    """Turns a `MatMul` into a `MatMulNBits`; the last group of a row is filled up with zeros."""
    weights = _array(graph, node.input[1])  # (K, N)
    depth, width = weights.shape
    rows = np.zeros((width, -(-depth // _GROUP) * _GROUP), np.float32)
    rows[:, :depth] = weights.T
    packed = pack_rows(rows, bits, _GROUP)
    blobs = packed.weights.reshape(*packed.scales.shape, -1)  # (N, groups, bytes of a group)
    attributes = {"K": depth, "N": width, "bits": bits, "block_size": _GROUP}
    inputs = [node.input[0], *_add(graph, node.input[1], bits, blobs, packed.scales)]
    _become(node, "MatMulNBits", inputs, attributes)


def _quantize_experts(graph: onnx.GraphProto, node: onnx.NodeProto, bits: int) -> None:
    """Turns a `MoE` without biases into a `QMoE`."""
    into, out = (_array(graph, node.input[i]) for i in (2, 4))  # (E, 2 F, D) and (E, D, F)
    group = _group_size(into.shape[2], out.shape[2])
    inputs = list(node.input[:2])
    for name, rows in ((node.input[2], into), (node.input[4], out)):
        packed = pack_rows(rows, bits, group)
        scales = packed.scales if group else packed.scales[..., 0]
        inputs += [*_add(graph, name, bits, packed.weights, scales), ""]  # without a bias
    attributes = {"expert_weight_bits": bits} | ({"block_size": group} if group else {})
    _become(node, "QMoE", inputs[:-1], attributes)


def _group_size(*widths: int) -> int:
    """The largest group that divides all rows; 0, a scale for each whole row, if none does."""
    return next((g for g in (_GROUP, _GROUP // 2) if not any(w % g for w in widths)), 0)


def _add(
    graph: onnx.GraphProto, name: str, bits: int, weights: npt.NDArray[np.uint8], scales: Floats
) -> tuple[str, str]:
    names = f"{name}_q{bits}", f"{name}_scales"
    if not any(tensor.name == names[0] for tensor in graph.initializer):  # two may share weights
        graph.initializer.append(numpy_helper.from_array(weights, names[0]))
        graph.initializer.append(numpy_helper.from_array(scales, names[1]))
    return names


def _become(
    node: onnx.NodeProto, operator: str, inputs: Collection[str], attributes: dict[str, int]
) -> None:
    node.op_type, node.domain = operator, _DOMAIN
    node.input[:] = inputs
    for name, value in {**attributes, "accuracy_level": _INT8_PRODUCTS}.items():
        node.attribute.append(onnx.helper.make_attribute(name, value))


def _array(graph: onnx.GraphProto, name: str) -> Floats:
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    return numpy_helper.to_array(tensor)


def _drop_unread(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _need_domain(model: onnx.ModelProto) -> None:
    if all(opset.domain != _DOMAIN for opset in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_DOMAIN, 1))


@dataclass(frozen=True)
class PackedRows:
    """Quantized rows: `(codes - 2 ** (bits - 1)) * scale` gives them back."""

    weights: npt.NDArray[np.uint8]
    """(..., K * bits / 8); of the two 4-bit codes in a byte the first has the low half."""
    scales: Floats
    """(..., groups of a row)."""


def pack_rows(rows: Floats, bits: int, group: int) -> PackedRows:
    """Rows in `bits` with one scale for each group of a row, symmetric around zero.

    Args:
        rows: (..., K).
        bits: 8 or 4.
        group: how many numbers share a scale, a divisor of K; 0 for the whole row.
    """
    *outer, width = rows.shape
    grouped = rows.reshape(*outer, -1, group or width)
    middle = 1 << (bits - 1)
    largest = np.take_along_axis(grouped, np.abs(grouped).argmax(-1)[..., None], -1)
    scales = largest / -middle  # the largest number takes the one code that has no counterpart
    steps = np.where(scales == 0, 1, scales)
    wide = np.clip(np.round(grouped / steps) + middle, 0, 2 * middle - 1)
    codes = wide.astype(np.uint8).reshape(*outer, width)
    if bits == 4:
        codes = (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)
    return PackedRows(codes, scales[..., 0].astype(np.float32))
