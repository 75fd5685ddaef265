"""A network to take home: ONNX with inherited weights, checked against PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from nas.errors import BadInput
from nas.export.quantized_export import Agreement, Quantization, require_agreement
from search_spaces import (
    FP32,
    Architecture,
    ExportError,
    Phase,
    Segment,
    Space,
    TensorSpec,
    export_network,
    graph_inputs,
    quantize_network,
    run_segment,
    seeded_module,
)

_TOLERANCE = 1e-3
"""Our choice, relative to the largest output: fp32 sums in another order differ by 1e-5 or so."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An ONNX file and how far it is from PyTorch."""

    path: Path
    size_bytes: int
    largest_difference: float
    """Of the fp32 graph in any phase, relative to the largest output."""
    agreement: Agreement | None = None
    """Of the graph in a lower precision, if that is what was written."""


def export_architecture(
    space: Space,
    architecture: Architecture,
    path: Path,
    modules: Mapping[str, nn.Module] | None = None,
    notes: Mapping[str, str] | None = None,
    quantization: Quantization | None = None,
) -> Exported:
    """Writes the ONNX of a network, whole or not at all, and checks it in every phase.

    In a lower precision two things are checked: the fp32 graph against PyTorch, strictly, and the
    quantized graph against PyTorch on examples, by its answers and the size of its error.

    Args:
        space: that the architecture belongs to.
        architecture: what to export.
        path: of the file.
        modules: trained modules by place; random weights where not given.
        notes: what else the file's metadata is to say, such as how inputs are scaled.
        quantization: to a lower precision; fp32 if not given.

    Raises:
        ExportError: ONNX Runtime and PyTorch disagree, either has no finite numbers, or the file
            cannot be written.
    """
    segments = space.segments(architecture)
    modules = modules or {s.place: seeded_module(s.block) for s in segments}
    model = export_network(segments, modules=modules)
    plan = quantization or Quantization()
    facts = {"architecture": architecture.to_json(), "space": space.name, "task": str(space.task)}
    facts |= {"precision": plan.precision, **(notes or {})}
    onnx.helper.set_model_props(model, facts)
    session = _session(model)
    difference = max(_difference(session, segments, modules, phase) for phase in space.phases)
    if not difference < _TOLERANCE:
        raise ExportError(f"{architecture.id}: ONNX and PyTorch differ by {difference:.2g}")
    agreement = None
    if plan.precision != FP32:
        model = quantize_network(segments, model, plan.precision, plan.calibration)
        agreement = require_agreement(_session(model), segments, modules, plan)
    content = model.SerializeToString()
    _write_whole(path, content)
    return Exported(
        path=path,
        size_bytes=len(content),
        largest_difference=difference,
        agreement=agreement,
    )


def _session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def _difference(
    session: onnxruntime.InferenceSession,
    segments: tuple[Segment, ...],
    modules: Mapping[str, nn.Module],
    phase: Phase,
) -> float:
    """Largest difference of any output, carried values included, over that output's scale."""
    feeds = {name: _example(name, spec, phase) for name, spec in graph_inputs(segments).items()}
    wires = dict(feeds)
    with torch.no_grad():
        for segment in segments:
            run_segment(segment, modules[segment.place].eval(), wires)
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, {name: value.numpy() for name, value in feeds.items()})
    worst = 0.0
    for name, result in zip(names, results, strict=True):
        expected = wires[name.removesuffix(".next")].numpy()
        for where, values in (("ONNX Runtime", result), ("PyTorch", expected)):
            if not np.isfinite(values).all():
                raise ExportError(f"output {name} has values in {where} that are no finite numbers")
        scale = max(float(np.abs(expected).max()), 1e-6)
        worst = max(worst, float(np.abs(result - expected).max()) / scale)
    return worst


def _example(name: str, spec: TensorSpec, phase: Phase) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    sizes = spec.sizes(phase)
    if name in phase.constants:
        return torch.full(sizes, phase.constants[name], dtype=spec.dtype)
    if spec.dtype.is_floating_point:
        numbers = torch.rand(sizes, generator=generator, dtype=spec.dtype)
        return numbers * (spec.high - spec.low) + spec.low
    low, high = int(spec.low), int(spec.high) + 1
    return torch.randint(low, high, sizes, generator=generator, dtype=spec.dtype)


def _write_whole(path: Path, content: bytes) -> None:
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        partial.rename(path)
    except OSError as exc:
        raise ExportError(f"{path} cannot be written: {exc.strerror}") from exc
