"""Multiply-accumulates of single ONNX operators.

Counted are operators that multiply by weights or by each other's sums: convolutions, matrix
products, recurrent layers, mixtures of experts. All else (norms, activations, copies) counts 0.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import onnx

from search_spaces.shapes import Tensor, int_attribute, operator_name

Tensors = Sequence[Tensor | None]

MOE_OPERATOR = "com.microsoft.MoE"
QMOE_OPERATOR = "com.microsoft.QMoE"
# Positions of the weights and biases of `com.microsoft.MoE`, up to three layers an expert.
MOE_EXPERT_INPUTS = slice(2, 8)
_MOE_WEIGHTS = slice(2, 8, 2)


def node_macs(node: onnx.NodeProto, tensors: Mapping[str, Tensor]) -> int:
    """Multiply-accumulates of one run of `node`; 0 where a shape that they need is not known."""
    rule = _RULES.get(operator_name(node))
    if rule is None:
        return 0
    inputs = [tensors.get(name) for name in node.input]
    output = tensors.get(node.output[0])
    return 0 if output is None else rule(node, inputs, output)


def selected_share(node: onnx.NodeProto, tensors: Mapping[str, Tensor]) -> float:
    """Share of the experts' weights that a `com.microsoft.MoE` touches for one token."""
    weights = tensors[node.input[2]]
    return int_attribute(node, "k", 1) / weights.shape[0]


def _convolution(weight: int) -> Callable[[onnx.NodeProto, Tensors, Tensor], int]:
    def count(_: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
        kernel = inputs[weight]  # (channels out, channels in / groups, *sides)
        return 0 if kernel is None else output.size * math.prod(kernel.shape[1:])

    return count


def _transposed_convolution(_: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    data, kernel = inputs[0], inputs[1]  # kernel: (channels in, channels out / groups, *sides)
    if data is None or kernel is None:
        return 0
    return data.size * math.prod(kernel.shape[1:])


def _matrix_product(_: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    left = inputs[0]
    return output.size * left.shape[-1] if left is not None and left.shape else 0


def _gemm(node: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    left = inputs[0]
    if left is None:
        return 0
    return output.size * left.shape[0 if int_attribute(node, "transA", 0) else 1]


def _einsum(node: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    """Every element of the output is a sum over the letters that it lacks."""
    equation = next(a.s.decode() for a in node.attribute if a.name == "equation").replace(" ", "")
    given, arrow, result = equation.partition("->")
    letters = given.replace(",", "").replace(".", "")
    if "," not in given:
        return 0
    summed = {s for s in letters if (s not in result if arrow else letters.count(s) > 1)}
    sizes: dict[str, int] = {}
    for term, tensor in zip(given.split(","), inputs, strict=True):
        head, _, tail = term.partition("...")
        if tensor is None:
            return 0
        sizes.update(zip(head, tensor.shape, strict=False))
        sizes.update(zip(reversed(tail), reversed(tensor.shape), strict=False))
    return output.size * math.prod(sizes[letter] for letter in summed)


def _recurrent(_: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    data, kernel, recurrence = inputs[:3]  # data: (tokens, batch, width)
    if data is None or kernel is None or recurrence is None:
        return 0
    return data.shape[0] * data.shape[1] * (kernel.size + recurrence.size)


def _mixture(node: onnx.NodeProto, inputs: Tensors, output: Tensor) -> int:
    experts = [weight for weight in inputs[_MOE_WEIGHTS] if weight is not None]
    tokens = output.size // output.shape[-1]
    used = int_attribute(node, "k", 1)
    return tokens * used * sum(weight.size // weight.shape[0] for weight in experts)


_RULES: Mapping[str, Callable[[onnx.NodeProto, Tensors, Tensor], int]] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "ConvTranspose": _transposed_convolution,
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _matrix_product,
    "MatMulInteger": _matrix_product,
    "QLinearConv": _convolution(3),
    "QLinearMatMul": _matrix_product,
    "RNN": _recurrent,
    MOE_OPERATOR: _mixture,
}
