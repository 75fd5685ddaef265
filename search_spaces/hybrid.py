"""The space `hybrid`: convolutional stages, then stages whose blocks may mix pixels as tokens."""

from collections.abc import Mapping

from search_spaces.architecture import Value
from search_spaces.block import Block
from search_spaces.blocks.inverted_residual import InvertedResidual
from search_spaces.blocks.over_map import MapAttention, MapFeedForward, MapMcsd, MapMixture
from search_spaces.choice import Choice
from search_spaces.image_stages import (
    STAGES,
    WIDTHS,
    block_shape,
    head,
    image_task,
    resolutions,
    stem,
)
from search_spaces.precision import FP32, INT8
from search_spaces.space import Place, Space
from search_spaces.task import Task

DEPTHS = (1, 2, 3)
KERNELS = (3, 5)
EXPANSIONS = (3, 6)
TOKEN_STAGES = (4, 5)  # at most 14 * 14 and 7 * 7 pixels, whatever the resolution
TOKEN_STAGE_DEPTHS = (1, 2, 3, 4)
BLOCKS = ("inverted_residual", "mcsd", "attention")
CHANNELS = (4, 8)
FEED_FORWARDS = ("dense", "mixture")
# Hidden neurons in multiples of the width: of a dense layer, of each expert.
DENSE_RATIOS = (1, 2, 4)
EXPERT_RATIOS = (1, 2)
EXPERTS = (4, 8)
EXPERTS_USED = (1, 2)

# As in `mobile`, but for the token stages, where heads and channels must divide every width.
_STAGE_CHANNELS = (24, 40, 80, 128, 192)
_HEAD_WIDTH = 16


def hybrid(task: Task | None = None) -> Space:
    """Inverted residuals in three stages, then two in which blocks may be token mixers.

    The first block of a stage is always an inverted residual, as it halves or widens the map.

    Raises:
        SpaceError: the task is not one of images.
    """
    task = image_task(task, "hybrid")
    numbers = [(stage, number) for stage in STAGES for number in _depths(stage)]
    return Space(
        name="hybrid",
        task=task,
        choices=(
            Choice("resolution", resolutions(task)),
            Choice("width", WIDTHS),
            *(Choice(f"stage{stage}.depth", _depths(stage)) for stage in STAGES),
            *(choice for number in numbers for choice in _block_choices(*number)),
        ),
        places=(
            stem(task),
            *(place for number in numbers for place in _places(*number)),
            head(task, _STAGE_CHANNELS[-1]),
        ),
        precisions=(FP32, INT8),
    )


def _depths(stage: int) -> tuple[int, ...]:
    return TOKEN_STAGE_DEPTHS if stage in TOKEN_STAGES else DEPTHS


def _may_mix(stage: int, number: int) -> bool:
    return stage in TOKEN_STAGES and number > 1


def _block_choices(stage: int, number: int) -> list[Choice]:
    name, depth = f"stage{stage}.block{number}", f"stage{stage}.depth"
    needs = (depth, tuple(d for d in _depths(stage) if d >= number)) if number > 1 else (None, ())
    if not _may_mix(stage, number):
        return _convolution_choices(name, *needs)
    block, feed_forward = f"{name}.kind", f"{name}.feed_forward"
    return [
        Choice(block, BLOCKS, *needs),
        *_convolution_choices(name, block, ("inverted_residual",)),
        Choice(f"{name}.channels", CHANNELS, block, ("mcsd",)),
        Choice(feed_forward, FEED_FORWARDS, block, ("mcsd", "attention")),
        Choice(f"{name}.dense_ratio", DENSE_RATIOS, feed_forward, ("dense",)),
        Choice(f"{name}.expert_ratio", EXPERT_RATIOS, feed_forward, ("mixture",)),
        Choice(f"{name}.experts", EXPERTS, feed_forward, ("mixture",)),
        Choice(f"{name}.experts_used", EXPERTS_USED, feed_forward, ("mixture",)),
    ]


def _convolution_choices(name: str, parent: str | None, when: tuple[Value, ...]) -> list[Choice]:
    return [
        Choice(f"{name}.kernel", KERNELS, parent, when),
        Choice(f"{name}.expansion", EXPANSIONS, parent, when),
    ]


def _places(stage: int, number: int) -> tuple[Place, ...]:
    if not _may_mix(stage, number):
        return (_convolution(stage, number),)
    return _mixer(stage, number), _feed_forward(stage, number)


def _convolution(stage: int, number: int) -> Place:
    name = f"stage{stage}.block{number}"

    def make(values: Mapping[str, Value]) -> Block | None:
        if int(values[f"stage{stage}.depth"]) < number:
            return None
        return _inverted_residual(values, stage, number)

    own = (f"{name}.kernel", f"{name}.expansion")
    return Place(name, ("resolution", "width", f"stage{stage}.depth", *own), make)


def _inverted_residual(values: Mapping[str, Value], stage: int, number: int) -> Block:
    shape = block_shape(values, stage, number, _STAGE_CHANNELS)
    name = f"stage{stage}.block{number}"
    return InvertedResidual(
        in_channels=shape.in_channels,
        out_channels=shape.out_channels,
        side=shape.side,
        stride=shape.stride,
        kernel=int(values[f"{name}.kernel"]),
        expansion=int(values[f"{name}.expansion"]),
        squeeze_excite=False,
    )


def _mixer(stage: int, number: int) -> Place:
    """An inverted residual or the mixer of a token block; its feed-forward is the next place."""
    name = f"stage{stage}.block{number}"

    def make(values: Mapping[str, Value]) -> Block | None:
        kind = values.get(f"{name}.kind")
        if kind is None:
            return None
        if kind == "inverted_residual":
            return _inverted_residual(values, stage, number)
        shape = block_shape(values, stage, number, _STAGE_CHANNELS)
        width, side = shape.out_channels, shape.side
        if kind == "mcsd":
            return MapMcsd(width=width, side=side, channels=int(values[f"{name}.channels"]))
        return MapAttention(width=width, side=side, heads=width // _HEAD_WIDTH)

    own = tuple(f"{name}.{choice}" for choice in ("kind", "kernel", "expansion", "channels"))
    return Place(name, ("resolution", "width", *own), make)


def _feed_forward(stage: int, number: int) -> Place:
    name = f"stage{stage}.block{number}"
    kind = f"{name}.feed_forward"

    def make(values: Mapping[str, Value]) -> Block | None:
        if kind not in values:
            return None
        shape = block_shape(values, stage, number, _STAGE_CHANNELS)
        width, side = shape.out_channels, shape.side
        if values[kind] == "dense":
            ratio = int(values[f"{name}.dense_ratio"])
            return MapFeedForward(width=width, side=side, hidden=width * ratio)
        return MapMixture(
            width=width,
            side=side,
            hidden=width * int(values[f"{name}.expert_ratio"]),
            experts=int(values[f"{name}.experts"]),
            used=int(values[f"{name}.experts_used"]),
        )

    own = tuple(c.name for c in _block_choices(stage, number) if kind in (c.name, c.parent))
    return Place(kind, ("resolution", "width", *own), make)
