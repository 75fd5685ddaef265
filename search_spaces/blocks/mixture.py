"""Feed-forwards of which only a selected part works for each token.

`Mixture` selects among experts (arXiv 2101.03961), `NeuronGroups` among groups of the neurons of
one feed-forward, a fine-grained mixture of experts carved from it, as in MoEfication
(arXiv 2110.01786). Both run on one operator of ONNX Runtime, `com.microsoft.MoE`, which never
touches the weights of what is not selected; a mask would read them all and save nothing.

Shapes: B batch, N tokens, T = B * N, D width, E experts or groups, K selected ones, F hidden
neurons of each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from search_spaces.block import TensorSpec
from search_spaces.blocks.feed_forward import gated
from search_spaces.blocks.normalization import RESIDUAL_SCALE, RootMeanSquareNorm, random_weight
from search_spaces.blocks.vectors import VectorBlock, leading_of_each

_MOST_GROUPS = 16  # that neurons are carved into in the built-in spaces


@dataclass(frozen=True, kw_only=True)
class Mixture(VectorBlock):
    """Norm, the best of several gated feed-forwards, residual."""

    family: ClassVar[str] = "mixture"
    operator_domains: ClassVar[tuple[str, ...]] = ("com.microsoft",)

    width: int
    hidden: int
    """Neurons of each expert."""
    experts: int
    used: int

    def build(self) -> nn.Module:
        """X (B, N, D) to x."""
        shape = (self.experts, self.hidden)
        return _Selective(self.width, shape, experts=self.experts, used=self.used)

    def specs(self) -> Mapping[str, TensorSpec]:
        """Tokens."""
        return {"x": TensorSpec((1, "new", self.width))}


@dataclass(frozen=True, kw_only=True)
class NeuronGroups(VectorBlock):
    """Norm, the best groups of neurons of one gated feed-forward, residual."""

    family: ClassVar[str] = "neuron_groups"
    operator_domains: ClassVar[tuple[str, ...]] = ("com.microsoft",)

    width: int
    hidden: int
    """Neurons of all groups together."""
    groups: int
    used: int

    def build(self) -> nn.Module:
        """X (B, N, D) to x."""
        # The mean of the groups times their number is their sum, as in the dense layer.
        return _Selective(
            self.width, (self.hidden,), experts=self.groups, used=self.used, scale=self.used
        )

    def specs(self) -> Mapping[str, TensorSpec]:
        """Tokens."""
        return {"x": TensorSpec((1, "new", self.width))}

    def slice_weight(self, name: str, large: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """The leading neurons of each group; a group has the neurons of two of twice as many."""
        if name == "router":
            large = large[:: max(large.shape[0] // self.groups, 1)]  # the first group's of each two
        elif large.ndim > 1:
            large = leading_of_each(large, 0, shape[0], _MOST_GROUPS)
        return super().slice_weight(name, large, shape)


def set_router_noise(module: nn.Module, scale: float) -> None:
    """Makes every selection inside `module` more or less random while training.

    Args:
        module: a network or a block.
        scale: of Gumbel noise on the scores; around 1 early in training, 0 at its end, so that
            every expert learns before the router settles.
    """
    for part in module.modules():
        if isinstance(part, _Selective):
            part.noise = scale


class _Selective(nn.Module):
    """Scores by a linear router, the K highest selected, weighted by the softmax over these K.

    Neurons are stored as (E, F, D), or (E * F, D) where groups are carved from one layer: either
    way a smaller block's weights are the leading part of a larger one's.
    """

    def __init__(
        self, width: int, shape: tuple[int, ...], *, experts: int, used: int, scale: int = 1
    ) -> None:
        super().__init__()
        hidden = shape[-1] if len(shape) > 1 else shape[0] * used // experts
        self.used, self.scale, self.noise = used, scale, 0.0
        self.norm = RootMeanSquareNorm(width)
        self.router = random_weight(experts, width, fan_in=width)
        self.gate = random_weight(*shape, width, fan_in=width)
        self.up = random_weight(*shape, width, fan_in=width)
        self.down = random_weight(*shape, width, fan_in=hidden, scale=RESIDUAL_SCALE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        experts, width = self.router.shape
        gate, up, down = (w.reshape(experts, -1, width) for w in (self.gate, self.up, self.down))
        y = self.norm(x)
        scores = nn.functional.linear(y, self.router).reshape(-1, experts)  # (T, E)
        if torch.onnx.is_in_onnx_export():
            pairs = torch.stack([gate, up], dim=2).reshape(experts, -1, width)  # rows alternate
            down = (down * self.scale).transpose(1, 2)
            operands = (y, scores, pairs, down, self.used)
            selected: torch.Tensor = _MoeOperator.apply(*operands)  # type: ignore[no-untyped-call]
            return x + selected
        chosen, share = self._select(scores)
        tokens = y.reshape(-1, width)
        mixed = torch.zeros_like(tokens)
        # Taken apart by `unbind`: indexing each would fill a gradient of all experts for each one.
        parts = zip(gate.unbind(), up.unbind(), down.unbind(), strict=True)
        for expert, (gate_part, up_part, down_part) in enumerate(parts):
            rows, rank = (chosen == expert).nonzero(as_tuple=True)
            answer = gated(tokens[rows], gate_part, up_part) @ down_part
            weighted = share[rows, rank, None] * answer * self.scale
            mixed = mixed.index_add(0, rows, weighted.to(mixed.dtype))
        return x + mixed.reshape(x.shape)

    def _select(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Numbers and shares of the selected experts, both (T, K)."""
        noisy = scores
        if self.training and self.noise > 0:
            noisy = scores - self.noise * torch.empty_like(scores).exponential_().log()
        chosen = noisy.topk(self.used, dim=-1).indices
        share = scores.gather(1, chosen).softmax(-1)
        if self.training and self.used == 1:
            # The softmax over a single expert is 1 whatever the router says; so that it learns all
            # the same, its probability among all is put in with the value 1.
            among_all = scores.softmax(-1).gather(1, chosen)
            share = share * among_all / among_all.detach()
        return chosen, share


class _MoeOperator(torch.autograd.Function):
    """Stands for `com.microsoft.MoE` in an exported graph; never computed in PyTorch."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        scores: torch.Tensor,
        pairs: torch.Tensor,
        down: torch.Tensor,
        used: int,
    ) -> torch.Tensor:
        return torch.empty_like(x)

    @staticmethod
    def symbolic(graph: Any, x: Any, scores: Any, pairs: Any, down: Any, used: int) -> Any:
        absent = graph.op("prim::Constant")
        absent.setType(torch._C.OptionalType.ofTensor())
        return graph.op(
            "com.microsoft::MoE",
            *(x, scores, pairs, absent, down),  # the absent one is the bias of the first layer
            k_i=used,
            normalize_routing_weights_i=1,
            activation_type_s="swiglu",
            activation_alpha_f=1.0,  # g * sigmoid(alpha * g) * (u + beta)
            activation_beta_f=0.0,
            swiglu_fusion_i=1,  # rows of gate and up alternate, the only layout of the CPU kernel
        ).setType(x.type())
