"""The space `mobile`: inverted-residual CNNs for square images from 20 to 224 pixels."""

from collections.abc import Mapping

from search_spaces.architecture import Value
from search_spaces.block import Block
from search_spaces.blocks.inverted_residual import InvertedResidual
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

DEPTHS = (1, 2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)

# Channels at width 1 follow MobileNetV2 and V3, with the stages before 24 channels left out.
_STAGE_CHANNELS = (24, 40, 80, 112, 160)


def mobile(task: Task | None = None) -> Space:
    """Inverted residuals in five stages; resolution, width, depths, kernels, expansions, SE.

    Resolutions above the data's own are left out, as enlarging an image adds nothing to it; the
    smallest always stays.

    Raises:
        SpaceError: the task is not one of images.
    """
    task = image_task(task, "mobile")
    return Space(
        name="mobile",
        task=task,
        choices=(
            Choice("resolution", resolutions(task)),
            Choice("width", WIDTHS),
            *(choice for stage in STAGES for choice in _stage_choices(stage)),
        ),
        places=(
            stem(task),
            *(_block(stage, number) for stage in STAGES for number in DEPTHS),
            head(task, _STAGE_CHANNELS[-1]),
        ),
        precisions=(FP32, INT8),
    )


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


def _block(stage: int, number: int) -> Place:
    name = f"stage{stage}.block{number}"

    def make(values: Mapping[str, Value]) -> Block | None:
        if int(values[f"stage{stage}.depth"]) < number:
            return None
        shape = block_shape(values, stage, number, _STAGE_CHANNELS)
        return InvertedResidual(
            in_channels=shape.in_channels,
            out_channels=shape.out_channels,
            side=shape.side,
            stride=shape.stride,
            kernel=int(values[f"{name}.kernel"]),
            expansion=int(values[f"{name}.expansion"]),
            squeeze_excite=bool(values[f"{name}.squeeze_excite"]),
        )

    own = (f"{name}.kernel", f"{name}.expansion", f"{name}.squeeze_excite")
    return Place(name, ("resolution", "width", f"stage{stage}.depth", *own), make)
