"""The space `mobile`: inverted-residual CNNs for square images from 20 to 224 pixels."""

import math
from collections.abc import Mapping

from search_spaces.architecture import Value
from search_spaces.block import Block
from search_spaces.blocks.inverted_residual import ImageHead, InvertedResidual, Stem, side_after
from search_spaces.choice import Choice
from search_spaces.errors import SpaceError
from search_spaces.space import Place, Space
from search_spaces.task import ImageTask, Task

# Sides are 5 or 7 times a power of two, so that all of a family end in maps of the same side and
# share the LUT entries of their later stages.
RESOLUTIONS_PX = (20, 28, 40, 56, 80, 112, 160, 224)
WIDTHS = (0.5, 0.75, 1.0)
DEPTHS = (1, 2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)

# Channels at width 1 follow MobileNetV2 and V3, with the stages before 24 channels left out.
_STEM_CHANNELS = 16
_STAGE_CHANNELS = (24, 40, 80, 112, 160)
_HEAD_CHANNELS = 640
# Where a network may halve its map, last first: a small image is halved only in the late stages.
_HALVING_ORDER = (5, 3, 2, 1, 0)  # 0 is the stem, 1 to 5 the stages; stage 4 never does
_FINAL_SIDE_PX = 7


def mobile(task: Task | None = None) -> Space:
    """Inverted residuals in five stages; resolution, width, depths, kernels, expansions, SE.

    Resolutions above the data's own are left out, as enlarging an image adds nothing to it; the
    smallest always stays.

    Raises:
        SpaceError: the task is not one of images.
    """
    task = task or ImageTask()
    if not isinstance(task, ImageTask):
        raise SpaceError("space 'mobile' is for images; for text use --space language")
    resolutions = tuple(r for r in RESOLUTIONS_PX if r <= task.resolution_px) or RESOLUTIONS_PX[:1]
    stages = range(1, len(_STAGE_CHANNELS) + 1)
    return Space(
        name="mobile",
        task=task,
        choices=(
            Choice("resolution", resolutions),
            Choice("width", WIDTHS),
            *(choice for stage in stages for choice in _stage_choices(stage)),
        ),
        places=(
            _stem(task),
            *(_block(stage, number) for stage in stages for number in DEPTHS),
            _head(task),
        ),
    )


def strides(resolution_px: int) -> tuple[int, ...]:
    """Strides of the stem and the five stages: as many halvings as bring the map near 7 pixels."""
    halvings = round(math.log2(resolution_px / _FINAL_SIDE_PX))
    halved = _HALVING_ORDER[: max(halvings, 0)]
    return tuple(2 if site in halved else 1 for site in range(len(_STAGE_CHANNELS) + 1))


def scaled_channels(channels: int, width: float) -> int:
    """`channels * width`, rounded to a multiple of 8, as vector units like it."""
    return max(8, int(channels * width + 4) // 8 * 8)


def _stage_choices(stage: int) -> list[Choice]:
    depth = f"stage{stage}.depth"
    choices = [Choice(depth, DEPTHS)]
    for number in DEPTHS:
        needs = (depth, tuple(d for d in DEPTHS if d >= number)) if number > 1 else (None, ())
        block = f"stage{stage}.block{number}"
        choices += [
            Choice(f"{block}.kernel", KERNELS, *needs),
            Choice(f"{block}.expansion", EXPANSIONS, *needs),
            Choice(f"{block}.squeeze_excite", (False, True), *needs),
        ]
    return choices


def _stem(task: ImageTask) -> Place:
    def make(values: Mapping[str, Value]) -> Block:
        resolution, width = int(values["resolution"]), float(values["width"])
        return Stem(
            in_channels=task.channels,
            out_channels=scaled_channels(_STEM_CHANNELS, width),
            side=resolution,
            stride=strides(resolution)[0],
        )

    return Place("stem", ("resolution", "width"), make)


def _block(stage: int, number: int) -> Place:
    name = f"stage{stage}.block{number}"
    before = (_STEM_CHANNELS, *_STAGE_CHANNELS)[stage - 1]
    here = _STAGE_CHANNELS[stage - 1]

    def make(values: Mapping[str, Value]) -> Block | None:
        if int(values[f"stage{stage}.depth"]) < number:
            return None
        resolution, width = int(values["resolution"]), float(values["width"])
        first = number == 1
        return InvertedResidual(
            in_channels=scaled_channels(before if first else here, width),
            out_channels=scaled_channels(here, width),
            side=_side_before(resolution, stage if first else stage + 1),
            stride=strides(resolution)[stage] if first else 1,
            kernel=int(values[f"{name}.kernel"]),
            expansion=int(values[f"{name}.expansion"]),
            squeeze_excite=bool(values[f"{name}.squeeze_excite"]),
        )

    own = (f"{name}.kernel", f"{name}.expansion", f"{name}.squeeze_excite")
    return Place(name, ("resolution", "width", f"stage{stage}.depth", *own), make)


def _head(task: ImageTask) -> Place:
    def make(values: Mapping[str, Value]) -> Block:
        width = float(values["width"])
        return ImageHead(
            in_channels=scaled_channels(_STAGE_CHANNELS[-1], width),
            hidden=scaled_channels(_HEAD_CHANNELS, width),
            classes=task.classes,
            side=_side_before(int(values["resolution"]), len(_STAGE_CHANNELS) + 1),
        )

    return Place("head", ("resolution", "width"), make)


def _side_before(resolution_px: int, site: int) -> int:
    side = resolution_px
    for stride in strides(resolution_px)[:site]:
        side = side_after(side, stride)
    return side
