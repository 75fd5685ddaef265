"""Shapes of every tensor of an ONNX graph, once the sizes of its inputs are known.

ONNX's own inference goes through a graph with symbols and gives up where a shape is calculated
from another. Here all sizes are numbers, so such calculations are simply carried out on the way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

Array = npt.NDArray[np.generic]

_LARGEST_VALUE = 4096  # elements; our choice: every shape, axis and count fits, weights stay out
_RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}
_SUB_BYTE_BITS: Mapping[int, int] = {
    TensorProto.INT4: 4,
    TensorProto.UINT4: 4,
    TensorProto.FLOAT4E2M1: 4,
}


@dataclass(frozen=True)
class Tensor:
    """Shape and element type of a value; and the value itself where it is small and known."""

    shape: tuple[int, ...]
    dtype: int
    """An `onnx.TensorProto.DataType`."""
    value: Array | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def size_bytes(self) -> int:
        """Bytes in memory; two 4-bit numbers share one."""
        bits = _SUB_BYTE_BITS.get(self.dtype)
        if bits is None:
            bits = 8 * int(onnx.helper.tensor_dtype_to_np_dtype(self.dtype).itemsize)
        return (self.size * bits + 7) // 8

    def without_value(self) -> "Tensor":
        """The same shape and type of a value that is not known."""
        return Tensor(self.shape, self.dtype)


@dataclass(frozen=True)
class Body:
    """A graph inside an If or Loop, and how often it runs at most."""

    graph: onnx.GraphProto
    scope: "Scope"
    turns: int


@dataclass
class Scope:
    """What is known of the tensors of one graph, and which operators stopped the inference."""

    opsets: Mapping[str, int]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    bodies: dict[str, list[Body]] = field(default_factory=dict)
    """What an If or Loop may run, by the name of its first output."""
    unknown_ops: set[str] = field(default_factory=set)


def infer_shapes(model: onnx.ModelProto, inputs: Mapping[str, Tensor]) -> Scope:
    """All tensors of `model` that can be known, given its inputs.

    What follows from an operator without a known shape is unknown too; only the operator at the
    root of it is named in `unknown_ops`.
    """
    scope = Scope({o.domain: o.version for o in model.opset_import}, dict(inputs))
    _walk(model.graph, scope)
    return scope


def tensor_of(proto: TensorProto) -> Tensor:
    """A weight: its shape and type, its value only where it is small."""
    tensor = Tensor(tuple(proto.dims), proto.data_type)
    if tensor.size > _LARGEST_VALUE:
        return tensor
    return Tensor(tensor.shape, tensor.dtype, numpy_helper.to_array(proto))


def operator_name(node: onnx.NodeProto) -> str:
    """`MatMul`, or `com.microsoft.MoE` outside ONNX's own set."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def int_attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((a.i for a in node.attribute if a.name == name), default)


def _walk(graph: onnx.GraphProto, scope: Scope) -> None:
    for weight in graph.initializer:
        scope.tensors[weight.name] = tensor_of(weight)
    for node in graph.node:
        inputs = [scope.tensors.get(name) for name in node.input if name]
        known = [tensor for tensor in inputs if tensor is not None]
        if len(known) < len(inputs):
            continue  # a consequence of an operator that is named already
        found = _outputs(node, known, scope)
        if not found.keys() >= {name for name in node.output if name}:
            scope.unknown_ops.add(operator_name(node))
        scope.tensors.update(found)


def _outputs(node: onnx.NodeProto, inputs: Sequence[Tensor], scope: Scope) -> dict[str, Tensor]:
    if node.op_type == "If" and not node.domain:
        return _outputs_of_if(node, inputs, scope)
    if node.op_type == "Loop" and not node.domain:
        return _outputs_of_loop(node, inputs, scope)
    rule = _OWN_RULES.get(operator_name(node))
    if rule is not None:
        return {node.output[0]: rule(node, inputs)}
    if not node.domain and node.op_type not in _RANDOM and all(t.value is not None for t in inputs):
        return _calculated(node, inputs, scope)
    return _inferred(node, inputs, scope)


def _calculated(node: onnx.NodeProto, inputs: Sequence[Tensor], scope: Scope) -> dict[str, Tensor]:
    names = [name for name in node.input if name]
    values = {name: tensor.value for name, tensor in zip(names, inputs, strict=True)}
    try:
        results = ReferenceEvaluator(node, opsets=dict(scope.opsets)).run(None, values)
    except Exception:  # noqa: BLE001 - any operator, any fault of its reference; the shape will do
        return _inferred(node, inputs, scope)
    return {
        name: _from_array(np.asarray(result))
        for name, result in zip(node.output, results, strict=True)
        if name
    }


def _inferred(node: onnx.NodeProto, inputs: Sequence[Tensor], scope: Scope) -> dict[str, Tensor]:
    known = dict(zip((name for name in node.input if name), inputs, strict=True))
    try:
        types = onnx.shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, scope.opsets[node.domain], node.domain),
            node,
            {name: _type_of(tensor) for name, tensor in known.items()},
            {
                name: numpy_helper.from_array(np.asarray(tensor.value), name)
                for name, tensor in known.items()
                if tensor.value is not None
            },
            opset_imports=[onnx.helper.make_opsetid(d, v) for d, v in scope.opsets.items()],
        )
    except (KeyError, RuntimeError, onnx.defs.SchemaError):
        return {}
    return {name: _from_type(proto) for name, proto in types.items() if _is_fixed(proto)}


def _outputs_of_if(
    node: onnx.NodeProto, inputs: Sequence[Tensor], scope: Scope
) -> dict[str, Tensor]:
    """What the branches agree on; only the branch that runs is looked at where that is known."""
    condition = inputs[0].value
    names = {"then_branch", "else_branch"}
    if condition is not None:
        names = {"then_branch" if condition.all() else "else_branch"}
    bodies = [_run_body(a.g, scope, {}) for a in node.attribute if a.name in names]
    scope.bodies[node.output[0]] = bodies
    outputs = {}
    for position, name in enumerate(node.output):
        found = [_tensor_out(body, position) for body in bodies]
        if len(found) == 1 and found[0] is not None:
            outputs[name] = found[0]
        elif found[0] is not None and _same_type(found[0], found[1]):
            outputs[name] = found[0].without_value()
    return outputs


def _outputs_of_loop(
    node: onnx.NodeProto, inputs: Sequence[Tensor], scope: Scope
) -> dict[str, Tensor]:
    """Carried values keep their shape; values collected from all turns get one more dimension.

    A loop whose number of turns is not known is taken to run once, and named as unknown.
    """
    graph = next(a.g for a in node.attribute if a.name == "body")
    limit = inputs[0].value if node.input[0] else None
    turns = 1 if limit is None else int(limit.item())
    carried = inputs[len(inputs) - (len(graph.input) - 2) :]
    given = [Tensor((), TensorProto.INT64), Tensor((), TensorProto.BOOL)]
    given += [tensor.without_value() for tensor in carried]  # they change from turn to turn
    named = {value.name: tensor for value, tensor in zip(graph.input, given, strict=True)}
    body = _run_body(graph, scope, named, turns)
    scope.bodies[node.output[0]] = [body]
    if limit is None:
        return {}
    outputs = {}
    for position, name in enumerate(node.output):
        found = _tensor_out(body, position + 1)  # the first says whether to go on
        if found is None:
            continue
        if position >= len(carried):
            outputs[name] = Tensor((turns, *found.shape), found.dtype)
        elif _same_type(found, carried[position]):
            outputs[name] = found.without_value()
    return outputs


def _run_body(
    graph: onnx.GraphProto, scope: Scope, inputs: Mapping[str, Tensor], turns: int = 1
) -> Body:
    """Bodies see the names around them."""
    inner = Scope(scope.opsets, {**scope.tensors, **inputs})
    _walk(graph, inner)
    scope.unknown_ops |= inner.unknown_ops
    return Body(graph, inner, turns)


def _tensor_out(body: Body, position: int) -> Tensor | None:
    return body.scope.tensors.get(body.graph.output[position].name)


def _same_type(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and (one.shape, one.dtype) == (other.shape, other.dtype)


def _shape_of(node: onnx.NodeProto, inputs: Sequence[Tensor]) -> Tensor:
    shape = inputs[0].shape
    part = shape[int_attribute(node, "start", 0) : int_attribute(node, "end", len(shape))]
    return _from_array(np.array(part, dtype=np.int64))


def _size_of(_: onnx.NodeProto, inputs: Sequence[Tensor]) -> Tensor:
    return _from_array(np.array(inputs[0].size, dtype=np.int64))


def _like_first(_: onnx.NodeProto, inputs: Sequence[Tensor]) -> Tensor:
    return inputs[0].without_value()


def _product_with_packed(node: onnx.NodeProto, inputs: Sequence[Tensor]) -> Tensor:
    left = inputs[0]
    return Tensor((*left.shape[:-1], int_attribute(node, "N", 0)), left.dtype)


_OWN_RULES: Mapping[str, Callable[[onnx.NodeProto, Sequence[Tensor]], Tensor]] = {
    # ONNX infers the type of these two only, not the value.
    "Shape": _shape_of,
    "Size": _size_of,
    # No schemas of these come with ONNX.
    "com.microsoft.MatMulNBits": _product_with_packed,
    "com.microsoft.MoE": _like_first,
    "com.microsoft.QMoE": _like_first,
}


def _from_array(array: Array) -> Tensor:
    dtype = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return Tensor(array.shape, dtype, array if array.size <= _LARGEST_VALUE else None)


def _type_of(tensor: Tensor) -> onnx.TypeProto:
    return onnx.helper.make_tensor_type_proto(tensor.dtype, tensor.shape)


def _is_fixed(proto: onnx.TypeProto) -> bool:
    kind = proto.tensor_type
    return kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim)


def _from_type(proto: onnx.TypeProto) -> Tensor:
    kind = proto.tensor_type
    return Tensor(tuple(d.dim_value for d in kind.shape.dim), kind.elem_type)
