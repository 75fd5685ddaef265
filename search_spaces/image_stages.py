"""What the spaces for images share: resolutions, where maps are halved, the two ends.

A network is a stem, five stages and a head; site 0 is the stem, sites 1 to 5 are the stages.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.architecture import Value
from search_spaces.block import Block
from search_spaces.blocks.inverted_residual import ImageHead, Stem, side_after
from search_spaces.errors import SpaceError
from search_spaces.space import Place
from search_spaces.task import ImageTask, Task

# Sides are 5 or 7 times a power of two, so that all of a family end in maps of the same side and
# share the LUT entries of their later stages.
RESOLUTIONS_PX = (20, 28, 40, 56, 80, 112, 160, 224)
WIDTHS = (0.5, 0.75, 1.0)
STAGES = (1, 2, 3, 4, 5)

# As in MobileNetV2 and V3.
_STEM_CHANNELS = 16
_HEAD_CHANNELS = 640
# Where a network may halve its map, last first: a small image is halved only in the late stages.
_HALVING_ORDER = (5, 3, 2, 1, 0)  # stage 4 never does
_FINAL_SIDE_PX = 7


@dataclass(frozen=True, kw_only=True)
class BlockShape:
    """The maps at both ends of a block."""

    in_channels: int
    out_channels: int
    side: int
    stride: int


def image_task(task: Task | None, space: str) -> ImageTask:
    """The task, or that of a full-sized image where none is given.

    Raises:
        SpaceError: the task is not one of images.
    """
    task = task or ImageTask()
    if not isinstance(task, ImageTask):
        raise SpaceError(f"space {space!r} is for images; for text use --space language")
    return task


def resolutions(task: ImageTask) -> tuple[int, ...]:
    """Resolutions up to the data's own, as enlarging adds nothing; the smallest always stays."""
    return tuple(r for r in RESOLUTIONS_PX if r <= task.resolution_px) or RESOLUTIONS_PX[:1]


def strides(resolution_px: int) -> tuple[int, ...]:
    """Strides of the stem and the five stages: as many halvings as bring the map near 7 pixels."""
    halvings = round(math.log2(resolution_px / _FINAL_SIDE_PX))
    halved = _HALVING_ORDER[: max(halvings, 0)]
    return tuple(2 if site in halved else 1 for site in (0, *STAGES))


def scaled_channels(channels: int, width: float) -> int:
    """`channels * width`, rounded to a multiple of 8, as vector units like it."""
    return max(8, int(channels * width + 4) // 8 * 8)


def block_shape(
    values: Mapping[str, Value], stage: int, number: int, stage_channels: Sequence[int]
) -> BlockShape:
    """The maps around block `number` (from 1) of a stage; the first block halves and widens.

    Args:
        values: with the choices `resolution` and `width`.
        stage: 1 to 5.
        number: of the block in its stage, from 1.
        stage_channels: of each stage at width 1.
    """
    resolution, width = int(values["resolution"]), float(values["width"])
    before, here = (_STEM_CHANNELS, *stage_channels)[stage - 1 : stage + 1]
    first = number == 1
    return BlockShape(
        in_channels=scaled_channels(before if first else here, width),
        out_channels=scaled_channels(here, width),
        side=_side_before(resolution, stage if first else stage + 1),
        stride=strides(resolution)[stage] if first else 1,
    )


def stem(task: ImageTask) -> Place:
    """The place `stem`."""

    def make(values: Mapping[str, Value]) -> Block:
        resolution, width = int(values["resolution"]), float(values["width"])
        return Stem(
            in_channels=task.channels,
            out_channels=scaled_channels(_STEM_CHANNELS, width),
            side=resolution,
            stride=strides(resolution)[0],
        )

    return Place("stem", ("resolution", "width"), make)


def head(task: ImageTask, channels: int) -> Place:
    """The place `head`, behind a last stage of `channels` at width 1."""

    def make(values: Mapping[str, Value]) -> Block:
        width = float(values["width"])
        return ImageHead(
            in_channels=scaled_channels(channels, width),
            hidden=scaled_channels(_HEAD_CHANNELS, width),
            classes=task.classes,
            side=_side_before(int(values["resolution"]), STAGES[-1] + 1),
        )

    return Place("head", ("resolution", "width"), make)


def _side_before(resolution_px: int, site: int) -> int:
    side = resolution_px
    for stride in strides(resolution_px)[:site]:
        side = side_after(side, stride)
    return side
