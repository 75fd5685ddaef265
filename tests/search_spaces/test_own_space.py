"""The example of a stranger's space does all that a built-in one does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from search_spaces import (
    CostTable,
    ImageTask,
    Network,
    SegmentExporter,
    Space,
    export_network,
    load_space,
    seeded_module,
)
from tests.search_spaces.conftest import Run

FILE = Path(__file__).parents[2] / "examples" / "own_space.py"


@pytest.fixture(scope="module")
def space() -> Space:
    return load_space(f"{FILE}:mixers", ImageTask(channels=1, classes=7, resolution_px=28))


def test_it_fits_on_a_screen_or_two():
    assert len(FILE.read_text().splitlines()) < 100


def test_it_is_counted_and_sampled(space: Space):
    rng = np.random.default_rng(0)

    assert space.count() == 3 * (6**2 + 6**3 + 6**4)
    assert len({space.sample(rng).id for _ in range(50)}) > 40


@pytest.mark.parametrize("seed", range(3))
def test_its_onnx_computes_what_pytorch_computes(space: Space, seed: int, run_onnx: Run):
    segments = space.segments(space.sample(np.random.default_rng(seed)))
    network = Network(segments).eval()
    for segment, module in zip(segments, network.blocks, strict=True):
        module.load_state_dict(seeded_module(segment.block).state_dict())
    image = torch.randn(1, 1, 28, 28)

    found = run_onnx(export_network(segments), {"image": image})["logits"]

    with torch.no_grad():
        expected = network({"image": image})["logits"]
    assert found.shape == (1, 7)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_its_block_has_a_known_cost(space: Space):
    only = {"width": [32], "mix1.kernel": [5], "mix1.ratio": [2]}
    segments = space.segments(space.restricted(only).smallest())
    cost = CostTable(SegmentExporter())(segments[1].block, space.phases[0])

    depthwise, expand, project = 32 * 25, 32 * 64, 64 * 32
    norm = 2 * 32  # it stands before a convolution behind a sum, so it stays
    statistics = 2 * 32
    assert cost.unknown_ops == ()
    assert cost.macs == 14 * 14 * (depthwise + expand + project) == 959616
    assert cost.params == depthwise + 32 + expand + 64 + project + 32 + norm + statistics


def test_a_smaller_kernel_borrows_the_centre_of_a_larger_one(space: Space):
    block = space.segments(space.smallest())[1].block
    large = torch.arange(25.0).reshape(1, 1, 5, 5)

    share = block.slice_weight("0.branch.weight", large, torch.Size((1, 1, 3, 3)))

    assert share.tolist() == [[[[6, 7, 8], [11, 12, 13], [16, 17, 18]]]]
    assert "0.branch.weight" in dict(block.build().named_parameters())
