"""Hand-made members of a space: what people pick who do not search.

Each comes at every size that the space offers, so that there is one near every latency.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nas.errors import BadInput
from search_spaces import Architecture, InvalidArchitecture, Space, Value, load_space

# A stage's blocks, first to last: kernel, expansion, squeeze and excite.
_Block = tuple[int, int, bool]
_Stages = tuple[tuple[_Block, ...], ...]

_PLAIN: _Block = (3, 6, False)
# Our choice: two blocks a stage, as MobileNetV2 is a uniform network of three on average.
_UNIFORM: _Stages = ((_PLAIN,) * 2,) * 5
# MobileNetV2, arXiv 1801.04381, table 2: the bottlenecks of 24, 32, 64, 96 and 160 channels, which
# are repeated 2, 3, 4, 3 and 3 times. Left out: those of 16 and 320 channels, once each, for which
# the space has no stage.
_V2_LIKE: _Stages = tuple((_PLAIN,) * repeats for repeats in (2, 3, 4, 3, 3))
# MobileNetV3-Large, arXiv 1905.02244, table 1: the bottlenecks of 24, 40, 80, 112 and 160 channels.
# Expansions are "exp size" over channels that come in, the nearest on offer: 72/24, 120/40 are 3,
# 64/16 is 4, 240/40, 480/80, 672/112 and 960/160 are 6; 200/80 and 184/80 become 3. Left out: the
# first bottleneck, of 16 channels, and h-swish, as all networks of the space have ReLU.
_V3_LIKE: _Stages = (
    ((3, 4, False), (3, 3, False)),
    ((5, 3, True), (5, 3, True), (5, 3, True)),
    ((3, 6, False), (3, 3, False), (3, 3, False), (3, 3, False)),
    ((3, 6, True), (3, 6, True)),
    ((5, 6, True), (5, 6, True), (5, 6, True)),
)
_CNNS: Mapping[str, _Stages] = MappingProxyType(
    {"uniform 3x3 e6": _UNIFORM, "MobileNetV2-like": _V2_LIKE, "MobileNetV3-like": _V3_LIKE}
)

_DENSE_RATIO = 4  # as in the Transformer, arXiv 1706.03762, table 3: 2048 of 512
_MCSD_CHANNELS = 8  # our choice: the more of the two, the mixer at its best


@dataclass(frozen=True, kw_only=True)
class Member:
    """A network that a person would have picked."""

    family: str
    """What they picked, for example `MobileNetV2-like`."""
    size: str
    """At which size, for example `28 px x0.5`."""
    architecture: Architecture

    @property
    def name(self) -> str:
        """Of no other member."""
        return f"{self.family}, {self.size}"


@dataclass(frozen=True, kw_only=True)
class HandMade:
    """The members that a part of a space holds, and the names of those that it cannot hold."""

    members: tuple[Member, ...]
    left_out: tuple[str, ...]


def hand_made(reference: str, space: Space) -> HandMade:
    """The hand-made members of a space, smallest size first within a family.

    Args:
        reference: as `load_space` takes it: `mobile`, `language`.
        space: what it refers to, maybe restricted.

    Raises:
        BadInput: there are none, or this part of the space holds none of them.
    """
    if reference not in _MAKERS:
        raise BadInput(
            f"there are no hand-made networks of space {reference!r} to compare with, only of: "
            f"{', '.join(_MAKERS)}"
        )
    members = tuple(_MAKERS[reference](load_space(reference, space.task)))
    held = tuple(member for member in members if _holds(space, member.architecture))
    if not held:
        raise BadInput(
            f"the searched part of {reference!r} holds none of its {len(members)} hand-made "
            f"networks, such as {members[0].name}; search more of it: fewer --only"
        )
    left_out = tuple(member.name for member in members if member not in held)
    return HandMade(members=held, left_out=left_out)


def _holds(space: Space, architecture: Architecture) -> bool:
    try:
        return space.architecture(architecture.choices) == architecture
    except InvalidArchitecture:
        return False


def _mobile(space: Space) -> Iterator[Member]:
    for family, stages in _CNNS.items():
        for resolution in space.choice("resolution").values:
            for width in space.choice("width").values:
                ends = {"resolution": resolution, "width": width}
                yield Member(
                    family=family,
                    size=f"{resolution} px x{width}",
                    architecture=space.architecture(ends | _stage_values(stages)),
                )


def _stage_values(stages: _Stages) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for number, blocks in enumerate(stages, start=1):
        stage = f"stage{number}"
        values[f"{stage}.depth"] = len(blocks)
        for place, (kernel, expansion, squeeze_excite) in enumerate(blocks, start=1):
            block = f"{stage}.block{place}"
            values[f"{block}.kernel"] = kernel
            values[f"{block}.expansion"] = expansion
            values[f"{block}.squeeze_excite"] = squeeze_excite
    return values


def _language(space: Space) -> Iterator[Member]:
    most = max(int(layers) for layers in space.choice("layers").values)
    for mixer, family in (("attention", "attention decoder"), ("mcsd", "dense MCSD decoder")):
        for layers in space.choice("layers").values:
            for width in space.choice("width").values:
                values: dict[str, Value] = {"layers": layers, "width": width}
                for layer in range(1, most + 1):
                    values |= _layer_values(f"layer{layer}", mixer)
                yield Member(
                    family=family,
                    size=f"{layers} x {width}",
                    architecture=space.architecture(values),
                )


def _layer_values(layer: str, mixer: str) -> dict[str, Value]:
    return {
        f"{layer}.mixer": mixer,
        f"{layer}.channels": _MCSD_CHANNELS,
        f"{layer}.feed_forward": "dense",
        f"{layer}.dense_ratio": _DENSE_RATIO,
    }


_MAKERS: Mapping[str, Callable[[Space], Iterator[Member]]] = MappingProxyType(
    {"mobile": _mobile, "language": _language}
)
