"""The space `hybrid`: convolutions and token mixers follow each other in any order."""

import numpy as np
import onnxruntime
import pytest
import torch

from search_spaces import (
    ImageTask,
    Network,
    SegmentExporter,
    Space,
    SpaceError,
    TextTask,
    export_network,
    hybrid,
    seeded_module,
)
from search_spaces.blocks.over_map import MapAttention, MapFeedForward, MapMcsd, MapMixture

TOKEN_BLOCKS = (MapAttention, MapFeedForward, MapMcsd, MapMixture)


@pytest.fixture(scope="module")
def space() -> Space:
    return hybrid(ImageTask(channels=1, classes=10, resolution_px=56))


@pytest.fixture(scope="module")
def exporter() -> SegmentExporter:
    return SegmentExporter()


@pytest.mark.parametrize(
    "kinds",
    [
        ("mcsd", "inverted_residual", "attention"),
        ("attention", "mcsd", "inverted_residual"),
        ("inverted_residual", "mcsd", "mcsd"),
    ],
)
@pytest.mark.parametrize("feed_forward", ["dense", "mixture"])
def test_in_onnx_any_order_of_blocks_gives_what_pytorch_gives(space, exporter, kinds, feed_forward):
    values = {c.name: c.values[0] for c in space.choices} | {"stage4.depth": 4, "stage5.depth": 4}
    for stage in (4, 5):
        for number, kind in zip((2, 3, 4), kinds, strict=True):
            values[f"stage{stage}.block{number}.kind"] = kind
            values[f"stage{stage}.block{number}.feed_forward"] = feed_forward
    segments = space.segments(space.architecture(values))
    assert [s.place for s in segments if s.place.startswith("stage4.block2")] == (
        ["stage4.block2"]
        if kinds[0] == "inverted_residual"
        else ["stage4.block2", "stage4.block2.feed_forward"]
    )
    network = Network(segments).eval()
    for segment, module in zip(segments, network.blocks, strict=True):
        module.load_state_dict(seeded_module(segment.block).state_dict())
    session = onnxruntime.InferenceSession(export_network(segments, exporter).SerializeToString())
    side = int(values["resolution"])
    image = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = network({"image": image})["logits"].numpy()
    answer = session.run(["logits"], {"image": image.numpy()})[0]
    assert np.abs(answer - expected).max() < 1e-5 * np.abs(expected).max() + 1e-6


def test_tokens_are_few_and_heads_and_channels_divide_every_width():
    space = hybrid(ImageTask(resolution_px=224))
    blocks = {b for place in space.places for _, b in space.blocks_at(place)}
    tokens = [block for block in blocks if isinstance(block, TOKEN_BLOCKS)]
    assert {type(block) for block in tokens} == set(TOKEN_BLOCKS)
    assert max(block.side for block in tokens) == 14
    for block in tokens:
        parts = getattr(block, "heads", None) or getattr(block, "channels", 1)
        assert block.width % parts == 0


def test_a_full_space_has_few_enough_segments_to_be_profiled():
    space = hybrid(ImageTask(resolution_px=224))
    blocks = {b for place in space.places for _, b in space.blocks_at(place) if b is not None}
    assert len(blocks) == 470  # of 6e17 architectures
    assert space.count() > 10**17


def test_a_batch_trains_every_weight(space):
    segments = space.segments(space.largest())
    network = Network(segments).train()
    images = torch.randn(4, 1, 56, 56)
    network({"image": images})["logits"].square().sum().backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_text_is_refused_in_one_line():
    with pytest.raises(SpaceError, match="'hybrid' is for images; for text use"):
        hybrid(TextTask())
