import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto
from onnx.parser import parse_model

from search_spaces import Block, InvertedResidual, Phase, SegmentExporter
from search_spaces.blocks.attention import Attention
from search_spaces.blocks.mcsd import Clock, Mcsd
from search_spaces.blocks.mixture import Mixture
from search_spaces.shapes import Scope, Tensor, infer_shapes

DECODE = Phase("decode", {"new": 1, "seen": 15}, {"t0": 15})
PREFILL = Phase("prefill", {"new": 16, "seen": 0}, {"t0": 0})


def inferred(text: str, **shapes: tuple[int, ...]) -> Scope:
    header = '<ir_version: 8, opset_import: ["": 17, "strange": 1]>'
    inputs = {name: Tensor(shape, TensorProto.FLOAT) for name, shape in shapes.items()}
    return infer_shapes(parse_model(header + text), inputs)


@pytest.mark.parametrize("phase", [DECODE, PREFILL], ids=["decode", "prefill"])
@pytest.mark.parametrize(
    "block",
    [
        InvertedResidual(
            in_channels=8,
            out_channels=16,
            side=7,
            stride=2,
            kernel=5,
            expansion=3,
            squeeze_excite=True,
        ),
        Attention(width=64, heads=2),
        Clock(context=16),
        Mcsd(width=64, channels=4),
        Mixture(width=32, hidden=16, experts=4, used=2),
    ],
    ids=lambda block: block.family,
)
@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_every_shape_is_the_one_that_the_runtime_makes(block: Block, phase: Phase, precision: str):
    model, specs = onnx.ModelProto(), block.specs()
    model.CopyFrom(SegmentExporter(precision)(block))
    feeds = {n: torch.zeros(s.sizes(phase), dtype=s.dtype).numpy() for n, s in specs.items()}
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.input}
    inputs = {n: Tensor(a.shape, types[n]) for n, a in feeds.items()}
    scope = infer_shapes(model, inputs)

    names = [name for node in model.graph.node for name in node.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    made = dict(zip(names, session.run(names, feeds), strict=True))

    assert scope.unknown_ops == set()
    assert {n: scope.tensors[n].shape for n in names} == {n: a.shape for n, a in made.items()}


def test_a_shape_that_is_calculated_from_another_is_known():
    scope = inferred(
        """g (float[a, b] x) => (float[c] y) {
            size = Shape (x)
            half = Constant <value_ints = [2]> ()
            rows = Div (size, half)
            y = Expand (x, size)
            z = ConstantOfShape (rows)
        }""",
        x=(4, 6),
    )

    assert scope.tensors["z"].shape == (2, 3)
    assert scope.unknown_ops == set()


def test_only_the_operator_at_the_root_of_the_unknown_is_named():
    scope = inferred(
        """g (float[a] x) => (float[a] y) {
            p = strange.Twist (x)
            q = Relu (p)
            y = Add (p, q)
        }""",
        x=(4,),
    )

    assert scope.unknown_ops == {"strange.Twist"}
    assert "y" not in scope.tensors


def test_a_shape_that_depends_on_the_data_is_unknown():
    scope = inferred("g (float[a] x) => (int64[1, n] y) { y = NonZero (x) }", x=(4,))

    assert scope.unknown_ops == {"NonZero"}


LOOP = """g (float[a] x) => (float[a] last, float[n, a] every) {
    go = Constant <value = bool {1}> ()
    last, every = Loop (LIMIT, go, x) <body = turn (int64 i, bool on, float[a] v)
        => (bool more, float[a] w, float[a] kept) {
        more = Identity (on)
        w = Relu (v)
        kept = Identity (w)
    }>
}"""


def test_a_loop_collects_one_row_a_turn():
    text = LOOP.replace("LIMIT", "n").replace("go =", "n = Constant <value_int = 5> () go =", 1)
    scope = inferred(text, x=(4,))

    assert scope.tensors["last"].shape == (4,)
    assert scope.tensors["every"].shape == (5, 4)
    assert scope.bodies["last"][0].turns == 5


def test_a_loop_of_unknown_length_is_named():
    scope = inferred(LOOP.replace("LIMIT", '""').replace('""', ""), x=(4,))

    assert scope.unknown_ops == {"Loop"}


BRANCHES = """g (float[a] x, bool c) => (float[a] y) {
    y = If (c) <
        then_branch = yes () => (float[a] p) { p = Relu (x) },
        else_branch = no () => (float[a] q) { q = OTHER (x) }
    >
}"""


def test_branches_that_agree_give_the_shape_of_an_if():
    scope = inferred(BRANCHES.replace("OTHER", "Neg"), x=(4,), c=())

    assert scope.tensors["y"].shape == (4,)
    assert len(scope.bodies["y"]) == 2


def test_branches_that_differ_leave_an_if_unknown():
    scope = inferred(BRANCHES.replace("OTHER", "strange.Twist"), x=(4,), c=())

    assert scope.unknown_ops == {"strange.Twist", "If"}


@pytest.mark.parametrize(
    ("dtype", "size_bytes"),
    [
        (TensorProto.FLOAT, 12),
        (TensorProto.INT8, 3),
        (TensorProto.INT64, 24),
        (TensorProto.BOOL, 3),
        (TensorProto.INT4, 2),
    ],
)
def test_bytes_follow_from_shape_and_type(dtype: int, size_bytes: int):
    assert Tensor((1, 3), dtype).size_bytes == size_bytes
