"""A QDQ graph as the runtime runs it: operators between pairs become one on 8-bit tensors.

Between DequantizeLinear and QuantizeLinear stand operators of floats, but those floats never exist:
the runtime replaces the three by an operator that reads and writes 8-bit tensors. What is alive in
memory can be told only of the graph after that.
"""

from collections import Counter
from collections.abc import Mapping

import onnx

from search_spaces.static_quantization import INT8_OPERATORS
from search_spaces.stitching import NEXT

_WIRE = "x"
"""The wire that passes from segment to segment in 8 bits; other inputs come as floats."""


def as_run(graph: onnx.GraphProto) -> onnx.GraphProto:
    """The graph without those pairs that the runtime fuses away; the graph itself if it has none.

    A segment's own pairs at the wire `x` count as fused too, as its neighbours' operators do so.
    Only names of tensors change, so what is known of their shapes stays true.
    """
    codes = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    if not codes:
        return graph
    quantized = _only_quantized(graph)
    run = onnx.GraphProto()
    run.CopyFrom(graph)
    for node in run.node:
        fused = node.op_type in INT8_OPERATORS and node.output[0] in quantized
        if fused and any(name in codes for name in node.input):
            node.input[:] = [codes.get(name, name) for name in node.input]
            node.output[0] = quantized[node.output[0]]
    _rename(run, {_WIRE: quantized.get(_WIRE, _WIRE)} | _exits(run, codes))
    _drop_spent(run)
    return run


def _only_quantized(graph: onnx.GraphProto) -> dict[str, str]:
    """Tensors that nothing reads but a QuantizeLinear, with what it makes of them."""
    reads = Counter(name for node in graph.node for name in node.input)
    reads.update(value.name for value in graph.output)
    return {
        node.input[0]: node.output[0]
        for node in graph.node
        if node.op_type == "QuantizeLinear" and reads[node.input[0]] == 1
    }


def _exits(graph: onnx.GraphProto, codes: Mapping[str, str]) -> dict[str, str]:
    name = _WIRE + NEXT
    return {name: codes[name]} if name in codes else {}


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)


def _drop_spent(graph: onnx.GraphProto) -> None:
    """Takes out the pairs whose floats nothing reads any more."""
    made = {name for n in graph.node if n.op_type != "QuantizeLinear" for name in n.output}
    made.update(value.name for value in graph.input)
    read = {
        name for node in graph.node if node.op_type != "DequantizeLinear" for name in node.input
    }
    read.update(value.name for value in graph.output)
    kept = [
        node
        for node in graph.node
        if not (node.op_type == "QuantizeLinear" and node.output[0] in made)
        and not (node.op_type == "DequantizeLinear" and node.output[0] not in read)
    ]
    del graph.node[:]
    graph.node.extend(kept)
