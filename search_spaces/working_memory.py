"""Memory that one run of a graph works in, besides its weights.

Counted as a runtime's planner hands it out: operators that work element by element write over an
input that nobody reads any more, views need no memory of their own, all others write to memory
that is free at the time.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import onnx

from search_spaces.arithmetic import MOE_OPERATOR, QMOE_OPERATOR
from search_spaces.shapes import Scope, int_attribute, operator_name

_VIEWS = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_IN_PLACE = frozenset(
    "Abs Add Clip Cos Div Erf Exp HardSigmoid HardSwish LeakyRelu Log Max Min Mul Neg Pow "
    "Reciprocal Relu Sigmoid Sin Softmax Softplus Sqrt Sub Tanh Where".split()
)
_WORD = 4  # bytes of a float or a sum; mixtures work in fp32 whatever their weights are stored in
_POINTER = 8  # bytes
_VECTOR = 16  # channels that the kernels for symmetric 8-bit weights take at once
_EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def peak_bytes(graph: onnx.GraphProto, scope: Scope) -> int:
    """Highest sum, over the nodes in order, of the tensors written and still to be read."""
    buffers = _Buffers(graph, scope)
    peak = buffers.size_bytes
    for position, node in enumerate(graph.node):
        if node.op_type != "Constant":
            buffers.write(position, node)
        bodies = scope.bodies.get(node.output[0], [])
        inside = max((peak_bytes(b.graph, b.scope) for b in bodies), default=0)
        peak = max(peak, buffers.size_bytes + inside)
        buffers.drop_spent(position)
    return peak


def workspace_bytes(graph: onnx.GraphProto, scope: Scope) -> int:
    """The most that one operator works in beside its inputs and outputs.

    Known of mixtures and of convolutions of 8-bit numbers, after the source of ONNX Runtime 1.31
    (moe_cpu.cc, qlinearconv.cc); of other operators it is small, or not known.
    """
    found = 0
    for node in graph.node:
        for body in scope.bodies.get(node.output[0], []):
            found = max(found, workspace_bytes(body.graph, body.scope))
        rule = _WORKSPACES.get(operator_name(node))
        found = max(found, rule(node, scope) if rule else 0)
    return found


def operators(graph: onnx.GraphProto) -> list[str]:
    """The operator of each node, those inside If and Loop too; constants compute nothing."""
    found = []
    for node in graph.node:
        if node.op_type != "Constant":
            found.append(operator_name(node))
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += operators(attribute.g)
    return found


class _Buffers:
    """Memory in use while the nodes of a graph run one after the other.

    A tensor's owner is the tensor whose memory it lies in: itself, or that which it overwrites.
    """

    def __init__(self, graph: onnx.GraphProto, scope: Scope) -> None:
        self._scope = scope
        self._last_use = _last_uses(graph)
        names = [value.name for value in graph.input]
        self._owner = {name: name for name in names}
        self._sizes = {name: self._bytes(name) for name in names}
        self._ends = {name: self._last_use[name] for name in names}

    @property
    def size_bytes(self) -> int:
        """Of all that is in use."""
        return sum(self._sizes.values())

    def write(self, position: int, node: onnx.NodeProto) -> None:
        """Finds room for the outputs of a node."""
        for name in filter(None, node.output):
            owner = self._reusable(position, node, name) if name == node.output[0] else None
            if owner is None:
                owner, self._sizes[name] = name, self._bytes(name)
            self._owner[name] = owner
            self._ends[owner] = max(self._ends.get(owner, -1), self._last_use[name])

    def drop_spent(self, position: int) -> None:
        """Frees what nobody reads after `position`."""
        spent = [name for name in self._sizes if self._ends[name] <= position]
        for name in spent:
            del self._sizes[name]

    def _reusable(self, position: int, node: onnx.NodeProto, output: str) -> str | None:
        """The owner of the memory that `output` can lie in; None if it needs memory of its own."""
        if node.domain:
            return None
        owners = [self._owner[name] for name in node.input if name in self._owner]
        if node.op_type in _VIEWS:
            return owners[0] if owners and node.input[0] in self._owner else None
        if node.op_type not in _IN_PLACE:
            return None
        size = self._bytes(output)
        fitting = (o for o in owners if self._ends[o] == position and self._sizes.get(o) == size)
        return next(fitting, None)

    def _bytes(self, name: str) -> int:
        tensor = self._scope.tensors.get(name)
        return 0 if tensor is None else tensor.size_bytes


def _last_uses(graph: onnx.GraphProto) -> dict[str, int]:
    """The position of the last node that reads or writes a tensor; past the end for outputs."""
    last = {value.name: -1 for value in graph.input}
    for position, node in enumerate(graph.node):
        last.update(dict.fromkeys(node.output, position))
        last.update(dict.fromkeys(_names_read(node), position))
    last.update(dict.fromkeys((value.name for value in graph.output), len(graph.node)))
    return last


def _names_read(node: onnx.NodeProto) -> Iterator[str]:
    """Inputs of a node and, of an If or Loop, all that its bodies read."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield from (value.name for value in attribute.g.output)
            for inner in attribute.g.node:
                yield from _names_read(inner)


def _mixture_bytes(node: onnx.NodeProto, scope: Scope) -> int:
    """A copy of the tokens, two sums of answers, and what the busiest expert works in.

    That is its tokens and its answers twice, both halves of its gated neurons and their product.
    All tokens may go to one expert: which they go to is not known.
    """
    x, first = (scope.tensors.get(node.input[i]) for i in (0, 2))
    if x is None or first is None:
        return 0
    width, halves = x.shape[-1], first.shape[1]
    return _WORD * (x.size // width) * (7 * width + 3 * halves // 2)


def _quantized_mixture_bytes(node: onnx.NodeProto, scope: Scope) -> int:
    """For each token and expert that it selects, the token, the hidden neurons and the answer."""
    x, first = (scope.tensors.get(node.input[i]) for i in (0, 2))
    if x is None or first is None:
        return 0
    width, hidden = x.shape[-1], first.shape[1]
    selected = x.size // width * int_attribute(node, "k", 1)
    return _WORD * selected * 2 * (width + hidden)


def _convolution_bytes(node: onnx.NodeProto, scope: Scope) -> int:
    """Sums in 32 bits, and a pointer to each pixel under the kernel, or those pixels themselves.

    No sums where a kernel for symmetric weights fits the channels; no pixels where it has one tap.
    """
    x, kernel, y = (scope.tensors.get(n) for n in (*node.input[:2], node.output[0]))
    if x is None or kernel is None or y is None or x.dtype not in _EIGHT_BITS:
        return 0
    pixels, taps = math.prod(y.shape[2:]), math.prod(kernel.shape[2:])
    group = int_attribute(node, "group", 1)
    by_channel = group == x.shape[1] == y.shape[1] and group > 1
    if by_channel:
        symmetric = group % _VECTOR == 0
    else:
        symmetric = kernel.shape[1] % _WORD == 0 and y.shape[1] >= _VECTOR
    sums = 0 if symmetric else _WORD * y.shape[1] * pixels
    if by_channel or (symmetric and taps > 1):
        return sums + _POINTER * taps * pixels
    return sums + (taps * x.shape[1] * pixels if taps > 1 else 0)


_WORKSPACES: Mapping[str, Callable[[onnx.NodeProto, Scope], int]] = MappingProxyType(
    {
        MOE_OPERATOR: _mixture_bytes,
        QMOE_OPERATOR: _quantized_mixture_bytes,
        "Conv": _convolution_bytes,
    }
)
