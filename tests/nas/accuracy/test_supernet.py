from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from nas.accuracy.supernet import Supernet
from nas.errors import BadInput
from search_spaces import (
    Block,
    Choice,
    ImageTask,
    Place,
    Space,
    TensorSpec,
    TextTask,
    Value,
    hybrid,
    language,
    mobile,
)

NAMES = ("mobile", "hybrid", "language")


def small_mobile() -> Space:
    depths = {f"stage{stage}.depth": [1, 2] for stage in range(1, 6)}
    return mobile(ImageTask(1, 10, 20)).restricted({"width": [0.5, 0.75], **depths})


def small_hybrid() -> Space:
    depths = {f"stage{stage}.depth": [1, 2] for stage in range(1, 6)}
    return hybrid(ImageTask(3, 10, 20)).restricted({"width": [0.5], **depths})


def small_language() -> Space:
    return language(TextTask(context=16)).restricted({"layers": [2], "width": [96, 128]})


def wires_for(space: Space, batch: int = 3) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    if isinstance(space.task, TextTask):
        tokens = torch.randint(256, (batch, space.task.context), generator=generator)
        return {"tokens": tokens, "t0": torch.zeros((), dtype=torch.int64)}
    side = space.task.resolution_px
    return {"image": torch.randn(batch, space.task.channels, side, side, generator=generator)}


def test_blocks_beside_a_shortcut_add_nothing_before_the_training() -> None:
    space = small_mobile()
    supernet = Supernet(space, seed=1)
    largest = space.largest()
    shallow = {f"stage{stage}.depth": (1,) for stage in range(1, 6)}
    shallower = space.restricted(shallow).largest()
    wires = wires_for(space)
    with torch.no_grad():
        deep, flat = (supernet.logits(space.segments(a), wires) for a in (largest, shallower))
    assert largest.choices["stage3.depth"] == 2
    assert torch.equal(deep, flat)


@pytest.mark.parametrize("space", [small_mobile(), small_hybrid(), small_language()], ids=NAMES)
def test_every_architecture_gives_the_logits_of_its_own_network(space: Space) -> None:
    supernet = Supernet(space, seed=1)
    wires = wires_for(space)
    rng = np.random.default_rng(0)
    for architecture in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(4))):
        network = supernet.network(architecture)
        network.train()  # batch norms use the statistics of the batch, as in the supernet

        shared = supernet.logits(space.segments(architecture), wires)

        torch.testing.assert_close(shared, network(wires)["logits"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("space", [small_mobile(), small_hybrid(), small_language()], ids=NAMES)
def test_gradients_reach_the_weights_of_an_architecture_and_no_others(space: Space) -> None:
    supernet = Supernet(space, seed=1)
    architecture = space.sample(np.random.default_rng(3))
    segments = space.segments(architecture)

    supernet.logits(segments, wires_for(space)).square().mean().backward()

    used = {f"{s.place}/{s.block.sharing}" for s in segments if s.block.family != "clock"}
    moved = [name for name, weight in supernet.weights.items() if weight.grad is not None]
    touched = {name.rpartition("/")[0] for name in moved}
    assert touched == used


def test_the_bank_holds_each_weight_in_its_largest_shape() -> None:
    weights = Supernet(small_mobile()).weights

    filters = weights["stage2.block1/inverted_residual/filter.0.weight"]
    squeeze = weights["stage2.block1/inverted_residual/reweight.squeeze.weight"]

    assert filters.shape == (16 * 6, 1, 7, 7)  # 24 channels at width 0.75 are rounded to 16
    assert squeeze.shape == (16 * 6 // 4, 16 * 6, 1, 1)


def test_a_small_kernel_moves_only_the_centre_of_the_large_one() -> None:
    space = small_mobile().restricted({"stage1.block1.kernel": [3, 5, 7]})
    supernet = Supernet(space)

    supernet.logits(space.segments(space.smallest()), wires_for(space)).square().mean().backward()

    gradient = supernet.weights["stage1.block1/inverted_residual/filter.0.weight"].grad
    assert gradient is not None
    border = gradient.clone()
    border[..., 2:5, 2:5] = 0
    assert gradient.abs().sum() > 0 and border.abs().sum() == 0


def test_the_seed_decides_the_weights_and_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(5)
    first = Supernet(small_mobile(), seed=2).weights
    drawn = torch.rand(1)
    torch.manual_seed(5)
    second = Supernet(small_mobile(), seed=2).weights
    other = Supernet(small_mobile(), seed=3).weights

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head/image_head/3.weight"], other["head/image_head/3.weight"])
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))


def test_a_network_has_copies_that_do_not_move_the_bank() -> None:
    space = small_mobile()
    supernet = Supernet(space)
    before = supernet.weights["stem/stem/0.weight"].detach().clone()

    modules = supernet.modules(space.largest())
    modules["stem"].get_parameter("0.weight").data.fill_(9.0)

    assert list(modules) == [s.place for s in space.segments(space.largest())]
    assert torch.equal(supernet.weights["stem/stem/0.weight"], before)


@dataclass(frozen=True, kw_only=True)
class Grouped(Block):
    """A stranger's block: more groups make its weight longer in one dimension, shorter in one."""

    family: ClassVar[str] = "grouped"
    reads: ClassVar[tuple[str, ...]] = ("image",)
    writes: ClassVar[tuple[str, ...]] = ("logits",)

    groups: int
    flat: bool = False

    def build(self) -> nn.Module:
        return _Grouped(self.groups, self.flat)

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"image": TensorSpec((1, 1, 4, 4))}


class _Grouped(nn.Module):
    def __init__(self, groups: int, flat: bool) -> None:
        super().__init__()
        shape = (16,) if flat else (groups, 16 // groups)
        self.weight = nn.Parameter(torch.randn(shape) + 3)
        assert self.weight.mean() > -100  # looks at numbers, which a build without memory has not

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.flatten(1) * self.weight.flatten()


def strangers_space(blocks: tuple[Block, ...]) -> Space:
    def make(values: Mapping[str, Value]) -> Block:
        return blocks[int(values["which"])]

    return Space(
        name="own",
        task=ImageTask(1, 16, 4),
        choices=(Choice("which", tuple(range(len(blocks)))),),
        places=(Place("only", ("which",), make),),
    )


def test_a_weight_that_no_single_block_needs_whole_is_grown_to_hold_all() -> None:
    space = strangers_space((Grouped(groups=2), Grouped(groups=8)))

    supernet = Supernet(space)

    assert supernet.weights["only/grouped/weight"].shape == (8, 8)
    assert 2 < supernet.weights["only/grouped/weight"].mean().item() < 4
    for architecture in (space.smallest(), space.largest()):
        logits = supernet.logits(space.segments(architecture), {"image": torch.ones(2, 1, 4, 4)})
        assert logits.shape == (2, 16)


def test_one_name_for_weights_of_different_rank_is_refused() -> None:
    with pytest.raises(BadInput, match="only/weight of family 'grouped'"):
        Supernet(strangers_space((Grouped(groups=2), Grouped(groups=2, flat=True))))
