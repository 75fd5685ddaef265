from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from search_spaces import Block, Phase, Segment, TensorSpec, segment_key


@dataclass(frozen=True, kw_only=True)
class Turn(Block):
    family: ClassVar[str] = "turn"

    width: int
    left: bool
    kind: str = "slow"

    def build(self) -> nn.Module:
        return nn.Identity()

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, "new", self.width))}


def test_the_key_names_family_fields_phase_and_precision():
    block = Turn(width=8, left=True)
    phase = Phase("decode", {"seen": 255, "new": 1}, {"t0": 255})

    assert segment_key(block, phase, "int8") == (
        "turn(kind=slow,left=1,width=8)@decode(new=1,seen=255)/int8"
    )


def test_the_key_does_not_depend_on_the_place():
    block, phase = Turn(width=8, left=False), Phase("infer")

    one, other = Segment("first", block), Segment("second", block)

    assert one.key(phase) == other.key(phase) == "turn(kind=slow,left=0,width=8)@infer/fp32"


def test_a_phase_gives_symbolic_sizes_their_numbers():
    spec = TensorSpec((1, "new", 8))

    assert spec.sizes(Phase("prefill", {"new": 64})) == (1, 64, 8)
    with pytest.raises(KeyError):
        spec.sizes(Phase("infer"))


def test_a_smaller_block_borrows_the_leading_part_of_every_dimension():
    large = torch.arange(12.0).reshape(3, 4)

    share = Turn(width=2, left=True).slice_weight("weight", large, torch.Size((2, 3)))

    assert share.tolist() == [[0, 1, 2], [4, 5, 6]]
