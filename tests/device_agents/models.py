"""Small models for the tests, each with one property that a test is about.

Run as a program with a folder, it writes them there.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def save_models(folder: Path) -> None:
    """Write each model, as its name and .onnx."""
    for name, graph in {
        "network": network(1.0),
        "other": network(2.0),
        "branch": branch(),
        "endless": endless(),
        "hungry": hungry(),
        "typed": typed(),
    }.items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{name}.onnx")


def network(scale: float) -> onnx.GraphProto:
    """Three convolutions with named nodes; x: (1, 3, height, 32), the height is free."""
    rng, nodes, weights = np.random.default_rng(0), [], []
    source, channels = "x", 3
    for index in range(3):
        values = scale * rng.normal(size=(16, channels, 3, 3)) / 10
        weights.append(onnx.numpy_helper.from_array(values.astype(np.float32), f"weight{index}"))
        nodes.append(
            helper.make_node(
                "Conv",
                [source, f"weight{index}"],
                [f"map{index}"],
                name=f"block{index}/conv",
                pads=[1, 1, 1, 1],
            )
        )
        nodes.append(
            helper.make_node("Relu", [f"map{index}"], [f"out{index}"], name=f"block{index}/relu")
        )
        source, channels = f"out{index}", 16
    x = helper.make_tensor_value_info("x", FLOAT, [1, 3, "height", 32])
    y = helper.make_tensor_value_info(source, FLOAT, [1, 16, "height", 32])
    return helper.make_graph(nodes, "network", [x], [y], weights)


def branch() -> onnx.GraphProto:
    """An If between two others; its bodies hold nodes of their own. x: (64, 64)."""
    y = helper.make_tensor_value_info("body_out", FLOAT, [64, 64])
    bodies = {
        f"{word}_branch": helper.make_graph(
            [
                helper.make_node("MatMul", ["before", "before"], ["product"], name=f"{word}/inner"),
                helper.make_node(op, ["product"], ["body_out"], name=f"{word}/last"),
            ],
            word,
            [],
            [y],
        )
        for word, op in (("then", "Sigmoid"), ("else", "Tanh"))
    }
    nodes = [
        helper.make_node("MatMul", ["x", "x"], ["before"], name="first"),
        helper.make_node("If", ["condition"], ["chosen"], name="choice", **bodies),
        helper.make_node("MatMul", ["chosen", "chosen"], ["y"], name="final"),
    ]
    return helper.make_graph(
        nodes,
        "branch",
        [
            helper.make_tensor_value_info("x", FLOAT, [64, 64]),
            helper.make_tensor_value_info("condition", BOOL, []),
        ],
        [helper.make_tensor_value_info("y", FLOAT, [64, 64])],
    )


def endless() -> onnx.GraphProto:
    """A loop of `rounds` rounds: as slow as one likes."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Sin", ["state"], ["next_state"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", INT64, []),
            helper.make_tensor_value_info("go_on", BOOL, []),
            helper.make_tensor_value_info("state", FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info("still", BOOL, []),
            helper.make_tensor_value_info("next_state", FLOAT, [1]),
        ],
    )
    loop = helper.make_node("Loop", ["rounds", "", "x"], ["y"], name="loop", body=body)
    x = helper.make_tensor_value_info("x", FLOAT, [1])
    y = helper.make_tensor_value_info("y", FLOAT, [1])
    rounds = helper.make_tensor_value_info("rounds", INT64, [])
    return helper.make_graph([loop], "endless", [rounds, x], [y])


def hungry() -> onnx.GraphProto:
    """A tensor of `size` floats and its sum."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["zeros"], name="zeros"),
        helper.make_node("Exp", ["zeros"], ["ones"], name="ones"),
        helper.make_node("ReduceSum", ["ones"], ["y"], name="sum", keepdims=0),
    ]
    size = helper.make_tensor_value_info("size", INT64, [1])
    return helper.make_graph(
        nodes, "hungry", [size], [helper.make_tensor_value_info("y", FLOAT, [])]
    )


def typed() -> onnx.GraphProto:
    """One Identity for each type of feed; the first axis is free and may be empty."""
    types = {
        "float16": TensorProto.FLOAT16,
        "float32": FLOAT,
        "float64": TensorProto.DOUBLE,
        "int8": TensorProto.INT8,
        "int32": TensorProto.INT32,
        "int64": INT64,
        "uint8": TensorProto.UINT8,
        "bool": BOOL,
    }
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in types]
    inputs = [helper.make_tensor_value_info(name, code, ["n", 2]) for name, code in types.items()]
    outputs = [
        helper.make_tensor_value_info(f"{name}_out", code, ["n", 2]) for name, code in types.items()
    ]
    return helper.make_graph(nodes, "typed", inputs, outputs)


if __name__ == "__main__":
    save_models(Path(sys.argv[1]))
