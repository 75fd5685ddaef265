"""Whole networks stitched from the ONNX of their segments.

The names in a stitched network tell where things belong: node and weight names start with
`<place>/`, carried values are the graph input `<place>.<name>` and output `<place>.<name>.next`.
The last segment's wires are outputs under their own names, with `.next` if inputs have them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from search_spaces.block import Segment
from search_spaces.errors import ExportError
from search_spaces.network import carried_name
from search_spaces.seam import Grid, exit_grid, on_grid

PLACE_SEPARATOR = "/"
NEXT = ".next"


def place_of(node_name: str) -> str | None:
    """The place that a node of a stitched network belongs to; None for a node without one."""
    place, separator, _ = node_name.partition(PLACE_SEPARATOR)
    return place if separator else None


@dataclass(frozen=True)
class _Wire:
    """A wire's present tensor, and its grid if it was just dequantized."""

    info: onnx.ValueInfoProto
    grid: Grid | None = None


def stitch(parts: Sequence[tuple[Segment, onnx.ModelProto]]) -> onnx.ModelProto:
    """Chains the graphs by wires, every name inside a segment getting the place as its prefix."""
    network = onnx.GraphProto(name="network")
    wires: dict[str, _Wire] = {}
    for segment, model in parts:
        _append(network, wires, segment, _on_grids(model, wires, segment).graph)
    last = parts[-1][0].block
    for position, wire in enumerate(last.writes):
        network.output.insert(position, wires[wire].info)
    model = onnx.ModelProto(ir_version=8, producer_name="edge-nas", graph=network)
    model.opset_import.extend(_opsets(model for _, model in parts))
    return _with_plain_output_names(model, last.writes)


def _on_grids(
    model: onnx.ModelProto, wires: Mapping[str, _Wire], segment: Segment
) -> onnx.ModelProto:
    """The segment's model, reading quantized wires as they come."""
    for name in segment.block.reads:
        grid = wires[name].grid if name in wires else None
        if grid is not None:
            model = on_grid(model, name, grid)
    return model


def _append(
    network: onnx.GraphProto,
    wires: dict[str, _Wire],
    segment: Segment,
    graph: onnx.GraphProto,
) -> None:
    """Adds a segment's graph to the network and moves its wires on."""
    place = segment.place
    renamed = {value.name: _connect(network, wires, segment, value) for value in graph.input}
    for value in graph.output:
        local = value.name.removesuffix(NEXT)
        carried = local in segment.block.carries
        # With its suffix a wire never has the name of a weight.
        target = carried_name(place, value.name) if carried else f"{place}/{value.name}"
        renamed[value.name] = target
        info = _named(value, target)
        if carried:
            network.output.append(info)
        else:
            wires[local] = _Wire(info, exit_grid(graph, value.name))
    _append_renamed(network, graph, place, renamed)


def _connect(
    network: onnx.GraphProto,
    wires: dict[str, _Wire],
    segment: Segment,
    value: onnx.ValueInfoProto,
) -> str:
    """The tensor of the whole network that feeds this input; a new graph input where none does."""
    if value.name in segment.block.carries:
        name = carried_name(segment.place, value.name)
        network.input.append(_named(value, name))
        return name
    if value.name not in wires:
        wires[value.name] = _Wire(_named(value, value.name))
        network.input.append(wires[value.name].info)
    have, want = _shape(wires[value.name].info), _shape(value)
    if len(have) != len(want) or any(
        isinstance(h, int) and isinstance(w, int) and h != w
        for h, w in zip(have, want, strict=True)
    ):
        raise ExportError(f"{segment.place} reads {value.name!r} as {want}, but it is {have}")
    return wires[value.name].info.name


def _append_renamed(
    network: onnx.GraphProto, graph: onnx.GraphProto, place: str, renamed: Mapping[str, str]
) -> None:
    for tensor in graph.initializer:
        copy = network.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = f"{place}/{tensor.name}"
    for info in graph.value_info:
        network.value_info.append(_named(info, renamed.get(info.name, f"{place}/{info.name}")))
    for number, node in enumerate(graph.node):
        copy_node = network.node.add()
        copy_node.CopyFrom(node)
        _rename_node(copy_node, place, renamed, number)


def _rename_node(node: onnx.NodeProto, place: str, renamed: Mapping[str, str], number: int) -> None:
    node.name = f"{place}/{number}_{node.op_type}"
    for names in (node.input, node.output):
        for i, name in enumerate(names):
            if name:
                names[i] = renamed.get(name, f"{place}/{name}")
    for attribute in node.attribute:
        for body in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            _rename_body(body, place, renamed)


def _rename_body(body: onnx.GraphProto, place: str, renamed: Mapping[str, str]) -> None:
    """Bodies of If and Loop see the names around them, so theirs are changed alike."""
    for tensor in body.initializer:
        tensor.name = renamed.get(tensor.name, f"{place}/{tensor.name}")
    for info in (*body.input, *body.output, *body.value_info):
        info.name = renamed.get(info.name, f"{place}/{info.name}")
    for number, node in enumerate(body.node):
        _rename_node(node, place, renamed, number)


def _with_plain_output_names(model: onnx.ModelProto, wires: Sequence[str]) -> onnx.ModelProto:
    """The last segment's tensors get the names of their wires, without the place."""
    inputs = {value.name for value in model.graph.input}
    plain = {
        model.graph.output[i].name: wire + NEXT if wire in inputs else wire
        for i, wire in enumerate(wires)
    }
    for output in model.graph.output:
        output.name = plain.get(output.name, output.name)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = plain.get(name, name)
    return model


def _opsets(models: Iterable[onnx.ModelProto]) -> list[onnx.OperatorSetIdProto]:
    versions = {o.domain: o.version for model in models for o in model.opset_import}
    return [onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()]


def _named(info: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(info)
    copy.name = name
    return copy


def _shape(info: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_value or d.dim_param for d in info.type.tensor_type.shape.dim]
