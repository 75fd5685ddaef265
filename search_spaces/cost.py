"""What a segment or a network costs, known without running it.

Calculated from the exported ONNX graph, which is what a device runs, so that blocks of a stranger
are costed like our own. Norms that the exporter folds into convolutions do not count. Numbers and
multiply-accumulates are those of the fp32 graph, whatever the precision; bytes are those of the
graph in its precision.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from search_spaces.arithmetic import MOE_EXPERT_INPUTS, MOE_OPERATOR, node_macs, selected_share
from search_spaces.as_run import as_run
from search_spaces.block import Block, Phase, Segment, segment_key
from search_spaces.export import SegmentExporter
from search_spaces.shapes import Scope, Tensor, infer_shapes, operator_name, tensor_of
from search_spaces.stitching import NEXT
from search_spaces.working_memory import operators, peak_bytes, workspace_bytes

_MAIN_WIRES = {"x", "logits"}
_NO_WEIGHTS = {TensorProto.BOOL, TensorProto.INT64, TensorProto.STRING}  # shapes, axes, masks


@dataclass(frozen=True, kw_only=True)
class SegmentCost:
    """Cost of one block in one phase at batch 1."""

    params: int
    """Numbers in its weights, as deployed: a norm folded into a convolution is gone."""
    active_params: int
    """Those touched for one token: fewer than `params` in mixtures and neuron groups."""
    macs: int
    """Multiply-accumulates of convolutions, matrix products, recurrent layers and mixtures. Of an
    If whose condition depends on the data, those of the dearest branch."""
    weight_bytes: int
    """Weights and constant tensors."""
    peak_bytes: int
    """Most bytes alive at once besides weights, inputs and outputs included."""
    state_bytes: int
    """Carried values, counted once, as large as they get."""
    lasting_bytes: int
    """Wires that it writes other than `x` and `logits`: later segments may read them."""
    convolution_bytes: int = 0
    """Of the weights, those of convolutions, which a runtime lays out anew while it loads them."""
    workspace_bytes: int = 0
    """The most that one operator works in beside its inputs and outputs, where that is known."""
    operators: int = 0
    """Nodes that compute; 0 where a cost was kept before these were counted."""
    operator_kinds: int = 0
    """Different operators among them: each brings code of the runtime into memory."""
    unknown_ops: tuple[str, ...] = ()
    """Operators whose output shapes are not known; costs are too low by them and what follows."""


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """Cost of a whole network in one phase at batch 1."""

    params: int
    active_params: int
    macs: int
    weight_bytes: int
    state_bytes: int
    memory_bytes: int
    """Weights, the state before and after a run, lasting wires, and the largest segment's peak."""
    unknown_ops: tuple[str, ...] = ()


def segment_cost(
    block: Block, phase: Phase, model: onnx.ModelProto, quantized: onnx.ModelProto | None = None
) -> SegmentCost:
    """Cost of `block` at the sizes of `phase`.

    Args:
        block: the block that was exported.
        phase: gives symbolic sizes their numbers and pinned inputs their values.
        model: the block's ONNX in fp32.
        quantized: the same in a lower precision, if that is what runs.
    """
    scope = infer_shapes(model, _inputs(block, phase, model))
    deployed, deployed_scope = model, scope
    if quantized is not None:
        deployed = quantized
        deployed_scope = infer_shapes(quantized, _inputs(block, phase, quantized))
    weights = (t for t in _weights(model.graph) if t.data_type not in _NO_WEIGHTS)
    params = {t.name: tensor_of(t).size for t in weights}
    run, names = as_run(deployed.graph), operators(deployed.graph)
    return SegmentCost(
        params=sum(params.values()),
        active_params=sum(params.values()) - _idle_params(model.graph, scope, params),
        macs=_macs(model.graph, scope),
        weight_bytes=_weight_bytes(deployed.graph),
        peak_bytes=peak_bytes(run, deployed_scope),
        state_bytes=sum(_state_bytes(scope, name) for name in block.carries),
        lasting_bytes=sum(
            _bytes(scope, name + NEXT) for name in block.writes if name not in _MAIN_WIRES
        ),
        convolution_bytes=_convolution_bytes(deployed.graph),
        workspace_bytes=workspace_bytes(run, deployed_scope),
        operators=len(names),
        operator_kinds=len(set(names)),
        unknown_ops=tuple(sorted(scope.unknown_ops | deployed_scope.unknown_ops)),
    )


def network_cost(costs: Iterable[SegmentCost]) -> NetworkCost:
    """Cost of the network that runs these segments one after the other."""
    costs = tuple(costs)
    weight_bytes = sum(c.weight_bytes for c in costs)
    state_bytes = sum(c.state_bytes for c in costs)
    return NetworkCost(
        params=sum(c.params for c in costs),
        active_params=sum(c.active_params for c in costs),
        macs=sum(c.macs for c in costs),
        weight_bytes=weight_bytes,
        state_bytes=state_bytes,
        memory_bytes=weight_bytes
        + 2 * state_bytes  # a run reads the old state while it writes the new one
        + sum(c.lasting_bytes for c in costs)
        + max((c.peak_bytes for c in costs), default=0),
        unknown_ops=tuple(sorted({name for c in costs for name in c.unknown_ops})),
    )


class CostTable:
    """Costs of blocks, each calculated once and kept in memory."""

    def __init__(self, exporter: SegmentExporter | None = None) -> None:
        """In the exporter's precision; in fp32, by an exporter of its own, if not given."""
        self._exporter = exporter or SegmentExporter()
        self._costs: dict[str, SegmentCost] = {}

    def __call__(self, block: Block, phase: Phase) -> SegmentCost:
        """Cost of `block` in `phase`.

        Raises:
            ExportError: the block cannot be exported.
        """
        key = segment_key(block, phase)
        if key not in self._costs:
            plain, deployed = self._exporter.plain(block), self._exporter(block)
            quantized = None if deployed is plain else deployed
            self._costs[key] = segment_cost(block, phase, plain, quantized)
        return self._costs[key]

    def network(self, segments: Sequence[Segment], phase: Phase) -> NetworkCost:
        """Cost of a whole network, given as `Space.segments` gives it."""
        return network_cost(self(segment.block, phase) for segment in segments)


def _inputs(block: Block, phase: Phase, model: onnx.ModelProto) -> dict[str, Tensor]:
    specs = block.specs()
    inputs = {}
    for value in model.graph.input:
        dtype, shape = value.type.tensor_type.elem_type, specs[value.name].sizes(phase)
        pinned = phase.constants.get(value.name)
        known = None
        if pinned is not None:
            known = np.full(shape, pinned, onnx.helper.tensor_dtype_to_np_dtype(dtype))
        inputs[value.name] = Tensor(shape, dtype, known)
    return inputs


def _weights(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Initializers, those inside If and Loop too."""
    yield from graph.initializer
    for inner in _inner_graphs(graph):
        yield from _weights(inner)


def _weight_bytes(graph: onnx.GraphProto) -> int:
    return sum(tensor_of(t).size_bytes for t in (*_weights(graph), *_constants(graph)))


def _convolution_bytes(graph: onnx.GraphProto) -> int:
    """Kernels that stand directly at a Conv: those behind a DequantizeLinear are laid out once."""
    kernels = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    return sum(tensor_of(t).size_bytes for t in graph.initializer if t.name in kernels)


def _constants(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    """Tensors that are written into the graph as nodes: in memory, but learned by nobody."""
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (a.t for a in node.attribute if a.HasField("t"))
    for inner in _inner_graphs(graph):
        yield from _constants(inner)


def _inner_graphs(graph: onnx.GraphProto) -> list[onnx.GraphProto]:
    return [a.g for node in graph.node for a in node.attribute if a.HasField("g")]


def _idle_params(graph: onnx.GraphProto, scope: Scope, params: Mapping[str, int]) -> int:
    """Weights of the experts that a token does not select."""
    idle = 0
    for node in graph.node:
        if operator_name(node) == MOE_OPERATOR and node.input[2] in scope.tensors:
            experts = sum(params.get(name, 0) for name in list(node.input)[MOE_EXPERT_INPUTS])
            idle += experts - round(experts * selected_share(node, scope.tensors))
    return idle


def _macs(graph: onnx.GraphProto, scope: Scope) -> int:
    total = 0
    for node in graph.node:
        bodies = scope.bodies.get(node.output[0], [])
        total += max((b.turns * _macs(b.graph, b.scope) for b in bodies), default=0)
        total += node_macs(node, scope.tensors)
    return total


def _state_bytes(scope: Scope, name: str) -> int:
    """The larger of a carried value before and after the run: caches grow."""
    return max(_bytes(scope, name), _bytes(scope, name + NEXT))


def _bytes(scope: Scope, name: str) -> int:
    tensor = scope.tensors.get(name)
    return 0 if tensor is None else tensor.size_bytes
