from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import nn

from search_spaces import Block, Network, Segment, TensorSpec


@dataclass(frozen=True, kw_only=True)
class Sum(Block):
    """Adds what it reads to a carried sum, and tells the sum on a wire of its own."""

    family: ClassVar[str] = "sum"
    writes: ClassVar[tuple[str, ...]] = ("x", "total")
    carries: ClassVar[tuple[str, ...]] = ("sum", "past")

    def build(self) -> nn.Module:
        return _Sum()

    def specs(self) -> Mapping[str, TensorSpec]:
        return {
            "x": TensorSpec((1, 2)),
            "sum": TensorSpec((1, 2)),
            "past": TensorSpec((1, "seen", 2)),
        }


class _Sum(nn.Module):
    def forward(
        self, x: torch.Tensor, total: torch.Tensor, past: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        total = total + x
        return x * 2, total, total, torch.cat([past, x[:, None]], dim=1)


def test_blocks_run_in_order_around_their_wires():
    network = Network([Segment("first", Sum()), Segment("second", Sum())])
    values = network({"x": torch.tensor([[1.0, 2.0]])})

    assert values["x"].tolist() == [[4, 8]]
    assert values["total"].tolist() == [[2, 4]]  # of the second block: it wrote the wire last


def test_carried_values_are_the_places_own_and_start_as_zeros():
    network = Network([Segment("first", Sum()), Segment("second", Sum())])
    values = network({"x": torch.tensor([[1.0, 2.0]])})

    assert values["first.sum"].tolist() == [[1, 2]]
    assert values["second.sum"].tolist() == [[2, 4]]
    assert values["first.past"].shape == (1, 1, 2)


def test_a_second_run_goes_on_from_the_carried_values_of_the_first():
    network = Network([Segment("only", Sum())])
    values = network({"x": torch.ones(3, 2)})
    values = network({**values, "x": torch.ones(3, 2)})

    assert values["only.sum"].tolist() == [[2, 2]] * 3
    assert values["only.past"].shape == (3, 2, 2)


def test_the_values_that_are_given_stay_as_they_are():
    given = {"x": torch.ones(1, 2)}
    Network([Segment("only", Sum())])(given)

    assert given.keys() == {"x"}
    assert given["x"].tolist() == [[1, 1]]


def test_a_missing_wire_is_an_error():
    with pytest.raises(KeyError, match="x"):
        Network([Segment("only", Sum())])({"image": torch.ones(1, 2)})
