"""ONNX from PyTorch: each segment exported and quantized once, networks stitched from segments."""

import hashlib
import io
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from search_spaces.block import Block, Segment, TensorSpec
from search_spaces.errors import ExportError
from search_spaces.network import carried_name
from search_spaces.precision import FP32, check_precision
from search_spaces.quantization import quantize_segment
from search_spaces.stitching import NEXT, stitch

OPSET = 17
"""Old enough for the runtimes on boards, new enough for LayerNormalization."""

_ONE_AT_A_TIME = threading.RLock()  # PyTorch's exporter keeps its state in globals
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
        with _ONE_AT_A_TIME, _one_thread(), warnings.catch_warnings(), torch.no_grad():
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
        raise ExportError(f"{block.key} cannot be exported to ONNX: {_reason(exc)}") from exc
    model = onnx.load_from_string(buffer.getvalue())
    _restore_unused_inputs(model.graph, {name: specs[name] for name in names})
    return model


class SegmentExporter:
    """Exports each block once, with weights of its own seed, and keeps the result in memory.

    Threads may share one.
    """

    def __init__(self, precision: str = FP32) -> None:
        """For networks of `precision`; raises SpaceError for one that does not exist."""
        check_precision(precision)
        self.precision = precision
        self._plain: dict[str, onnx.ModelProto] = {}
        self._models: dict[str, onnx.ModelProto] = {}

    def __call__(self, block: Block) -> onnx.ModelProto:
        """The block's ONNX in the exporter's precision; not to be changed by the caller."""
        with _ONE_AT_A_TIME:
            if block.key not in self._models:
                self._models[block.key] = self.quantize(block, self.plain(block))
            return self._models[block.key]

    def plain(self, block: Block) -> onnx.ModelProto:
        """The block's ONNX in fp32, whatever the precision; not to be changed by the caller."""
        with _ONE_AT_A_TIME:
            if block.key not in self._plain:
                self._plain[block.key] = export_segment(block)
            return self._plain[block.key]

    def quantize(self, block: Block, model: onnx.ModelProto) -> onnx.ModelProto:
        """The block's fp32 ONNX, with whatever weights, in the exporter's precision.

        Raises:
            ExportError: the quantizer refused the block.
        """
        return quantize_segment(block, model, self.precision)


def export_network(
    segments: Sequence[Segment],
    exporter: SegmentExporter | None = None,
    modules: Mapping[str, nn.Module] | None = None,
) -> onnx.ModelProto:
    """A whole network as ONNX, in the exporter's precision.

    Args:
        segments: as `Space.segments` gives them.
        exporter: keeps segments between calls; one for fp32 if not given. Its own weights are used
            where `modules` gives none.
        modules: trained modules by place.

    Raises:
        ExportError: a segment cannot be exported, or reads a wire of another shape.
    """
    exporter = exporter or SegmentExporter()
    modules = modules or {}
    parts = []
    for segment in segments:
        block, module = segment.block, modules.get(segment.place)
        if module is None:
            parts.append((segment, exporter(block)))
        else:
            parts.append((segment, exporter.quantize(block, export_segment(block, module))))
    return stitch(parts)


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """For tracing, which runs single blocks on one example each.

    On a machine that is busy otherwise, threads that wait for each other take four times the time.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


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


def _onnx_type(dtype: torch.dtype) -> int:
    array = torch.zeros((), dtype=dtype).numpy()
    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


def _example(shape: Sequence[int | str], dtype: torch.dtype) -> torch.Tensor:
    sizes = [_TRACE_SIZE if isinstance(size, str) else size for size in shape]
    return torch.zeros(sizes, dtype=dtype)


def _reason(exc: Exception) -> str:
    return f"{type(exc).__name__}: {str(exc).strip().partition(chr(10))[0]}"
