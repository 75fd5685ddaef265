from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from search_spaces import (
    Block,
    ExportError,
    ImageTask,
    InvertedResidual,
    Network,
    Segment,
    SegmentExporter,
    TensorSpec,
    export_network,
    export_segment,
    graph_inputs,
    mobile,
    place_of,
    seeded_module,
)
from tests.search_spaces.conftest import Run

SPACE = mobile(ImageTask(resolution_px=28))
INVERTED = InvertedResidual(
    in_channels=8, out_channels=8, side=6, stride=1, kernel=3, expansion=3, squeeze_excite=True
)


@dataclass(frozen=True, kw_only=True)
class Toy(Block):
    """A block whose module is named by a field; reads and writes a vector of 3."""

    family: ClassVar[str] = "toy"

    kind: str = "same"
    width: int = 3

    def build(self) -> nn.Module:
        return _TOYS[self.kind]()

    def specs(self) -> Mapping[str, TensorSpec]:
        return {name: TensorSpec((1, self.width)) for name in (*self.reads, *self.carries)}


@dataclass(frozen=True, kw_only=True)
class Fork(Toy):
    """Reads `hint` but ignores it; writes its input on two wires; carries a sum."""

    reads: ClassVar[tuple[str, ...]] = ("x", "hint")
    writes: ClassVar[tuple[str, ...]] = ("x", "copy")
    carries: ClassVar[tuple[str, ...]] = ("sum",)
    kind: str = "fork"


@dataclass(frozen=True, kw_only=True)
class Join(Toy):
    reads: ClassVar[tuple[str, ...]] = ("x", "copy")
    writes: ClassVar[tuple[str, ...]] = ("logits",)
    kind: str = "join"


class _Fork(nn.Module):
    def forward(
        self, x: torch.Tensor, hint: torch.Tensor, total: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        return x, x, x + total


class _Join(nn.Module):
    """Its weights have the names of wires."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.logits = nn.Parameter(torch.tensor([0.5, 0.25, 0.125]))

    def forward(self, x: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        return x * self.x + copy * self.logits


def _fold(x: torch.Tensor) -> torch.Tensor:
    if bool(x.sum() > 0):
        y = x * 2
    else:
        y = x - 1
    return y


class _Branch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fold = torch.jit.script(_fold)  # tracing alone would keep one branch

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fold(x)


class _Broken(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise IndexError("no such thing\nand more")


class _Counting(nn.Module):
    """Notes how many threads each run may use."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.threads.append(torch.get_num_threads())
        return 2 * x


_TOYS = {
    "same": nn.Identity,
    "fork": _Fork,
    "join": _Join,
    "branch": _Branch,
    "broken": _Broken,
}


def pytorch_outputs(
    segments: tuple[Segment, ...], feeds: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    network = Network(segments).eval()
    for segment, module in zip(segments, network.blocks, strict=True):
        module.load_state_dict(seeded_module(segment.block).state_dict())
    with torch.no_grad():
        outputs: dict[str, torch.Tensor] = network(feeds)
    return outputs


@pytest.mark.parametrize("seed", range(5))
def test_a_stitched_network_computes_what_pytorch_computes(seed: int, run_onnx: Run):
    segments = SPACE.segments(SPACE.sample(np.random.default_rng(seed)))
    image = torch.randn(segments[0].block.specs()["image"].shape)

    found = run_onnx(export_network(segments), {"image": image})

    expected = pytorch_outputs(segments, {"image": image})["logits"]
    assert found.keys() == {"logits"}
    np.testing.assert_allclose(found["logits"], expected, rtol=1e-4, atol=1e-5)


def test_every_node_and_weight_is_named_after_its_place():
    segments = SPACE.segments(SPACE.sample(np.random.default_rng(0)))
    graph = export_network(segments).graph
    places = [segment.place for segment in segments]

    assert list(dict.fromkeys(place_of(node.name) for node in graph.node)) == places
    assert {place_of(weight.name) for weight in graph.initializer} == set(places)
    assert len({node.name for node in graph.node}) == len(graph.node)
    assert [value.name for value in graph.input] == ["image"]


def test_a_node_outside_all_places_has_none():
    assert place_of("Conv_3") is None


def test_weights_that_are_given_are_used(run_onnx: Run):
    segments = (Segment("a", INVERTED), Segment("b", INVERTED))
    trained = INVERTED.build().eval()
    x = torch.randn(1, 8, 6, 6)

    found = run_onnx(export_network(segments, modules={"b": trained}), {"x": x})

    with torch.no_grad():
        expected = trained(seeded_module(INVERTED)(x))
    np.testing.assert_allclose(found["x.next"], expected, rtol=1e-4, atol=1e-5)


def test_exporting_leaves_the_module_in_its_mode():
    module = INVERTED.build().train()
    export_segment(INVERTED, module)

    assert all(part.training for part in module.modules())


def test_tracing_takes_one_thread_and_gives_the_others_back():
    module = _Counting()
    before = torch.get_num_threads()
    export_segment(Toy(), module)

    assert set(module.threads) == {1}
    assert torch.get_num_threads() == before


def test_an_exporter_exports_a_block_once():
    exporter = SegmentExporter()

    assert exporter(INVERTED) is exporter(INVERTED)


def test_seeded_weights_are_the_same_on_every_call_and_leave_randomness_alone():
    torch.manual_seed(0)
    one = seeded_module(INVERTED).state_dict()
    after = torch.rand(1)
    torch.manual_seed(0)
    other = seeded_module(INVERTED).state_dict()

    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(after, torch.rand(1, generator=torch.Generator().manual_seed(0)))


def test_wires_and_carried_values_connect_blocks(run_onnx: Run):
    segments = (Segment("one", Fork()), Segment("two", Fork()), Segment("end", Join()))
    feeds = {name: torch.randn(spec.shape) for name, spec in graph_inputs(segments).items()}

    found = run_onnx(export_network(segments), feeds)

    expected = pytorch_outputs(segments, feeds)
    assert list(feeds) == ["x", "hint", "one.sum", "two.sum"]
    assert list(found) == ["logits", "one.sum.next", "two.sum.next"]
    np.testing.assert_allclose(found["logits"], expected["logits"], rtol=1e-6)
    np.testing.assert_allclose(found["two.sum.next"], expected["two.sum"], rtol=1e-6)


def test_an_input_that_a_block_ignores_is_still_an_input():
    model = export_segment(Fork())

    assert [value.name for value in model.graph.input] == ["x", "hint", "sum"]


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_branches_of_a_graph_keep_their_names_apart(sign: float, run_onnx: Run):
    segments = tuple(Segment(place, Toy(kind="branch")) for place in "abc")
    x = torch.full((1, 3), sign)

    model = export_network(segments)

    assert "If" in {node.op_type for node in model.graph.node}
    found = run_onnx(model, {"x": x})["x.next"]
    np.testing.assert_array_equal(found, pytorch_outputs(segments, {"x": x})["x"])


def test_blocks_that_do_not_fit_are_refused_with_their_shapes():
    segments = (Segment("small", Toy(width=3)), Segment("large", Toy(width=4)))

    with pytest.raises(ExportError, match=r"large reads 'x' as \[1, 4\], but it is \[1, 3\]"):
        export_network(segments)


def test_a_block_that_fails_is_named_in_one_line():
    with pytest.raises(ExportError) as caught:
        export_segment(Toy(kind="broken"))

    assert str(caught.value) == (
        "toy(kind=broken,width=3) cannot be exported to ONNX: IndexError: no such thing"
    )


def test_an_exported_segment_is_valid_onnx():
    onnx.checker.check_model(export_segment(INVERTED), full_check=True)
