"""A space small enough to write out in full, whose blocks are of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from search_spaces import Block, Choice, ImageTask, Place, Space, TensorSpec, Value

Run = Callable[[onnx.ModelProto, Mapping[str, torch.Tensor]], dict[str, npt.NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class Dense(Block):
    """One linear layer on 4 numbers."""

    family: ClassVar[str] = "dense"

    layer: int
    bias: bool

    def build(self) -> nn.Module:
        return nn.Linear(4, 4, bias=self.bias)

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, 4))}


def _dense(layer: int) -> Place:
    def make(values: Mapping[str, Value]) -> Block | None:
        if f"bias{layer}" not in values:
            return None
        return Dense(layer=layer, bias=bool(values[f"bias{layer}"]))

    return Place(f"layer{layer}", ("depth", f"bias{layer}"), make)


@pytest.fixture
def small_space() -> Space:
    """Up to three layers with or without bias; `kind` is b or c, and b has two choices of its own.

    Written out: (2 + 4 + 8) ways of layers, times (1 for a, 2 * 3 for b, 2 for c) kinds.
    """
    return Space(
        name="small",
        task=ImageTask(),
        choices=(
            Choice("depth", (1, 2, 3)),
            Choice("bias1", (False, True)),
            Choice("bias2", (False, True), "depth", (2, 3)),
            Choice("bias3", (False, True), "depth", (3,)),
            Choice("kind", ("a", "b", "c")),
            Choice("rate", (0.5, 1.0), "kind", ("b", "c")),
            Choice("order", (1, 2, 3), "kind", ("b",)),
        ),
        places=(_dense(1), _dense(2), _dense(3)),
    )


@pytest.fixture
def run_onnx() -> Run:
    """Runs a model in ONNX Runtime on one thread: outputs by name."""

    def run(
        model: onnx.ModelProto, feeds: Mapping[str, torch.Tensor]
    ) -> dict[str, npt.NDArray[np.float32]]:
        onnx.checker.check_model(model)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        arrays = {name: tensor.numpy() for name, tensor in feeds.items()}
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run
