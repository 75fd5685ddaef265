"""How fast a device computes and reads at its best: two tiny models, each timed by a job."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from device_agents import Feed, Identity, Job, Phase, PhaseResult, SteadySession

_NS_PER_S = 10**9
_FLOAT_BYTES = 4
_OPSET, _IR_VERSION = 17, 8  # as the networks have: old enough for the runtimes on boards
_SECONDS = 0.5  # our choice: both jobs together, with what surrounds them, end within 3 s
# A product of that side is a millisecond's work, enough for several threads; its three matrices
# leave the time to the arithmetic. On a core with AVX-512, sides of 256 to 512 and convolutions
# of 1x1 and 3x3 all came to 110 GFLOP/s.
_MATRIX_SIDE = 512
_COLUMNS = 4096
_CACHES = 4  # our choice: little of such a buffer is left in the caches from one run to the next
_LEAST_BYTES, _MOST_BYTES = 2**25, 2**28
_LARGEST_RAM_SHARE = 1 / 8


@dataclass(frozen=True)
class PeakRates:
    """The best group of runs of each model."""

    flops_per_s: int
    bytes_per_s: int
    quality: str
    """`good` if both jobs were, else the flag of one: the device may well do better."""


def measure_peak_rates(session: SteadySession, folder: Path) -> PeakRates:
    """Measures both rates, in fp32, with the session's threads and runtime; takes seconds.

    Arithmetic: a product of two square matrices, one of them a weight. Memory: the sums of the
    rows of a matrix much larger than the caches, which reads it once and writes next to nothing.

    Args:
        session: of the device.
        folder: for the models on their way.

    Raises:
        JobFailed: one of the models did not run.
        DeviceError: the device became unusable.
    """
    side = _MATRIX_SIDE
    product = _run(session, folder / "peak-flops.onnx", _product(side), (side, side))
    rows = _buffer_bytes(session.identity) // (_COLUMNS * _FLOAT_BYTES)
    sums = _run(session, folder / "peak-bytes.onnx", _row_sums(rows), (rows, _COLUMNS))
    return PeakRates(
        flops_per_s=2 * side**3 * _NS_PER_S // product.min_ns,
        bytes_per_s=rows * _COLUMNS * _FLOAT_BYTES * _NS_PER_S // sums.min_ns,
        quality=next((q for q in (product.quality, sums.quality) if q != "good"), "good"),
    )


def _buffer_bytes(identity: Identity) -> int:
    """Far more than the caches hold, as far as they are known, and a small share of the memory."""
    caches = [size for size in (identity.l2_bytes, identity.l3_bytes) if size is not None]
    wanted = min(max(_CACHES * max(caches, default=0), _LEAST_BYTES), _MOST_BYTES)
    return min(wanted, int(identity.ram_bytes * _LARGEST_RAM_SHARE))


def _run(
    session: SteadySession, path: Path, model: onnx.ModelProto, shape: tuple[int, ...]
) -> PhaseResult:
    path.write_bytes(model.SerializeToString())
    # One constant: random numbers for so large a buffer would take longer than all the runs.
    feed = Feed(name="x", dtype="float32", shape=shape, low=1.0, high=1.0)
    phases = (Phase(name="infer", feeds=(feed,)),)
    result = session.run(Job(kind="time", phases=phases, max_seconds_per_phase=_SECONDS), path)
    path.unlink()
    return result.phases[0]


def _product(side: int) -> onnx.ModelProto:
    weight = np.full((side, side), 1 / side, dtype=np.float32)
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return _model(node, weight, ((side, side), (side, side)))


def _row_sums(rows: int) -> onnx.ModelProto:
    node = helper.make_node("ReduceSum", ["x", "w"], ["y"], keepdims=0)
    return _model(node, np.array([1], dtype=np.int64), ((rows, _COLUMNS), (rows,)))


def _model(
    node: onnx.NodeProto,
    constant: np.ndarray,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
) -> onnx.ModelProto:
    """One node with the input `x`, the constant `w` and the output `y`; shapes of x and y."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    ]
    weights = [numpy_helper.from_array(constant, "w")]
    graph = helper.make_graph([node], "peak", ends[:1], ends[1:], weights)
    opsets = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
