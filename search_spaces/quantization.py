"""ONNX of segments and of whole networks in a lower precision."""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import onnx

from search_spaces.block import Block, Phase, Segment
from search_spaces.errors import ExportError
from search_spaces.precision import FP32, INT4, check_precision, is_sequential
from search_spaces.static_quantization import Feeds, quantize_activations
from search_spaces.stitching import place_of
from search_spaces.weight_quantization import quantize_weights

_CALIBRATION_RUNS = 2  # our choice: ranges of random inputs hardly differ


def quantize_segment(block: Block, model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """The block's fp32 ONNX in `precision`, good for timing; see `PRECISIONS` for what that is.

    Ranges of activations are those of random inputs, drawn from a seed of the block's key: what
    runs is right, the accuracy is not. For use, quantize the whole network on real data.

    Raises:
        ExportError: the quantizer refused the block.
        SpaceError: no such precision.
    """
    sequential = is_sequential(block)
    with _blamed_on(block.key, precision):
        return _quantized(model, precision, lambda _: sequential, _random_feeds(block))


def quantize_network(
    segments: Sequence[Segment],
    model: onnx.ModelProto,
    precision: str,
    feeds: Iterable[Feeds],
) -> onnx.ModelProto:
    """A whole network's fp32 ONNX in `precision`, good for use.

    Args:
        segments: of the network.
        model: as `export_network` gives it.
        precision: one of `PRECISIONS`.
        feeds: real inputs, by which the ranges of activations are set; unused without any.

    Raises:
        ExportError: the quantizer refused the network, or it has nothing that `precision` narrows.
        SpaceError: no such precision.
    """
    places = {segment.place for segment in segments if is_sequential(segment.block)}
    with _blamed_on("the network", precision):
        found = _quantized(model, precision, lambda name: place_of(name) in places, feeds)
        if precision != FP32 and _operators(found) == _operators(model):
            raise ValueError(f"it has no weights that {precision} narrows. Take {FP32}")
        return found


def _operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@contextlib.contextmanager
def _blamed_on(what: str, precision: str) -> Iterator[None]:
    """Says what could not be quantized; a stranger's block may fail in any way."""
    check_precision(precision)
    try:
        yield
    except Exception as exc:
        reason = str(exc).strip().partition("\n")[0]
        raise ExportError(
            f"{what} cannot be quantized to {precision}: {type(exc).__name__}: {reason}"
        ) from exc


def _quantized(
    model: onnx.ModelProto,
    precision: str,
    sequential: Callable[[str], bool],
    feeds: Iterable[Feeds],
) -> onnx.ModelProto:
    """`sequential` tells of a node's name whether it belongs to a block over sequences."""
    if precision == FP32:
        return model
    bits = 4 if precision == INT4 else 8
    names = [node.name for node in model.graph.node]
    held = {
        name for name in names if bits == 4 or sequential(name)
    }  # their activations stay floats
    narrow = quantize_weights(model, bits, wanted=held.__contains__)
    if len(held) == len(names):
        return narrow
    return quantize_activations(narrow, feeds, left_out=held)


def _random_feeds(block: Block) -> Iterator[Feeds]:
    seed = int.from_bytes(hashlib.sha256(block.key.encode()).digest()[:4], "big")
    rng = np.random.default_rng(seed)
    phase = Phase("")  # only blocks of fixed shape ask for feeds
    specs = {name: block.specs()[name] for name in (*block.reads, *block.carries)}
    for _ in range(_CALIBRATION_RUNS):
        yield {
            name: rng.uniform(spec.low, spec.high, spec.sizes(phase)).astype(
                str(spec.dtype).removeprefix("torch.")
            )
            for name, spec in specs.items()
        }
