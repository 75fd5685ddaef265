"""How the accuracy of a network is found, as `--accuracy` names it."""

import math
from dataclasses import dataclass

from nas.errors import BadInput

SUPERNET = "supernet"
METHODS = "supernet, supernet:STEPS, train:EPOCHS or FILE.py:FUNCTION"

_TUNE, _TRAIN = "supernet:", "train:"


@dataclass(frozen=True)
class Method:
    """By the supernet where neither epochs nor a function are given."""

    steps: int | None = None
    """Each network trains for so many from the supernet's weights on before it is scored."""
    epochs: float | None = None
    """Each network is trained alone, for so many passes over the data."""
    function: str | None = None
    """`path/to/file.py:function` of the user's."""

    @property
    def is_supernet(self) -> bool:
        """Whether all networks share the weights of one."""
        return self.epochs is None and self.function is None


def read_method(text: str) -> Method:
    """What the text names.

    Raises:
        BadInput: none of `METHODS`, or steps or epochs that are no such number above 0.
    """
    if text == SUPERNET:
        return Method()
    file, colon, name = text.rpartition(":")
    if file.endswith(".py") and name:
        return Method(function=text)
    if text.startswith(_TUNE):
        return Method(steps=_steps(text))
    if not text.startswith(_TRAIN):
        raise BadInput(f"--accuracy {text}: expected {METHODS}")
    epochs = _number(text.removeprefix(_TRAIN))
    if not 0 < epochs < math.inf:
        raise BadInput(f"--accuracy {text}: expected epochs above 0, as in train:8")
    return Method(epochs=epochs)


def _steps(text: str) -> int:
    steps = text.removeprefix(_TUNE)
    if not (steps.isascii() and steps.isdigit() and int(steps) > 0):
        raise BadInput(f"--accuracy {text}: expected whole steps above 0, as in supernet:200")
    return int(steps)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
