"""How long and how a supernet is trained."""

from dataclasses import dataclass

from nas.accuracy.compute import best_device
from nas.data import Data, ImageData
from nas.errors import BadInput

_SHIFT_SHARE = 1 / 14  # our choice: 2 pixels of 28
_MINUTES = 10.0  # our choice: how long a command may train unless it is told
_IMAGE_EPOCHS = 30  # our choice
_CPU_BATCH = 8  # measured on mnist5k: 8 is better than 16, and 16 than 32, in the same time
_GPU_BATCH = 128  # our choice


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How long and how a supernet is trained.

    With `max_minutes`, training ends then at the latest and the learning rate falls in time for
    it. What comes out then depends on the speed of the machine.
    """

    steps: int
    batch: int
    """Images, or windows of text."""
    lr: float
    """The highest, after a linear rise and before half a cosine down."""
    weight_decay: float = 0.02
    random_networks: int = 1
    """Drawn anew for each step, besides the smallest."""
    largest_every: int = 1
    """The largest network answers in every step, and learns in every so many: its backward pass
    costs more than all else, and its weights are also the others'."""
    teacher_share: float = 0.5
    """How much of what the others are to answer is the largest's answer, the rest being labels."""
    shift_px: int = 0
    """Images are moved by up to so many pixels at random."""
    window: int | None = None
    """Tokens that are trained on at once, if less than the context: more steps in the same time."""
    max_minutes: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 2 or not self.lr > 0:
            raise BadInput("a training needs steps >= 1, batch >= 2 and lr > 0.")
        if self.random_networks < 0 or self.largest_every < 1 or not 0 <= self.teacher_share <= 1:
            raise BadInput(
                "a training needs random_networks >= 0, largest_every >= 1 and teacher_share in "
                "[0, 1]."
            )
        if self.max_minutes is not None and not self.max_minutes > 0:
            raise BadInput(f"a training of {self.max_minutes:g} minutes; it must be above 0.")


def default_plan(
    data: Data, *, max_minutes: float | None = _MINUTES, seed: int = 0
) -> TrainingPlan:
    """Settings that served well on the data sets that come with the project.

    Args:
        data: images or text.
        max_minutes: when training ends at the latest; None for the default, ten minutes.
        seed: of all that is random.
    """
    max_minutes = max_minutes or _MINUTES
    if not isinstance(data, ImageData):
        return TrainingPlan(
            steps=4000,
            batch=8,
            lr=3e-3,
            random_networks=2,
            largest_every=2,
            window=128,
            max_minutes=max_minutes,
            seed=seed,
        )
    # On a CPU many small steps teach more in the same time than few large ones; a GPU would idle.
    on_gpu = best_device().type == "cuda"
    batch = _GPU_BATCH if on_gpu else _CPU_BATCH
    return TrainingPlan(
        steps=max(1, _IMAGE_EPOCHS * len(data.train_y) // batch),
        batch=batch,
        lr=4e-3,
        largest_every=1 if on_gpu else 3,
        shift_px=round(data.task.resolution_px * _SHIFT_SHARE),
        max_minutes=max_minutes,
        seed=seed,
    )
