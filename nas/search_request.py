"""What a search was asked for, as values and as the command line that asks the same again."""

import shlex
from dataclasses import dataclass

from nas.accuracy.method import SUPERNET
from nas.errors import BadInput
from search_spaces import FP32

_MINUTES = ("train_minutes", "profile_minutes", "accuracy_minutes")
_ABOVE_0 = ("max_latency_ms", "max_memory_mib", *_MINUTES)


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What `nas search` was asked for.

    Raises:
        BadInput: a budget or a number of minutes that is not above 0.
    """

    space: str
    data: str
    device: str
    study: str
    only: tuple[str, ...] = ()
    trials: int = 60
    sampler: str = "pareto"
    accuracy: str = SUPERNET
    seed: int = 0
    precision: str = FP32
    max_latency_ms: float | None = None
    max_memory_mib: float | None = None
    train_minutes: float | None = None
    profile_minutes: float | None = None
    accuracy_minutes: float | None = None
    until_converged: bool = False

    def __post_init__(self) -> None:
        for name in _ABOVE_0:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadInput(f"{_option(name)} {value:g}: must be above 0")
        if self.until_converged and self.sampler != "pareto":
            raise BadInput(
                f"--until-converged: sampler {self.sampler} does not say what it expects to gain; "
                "leave out --sampler, or take pareto"
            )

    @property
    def command(self) -> str:
        """A shell line that asks for the same; what is not given takes its default there too."""
        words = ["nas", "search"]
        for name, value in vars(self).items():
            if value is True:
                words += [_option(name)]
            elif name != "only" and value is not None and value is not False:
                words += [_option(name), f"{value:g}" if isinstance(value, float) else str(value)]
        for restriction in self.only:
            words += ["--only", restriction]
        return shlex.join(words)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
