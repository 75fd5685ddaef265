"""What a network in a lower precision is calibrated on, and how far it is from PyTorch's fp32."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from nas.accuracy.batches import Batch, Feed, held_out_batch, training_batch
from nas.data import Data, ImageData
from search_spaces import (
    FP32,
    INT4,
    INT8,
    ExportError,
    Phase,
    Segment,
    TensorSpec,
    graph_inputs,
    run_segment,
)

Feeds = Mapping[str, npt.NDArray[np.generic]]

_IMAGES = 256  # our choice: ranges of activations hardly change after some hundred images
_WINDOWS = 16  # our choice: of a context each, so that thousands of bytes are compared
_RANDOM = 16
_MOST_ERROR = {INT8: 0.15, INT4: 0.5}
"""Our choice, of `Agreement.logits_error`: sound graphs reached 0.01 to 0.04 in int8 and 0.1 to 0.2
in int4, trained or not; a graph that is wrong is near 1."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """A precision, and the inputs that it is fitted to and checked on."""

    precision: str = FP32
    calibration: tuple[Feeds, ...] = ()
    """Sets the ranges of activations."""
    examples: tuple[Feeds, ...] = ()
    """Others, on which the outcome is compared with PyTorch."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A quantized network beside PyTorch's fp32 on the same inputs."""

    top1: float
    """Share of the answers (of an image, of the byte after each byte) that are the same."""
    logits_error: float
    """Root mean square of the difference over that of the logits."""
    answers: int


def quantization_on(data: Data, segments: Sequence[Segment], precision: str) -> Quantization:
    """Fitted to training data, checked on held-out data; raises BadInput if they do not fit."""
    if isinstance(data, ImageData):
        fitted = training_batch(data, step=0, size=_IMAGES, seed=0)
        checked = held_out_batch(data, _IMAGES)
    else:
        fitted = training_batch(data, step=0, size=_WINDOWS, seed=0)
        checked = held_out_batch(data, _WINDOWS)
    return Quantization(
        precision=precision,
        calibration=tuple(_feeds(data, segments, fitted)),
        examples=tuple(_feeds(data, segments, checked)),
    )


def quantization_at_random(
    segments: Sequence[Segment], phase: Phase, precision: str
) -> Quantization:
    """Fitted to random inputs, and checked on others: good for timing only."""
    rng = np.random.default_rng(0)
    feeds = tuple(_random_feeds(segments, phase, rng) for _ in range(2 * _RANDOM))
    return Quantization(precision=precision, calibration=feeds[:_RANDOM], examples=feeds[_RANDOM:])


def require_agreement(
    session: onnxruntime.InferenceSession,
    segments: Sequence[Segment],
    modules: Mapping[str, nn.Module],
    quantization: Quantization,
) -> Agreement:
    """How far the quantized network is from PyTorch.

    Raises:
        ExportError: farther than any sound quantization.
    """
    found = _agreement(session, segments, modules, quantization.examples)
    most = _MOST_ERROR[quantization.precision]
    if not found.logits_error <= most:
        raise ExportError(
            f"{quantization.precision} and PyTorch differ by {found.logits_error:.2g} of the "
            f"logits' size, more than {most:g}. Export in fp32, or train the supernet longer"
        )
    return found


def _agreement(
    session: onnxruntime.InferenceSession,
    segments: Sequence[Segment],
    modules: Mapping[str, nn.Module],
    examples: Sequence[Feeds],
) -> Agreement:
    wire = segments[-1].block.writes[0]
    name = session.get_outputs()[0].name
    same = answers = 0
    squares = np.zeros(2)
    for feeds in examples:
        (found,) = session.run([name], dict(feeds))
        wires = {key: torch.from_numpy(array) for key, array in feeds.items()}
        with torch.no_grad():
            for segment in segments:
                run_segment(segment, modules[segment.place].eval(), wires)
        expected = wires[wire].numpy()
        choices = found.argmax(-1) == expected.argmax(-1)
        same, answers = same + int(choices.sum()), answers + choices.size
        squares += np.square(found - expected).sum(), np.square(expected).sum()
    error = float(np.sqrt(squares[0] / max(squares[1], np.finfo(float).tiny)))
    return Agreement(top1=same / max(answers, 1), logits_error=error, answers=answers)


def _feeds(data: Data, segments: Sequence[Segment], batch: Batch) -> Iterator[Feeds]:
    """Each input of a batch by itself, as exported graphs have a batch of 1."""
    feed, inputs = Feed(data, torch.device("cpu")), graph_inputs(segments)
    for number in range(len(batch)):
        wires = feed.wires(segments, batch.inputs[number : number + 1])
        past = {n: _nothing_seen(s) for n, s in inputs.items() if n not in wires}
        yield {name: value.contiguous().numpy() for name, value in (wires | past).items()}


def _nothing_seen(spec: TensorSpec) -> torch.Tensor:
    sizes = [0 if isinstance(size, str) else size for size in spec.shape]
    return torch.zeros(sizes, dtype=spec.dtype)


def _random_feeds(segments: Sequence[Segment], phase: Phase, rng: np.random.Generator) -> Feeds:
    feeds: dict[str, npt.NDArray[np.generic]] = {}
    for name, spec in graph_inputs(segments).items():
        dtype, sizes = str(spec.dtype).removeprefix("torch."), spec.sizes(phase)
        if name in phase.constants:
            feeds[name] = np.full(sizes, phase.constants[name], dtype)
        else:
            feeds[name] = rng.uniform(spec.low, spec.high, sizes).astype(dtype)
    return feeds
