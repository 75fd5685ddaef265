"""Attention: whole text, parts of it and single tokens agree, in PyTorch and in ONNX."""

import numpy as np
import onnxruntime
import pytest
import torch

from search_spaces import export_segment
from search_spaces.blocks.attention import Attention, SetAttention

HEADS = 3
PART = 32
D = HEADS * PART


@pytest.fixture
def block() -> Attention:
    return Attention(width=D, heads=HEADS)


@pytest.fixture
def module(block: Attention) -> torch.nn.Module:
    torch.manual_seed(0)
    return block.build().eval()


def run(
    module: torch.nn.Module, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        return module(x, keys, values)


def text(n: int, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, n, D, generator=generator, dtype=torch.float64)


def empty(batch: int = 1) -> torch.Tensor:
    return torch.zeros(batch, HEADS, 0, PART, dtype=torch.float64)


@pytest.mark.parametrize("sizes", [[1] * 20, [7, 1, 1, 11], [19, 1]])
def test_a_text_in_parts_gives_what_the_whole_text_gives(module, sizes):
    module, x = module.double(), text(20, batch=2)
    whole, all_keys, _ = run(module, x, empty(2), empty(2))
    keys, values, outputs = empty(2), empty(2), []
    for part in x.split(sizes, dim=1):
        y, keys, values = run(module, part, keys, values)
        outputs.append(y)
    assert (torch.cat(outputs, dim=1) - whole).abs().max() < 1e-12
    assert (keys - all_keys).abs().max() < 1e-12


def test_a_token_changes_nothing_before_it(module):
    module, x = module.double(), text(20)
    edited = x.clone()
    edited[0, 12] += 1
    y, edited_y = (run(module, v, empty(), empty())[0] for v in (x, edited))
    assert (y - edited_y)[:, :12].abs().max() < 1e-12
    assert (y - edited_y)[:, 12:].abs().min(dim=2).values.max() > 0


def test_scores_fall_with_distance_by_the_slope_of_each_head(module):
    module = module.double()
    torch.nn.init.zeros_(module.heads.into)  # all contents alike: only distance is left
    module.heads.into.data[2] = torch.eye(D).reshape(HEADS, PART, -1)
    torch.nn.init.zeros_(module.heads.back)
    module.heads.back.data.copy_(torch.eye(D).reshape(HEADS, PART, -1))
    x = torch.zeros(1, 3, D, dtype=torch.float64)
    x[0, 0] = 1  # only the first token says something
    heard = (run(module, x, empty(), empty())[0] - x)[0, :, ::PART]  # (N, H)
    slopes = torch.tensor([2.0**-8, 2.0**-4, 2.0**-2])
    expected = torch.exp(-2 * slopes) / (1 + torch.exp(-slopes) + torch.exp(-2 * slopes))
    assert heard[2].tolist() == pytest.approx(expected.tolist(), abs=1e-5)


def test_fewer_heads_have_the_leading_slopes_of_more():
    slopes = {h: Attention(width=32 * h, heads=h).build().slopes for h in (3, 4, 6, 8)}
    for heads, own in slopes.items():
        assert torch.equal(own, slopes[8][:heads])
    assert sorted(slopes[8].tolist(), reverse=True) == [2.0**-i for i in range(1, 9)]


@pytest.mark.parametrize("heads", range(3, 9))
def test_some_head_reaches_near_and_some_head_far(heads):
    slopes = Attention(width=32 * heads, heads=heads).build().slopes
    assert slopes.max() >= 2.0**-2
    assert slopes.min() == 2.0**-8


def test_in_onnx_one_graph_takes_an_empty_and_a_full_cache(block, module):
    session = onnxruntime.InferenceSession(export_segment(block, module).SerializeToString())
    x = text(20).float()
    whole, _, _ = run(module, x, empty().float(), empty().float())
    keys = values = empty().float().numpy()
    seen = 0
    for part in x.split([1, 15, 1, 3], dim=1):
        wires = {"x": part.numpy(), "keys": keys, "values": values}
        y, keys, values = session.run(None, wires)
        assert np.abs(y - whole[:, seen : seen + part.shape[1]].numpy()).max() < 1e-5
        seen += part.shape[1]
    assert keys.shape == values.shape == (1, HEADS, 20, PART)


def test_without_positions_the_order_of_tokens_means_nothing():
    torch.manual_seed(0)
    module = SetAttention(width=D, heads=4).build()
    x, order = torch.randn(2, 9, D), torch.randperm(9)
    assert torch.allclose(module(x)[:, order], module(x[:, order]), atol=1e-6)
