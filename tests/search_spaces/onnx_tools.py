"""Looking into ONNX graphs and at what ONNX Runtime makes of them."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from search_spaces import Phase, Segment, graph_inputs


def optimised(model: onnx.ModelProto, folder: Path) -> onnx.GraphProto:
    """The graph that ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file is for this machine only
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    return onnx.load(folder / "optimised.onnx").graph


def operators(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)


def weights(model: onnx.ModelProto) -> dict[str, npt.NDArray[np.generic]]:
    return {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}


def random_feeds(
    segments: Sequence[Segment], phase: Phase, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Inputs of the network as its specs bound them."""
    rng, feeds = np.random.default_rng(seed), {}
    for name, spec in graph_inputs(segments).items():
        if name in phase.constants:
            feeds[name] = torch.full(spec.sizes(phase), phase.constants[name], dtype=spec.dtype)
        else:
            drawn = rng.uniform(spec.low, spec.high, spec.sizes(phase))
            feeds[name] = torch.tensor(drawn).to(spec.dtype)
    return feeds


def error(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    """Root mean square of the difference, over that of what is expected."""
    return float(np.sqrt(np.square(found - expected).mean() / np.square(expected).mean()))
