"""Weights that differ where a network has the same block more than once."""

from collections import Counter

import onnx
from onnx import TensorProto

_NO_WEIGHTS = {TensorProto.BOOL, TensorProto.INT64, TensorProto.STRING}  # shapes, axes, masks


def set_equal_weights_apart(network: onnx.ModelProto) -> None:
    """Changes, in place, the lowest bits of one number in every matrix that stood there before.

    Equal blocks are exported once, and so with equal random weights, of which the runtime keeps
    one copy. A trained network has no equal weights: it takes more memory and more of the caches.
    For networks that are measured, not for those that are used.
    """
    seen: Counter[bytes] = Counter()
    for tensor in network.graph.initializer:
        data = tensor.raw_data
        # Of a quantized network, scales and zero points are vectors, and equal with good reason.
        if len(tensor.dims) < 2 or not data or tensor.data_type in _NO_WEIGHTS:
            continue
        # The first byte holds the lowest bits of the first number.
        tensor.raw_data = bytes([data[0] ^ seen[data] % 256]) + data[1:]
        seen[data] += 1
