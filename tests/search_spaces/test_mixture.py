"""Mixtures and neuron groups: what is computed, what is skipped, and that skipping saves time."""

import statistics
import time

import numpy as np
import onnxruntime
import pytest
import torch

from search_spaces import Block, export_segment, seeded_module, set_router_noise
from search_spaces.blocks.feed_forward import FeedForward
from search_spaces.blocks.mixture import Mixture, NeuronGroups

D = 32

BLOCKS = [
    Mixture(width=D, hidden=48, experts=experts, used=used) for experts in (4, 8) for used in (1, 2)
] + [
    NeuronGroups(width=D, hidden=64, groups=groups, used=used)
    for groups in (8, 16)
    for used in (1, 2, 4)
]
every_block = pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)


def masked_dense(block: Block, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Every expert computed for every token, those that are not selected multiplied by 0."""
    weights = dict(module.named_parameters())
    experts, used = len(weights["router"]), block.used
    y = x / torch.sqrt((x**2).mean(-1, keepdim=True) + 1e-6)
    scores = y @ weights["router"].T
    lowest = scores.sort(dim=-1, descending=True).values[..., used - 1, None]
    shares = torch.softmax(scores.masked_fill(scores < lowest, -torch.inf), dim=-1)
    gate, up, down = (weights[n].reshape(experts, -1, D) for n in ("gate", "up", "down"))
    hidden = torch.nn.functional.silu(torch.einsum("bnd,efd->bnef", y, gate))
    hidden = hidden * torch.einsum("bnd,efd->bnef", y, up) * shares[..., None]
    scale = used if isinstance(block, NeuronGroups) else 1
    return x + scale * torch.einsum("bnef,efd->bnd", hidden, down)


def tokens(n: int, batch: int = 1) -> torch.Tensor:
    return torch.randn(batch, n, D, generator=torch.Generator().manual_seed(2))


@every_block
@pytest.mark.parametrize("training", [False, True])
def test_the_selected_give_what_a_masked_dense_layer_gives(block, training):
    module, x = seeded_module(block).double().train(training), tokens(11, batch=3).double()
    assert (module(x) - masked_dense(block, module, x)).abs().max() < 1e-12


@every_block
def test_in_onnx_runtime_one_token_and_many_give_what_pytorch_gives(block):
    module = seeded_module(block)
    session = onnxruntime.InferenceSession(export_segment(block, module).SerializeToString())
    for n in (1, 2, 33):
        x = tokens(n)
        y = session.run(None, {"x": x.numpy()})[0]
        assert np.abs(y - module(x).detach().numpy()).max() < 1e-5


@every_block
def test_exactly_as_many_as_asked_for_work_for_each_token(block):
    module, x = seeded_module(block), tokens(20)
    experts = len(module.router)
    with torch.no_grad():
        before, works = module(x), torch.zeros(20, dtype=torch.int64)
        for expert in range(experts):
            part = module.down.view(experts, -1, D)[expert]
            kept = part.clone()
            part.zero_()
            works += (module(x) != before).any(dim=-1)[0]
            part.copy_(kept)
    assert works.tolist() == [block.used] * 20


def test_all_neuron_groups_with_equal_scores_are_the_dense_layer():
    dense = seeded_module(FeedForward(width=D, hidden=64))
    groups = NeuronGroups(width=D, hidden=64, groups=8, used=8).build()
    groups.load_state_dict({**dense.state_dict(), "router": torch.zeros(8, D)})
    assert torch.allclose(groups(tokens(9)), dense(tokens(9)), atol=1e-6)


@pytest.mark.parametrize("used", [1, 2])
def test_the_router_learns_also_where_a_single_expert_works(used):
    module = seeded_module(Mixture(width=D, hidden=48, experts=4, used=used)).train()
    module(tokens(16)).square().sum().backward()
    assert module.router.grad.abs().max() > 1e-3


def test_router_noise_changes_selection_in_training_only():
    module, x = seeded_module(BLOCKS[0]), tokens(50)
    plain = module(x)
    set_router_noise(module, 5.0)
    assert torch.equal(module.eval()(x), plain)
    torch.manual_seed(0)
    assert not torch.equal(module.train()(x), plain)


def test_training_leaves_no_group_unused():
    torch.manual_seed(0)
    module = NeuronGroups(width=D, hidden=64, groups=8, used=2).build().train()
    optimiser = torch.optim.Adam(module.parameters(), lr=3e-3)
    target = torch.randn(D, D) / D**0.5
    for step in range(150):
        set_router_noise(module, 1 - step / 150)
        x = torch.randn(1, 128, D)
        loss = (module(x) - torch.tanh(x @ target)).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x = torch.randn(2000, D)
    chosen = (module.norm(x) @ module.router.T).topk(2, dim=-1).indices
    share = torch.bincount(chosen.flatten(), minlength=8) / chosen.numel()
    assert share.min() > 0.25 / 8


def test_one_of_eight_experts_takes_less_than_half_the_time_of_all_eight():
    """The one timed test: 6 MiB of weights are read against 48 MiB.

    The two take turns, so that a busy machine slows both.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    sessions = [
        onnxruntime.InferenceSession(
            export_segment(
                Mixture(width=512, hidden=1024, experts=8, used=used)
            ).SerializeToString(),
            options,
        )
        for used in (1, 8)
    ]
    x = {"x": torch.randn(1, 1, 512).numpy()}
    times_ns: tuple[list[int], list[int]] = ([], [])
    for _ in range(30):
        for session, times in zip(sessions, times_ns, strict=True):
            start = time.perf_counter_ns()
            session.run(None, x)
            times.append(time.perf_counter_ns() - start)
    one, all_eight = map(statistics.median, times_ns)
    assert one < all_eight / 2
