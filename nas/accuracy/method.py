"""How the accuracy of a network is found, as `--accuracy` names it."""

import math
from dataclasses import dataclass

from nas.errors import BadInput

SUPERNET = "supernet"
METHODS = "supernet, train:EPOCHS or FILE.py:FUNCTION"

_TRAIN = "train:"


@dataclass(frozen=True)
class Method:
    """By the supernet where neither is given."""

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
        BadInput: none of `METHODS`, or epochs that are no number above 0.
    """
    if text == SUPERNET:
        return Method()
    file, colon, name = text.rpartition(":")
    if file.endswith(".py") and name:
        return Method(function=text)
    if not text.startswith(_TRAIN):
        raise BadInput(f"--accuracy {text}: expected {METHODS}")
    epochs = _number(text.removeprefix(_TRAIN))
    if not 0 < epochs < math.inf:
        raise BadInput(f"--accuracy {text}: expected epochs above 0, as in train:8")
    return Method(epochs=epochs)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
