"""ONNX from PyTorch: each segment exported once, whole networks stitched from segments.

The names in a stitched network tell where things belong: node and weight names start with
`<place>/`, carried values are the graph input `<place>.<name>` and output `<place>.<name>.next`.
The last segment's wires are outputs under their own names, with `.next` if inputs have them.
"""

import hashlib
import io
import warnings
from collections.abc import Iterable, Mapping, Sequence

import onnx
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.block import Block, Segment, TensorSpec
from search_spaces.errors import ExportError
from search_spaces.network import carried_name

OPSET = 17
"""Old enough for the runtimes on boards, new enough for LayerNormalization."""
PLACE_SEPARATOR = "/"
NEXT = ".next"

_TRACE_SIZE = 3  # any size above 1, so that tracing takes no symbolic size for a constant


def export_segment(block: Block, module: nn.Module | None = None) -> onnx.ModelProto:
    """One block as ONNX: inputs `reads` and `carries`, outputs `writes` and `carries` + `.next`.

    Args:
        block: what to export.
        module: its weights; fresh ones, drawn from a seed of the block's key, if not given.

    Raises:
        ExportError: the exporter refused the block.
    """
    names = [*block.reads, *block.carries]
    specs = block.specs()
    example = tuple(_example(specs[name].shape, specs[name].dtype) for name in names)
    axes = {
        name: {i: size for i, size in enumerate(specs[name].shape) if isinstance(size, str)}
        for name in names
    }
    buffer = io.BytesIO()
    try:
        module = seeded_module(block) if module is None else module
        with warnings.catch_warnings(), torch.no_grad():
            # The TorchScript exporter is thirty times faster than its successor, which matters
            # for thousands of segments; it warns of its age on every call.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                example,
                buffer,  # type: ignore[arg-type]  # files in memory are welcome, says its code
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=[name + NEXT for name in (*block.writes, *block.carries)],
                dynamic_axes={name: symbols for name, symbols in axes.items() if symbols},
                custom_opsets={domain: 1 for domain in block.operator_domains},
            )
    except Exception as exc:  # noqa: BLE001 - a stranger's block may fail in any way
        reason = str(exc).strip().partition("\n")[0]
        raise ExportError(
            f"{block.key} cannot be exported to ONNX: {type(exc).__name__}: {reason}"
        ) from exc
    model = onnx.load_from_string(buffer.getvalue())
    _restore_unused_inputs(model.graph, {name: specs[name] for name in names})
    return model


class SegmentExporter:
    """Exports each block once, with weights of its own seed, and keeps the result in memory."""

    def __init__(self) -> None:
        self._models: dict[str, onnx.ModelProto] = {}

    def __call__(self, block: Block) -> onnx.ModelProto:
        """The block's ONNX; not to be changed by the caller."""
        if block.key not in self._models:
            self._models[block.key] = export_segment(block)
        return self._models[block.key]


def export_network(
    segments: Sequence[Segment],
    exporter: SegmentExporter | None = None,
    modules: Mapping[str, nn.Module] | None = None,
) -> onnx.ModelProto:
    """A whole network as ONNX.

    Args:
        segments: as `Space.segments` gives them.
        exporter: keeps segments between calls; used where `modules` gives no weights.
        modules: trained modules by place.

    Raises:
        ExportError: a segment cannot be exported, or reads a wire of another shape.
    """
    exporter = exporter or SegmentExporter()
    modules = modules or {}
    parts = [
        (s, export_segment(s.block, modules[s.place]) if s.place in modules else exporter(s.block))
        for s in segments
    ]
    return _stitch(parts)


def seeded_module(block: Block) -> nn.Module:
    """A module with random weights that are the same on every machine and call.

    Its batch norms have random statistics too: the exporter merges equal tensors, such as those
    of fresh norms, and the network would be smaller than a trained one.
    """
    seed = int.from_bytes(hashlib.sha256(block.key.encode()).digest()[:4], "big")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = block.build().eval()
        for part in module.modules():
            if not isinstance(part, _BatchNorm):
                continue
            if part.running_mean is not None and part.running_var is not None:
                part.running_mean.normal_(std=0.1)
                part.running_var.uniform_(0.9, 1.1)
        return module


def place_of(node_name: str) -> str | None:
    """The place that a node of a stitched network belongs to; None for a node without one."""
    place, separator, _ = node_name.partition(PLACE_SEPARATOR)
    return place if separator else None


def graph_inputs(segments: Iterable[Segment]) -> dict[str, TensorSpec]:
    """Every input of the stitched network by name, in graph order."""
    inputs: dict[str, TensorSpec] = {}
    written: set[str] = set()
    for segment in segments:
        specs = segment.block.specs()
        for name in segment.block.reads:
            if name not in written:
                inputs.setdefault(name, specs[name])
        for name in segment.block.carries:
            inputs[carried_name(segment.place, name)] = specs[name]
        written.update(segment.block.writes)
    return inputs


def _restore_unused_inputs(graph: onnx.GraphProto, specs: Mapping[str, TensorSpec]) -> None:
    """The exporter drops inputs that no node reads; a network's feeds would then not fit it."""
    given = {value.name: value for value in graph.input}
    inputs = [
        given[name]
        if name in given
        else onnx.helper.make_tensor_value_info(name, _onnx_type(spec.dtype), spec.shape)
        for name, spec in specs.items()
    ]
    del graph.input[:]
    graph.input.extend(inputs)


def _stitch(parts: Sequence[tuple[Segment, onnx.ModelProto]]) -> onnx.ModelProto:
    """Chains the graphs by wires, every name inside a segment getting the place as its prefix."""
    network = onnx.GraphProto(name="network")
    wires: dict[str, onnx.ValueInfoProto] = {}  # a wire's present tensor
    for segment, model in parts:
        graph, place = model.graph, segment.place
        renamed = {}
        for value in graph.input:
            renamed[value.name] = _connect(network, wires, segment, value)
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
                wires[local] = info
        _append_renamed(network, graph, place, renamed)
    last = parts[-1][0].block
    for position, wire in enumerate(last.writes):
        network.output.insert(position, wires[wire])
    model = onnx.ModelProto(ir_version=8, producer_name="edge-nas", graph=network)
    model.opset_import.extend(_opsets(model for _, model in parts))
    return _with_plain_output_names(model, last.writes)


def _connect(
    network: onnx.GraphProto,
    wires: dict[str, onnx.ValueInfoProto],
    segment: Segment,
    value: onnx.ValueInfoProto,
) -> str:
    """The tensor of the whole network that feeds this input; a new graph input where none does."""
    if value.name in segment.block.carries:
        name = carried_name(segment.place, value.name)
        network.input.append(_named(value, name))
        return name
    if value.name not in wires:
        wires[value.name] = _named(value, value.name)
        network.input.append(wires[value.name])
    have, want = _shape(wires[value.name]), _shape(value)
    if len(have) != len(want) or any(
        isinstance(h, int) and isinstance(w, int) and h != w
        for h, w in zip(have, want, strict=True)
    ):
        raise ExportError(f"{segment.place} reads {value.name!r} as {want}, but it is {have}")
    return wires[value.name].name


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


def _onnx_type(dtype: torch.dtype) -> int:
    array = torch.zeros((), dtype=dtype).numpy()
    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def _example(shape: Sequence[int | str], dtype: torch.dtype) -> torch.Tensor:
    sizes = [_TRACE_SIZE if isinstance(size, str) else size for size in shape]
    return torch.zeros(sizes, dtype=dtype)
