"""What a search was asked for, as values and as the command line that asks the same again."""

import shlex
from dataclasses import dataclass

from nas.accuracy.method import SUPERNET, read_method
from nas.errors import BadInput
from search_spaces import FP32

_MINUTES = ("train_minutes", "profile_minutes", "accuracy_minutes")
_ABOVE_0 = ("max_latency_ms", "max_memory_mib", *_MINUTES)
_FEWEST = 10  # of which something can be learnt
_SCORED = 100  # our choice
_LONGEST_NAME = 200  # bytes: a file's name may have 255, and Optuna's column 512 characters


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What `nas search` was asked for.

    Raises:
        BadInput: a budget or a number of minutes that is not above 0, or an option that does not
            go with the sampler.
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
    zero_cost: int | None = None
    """Networks with zero-cost scores; None for the default."""
    until_converged: bool = False

    def __post_init__(self) -> None:
        check_study_name(self.study)
        for name in _ABOVE_0:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise BadInput(f"{_option(name)} {value:g}: must be above 0")
        if self.zero_cost and (self.zero_cost < _FEWEST or self.sampler != "pareto"):
            raise BadInput(
                f"--zero-cost {self.zero_cost}: 0 for none, {_FEWEST} or more for sampler pareto, "
                "which alone asks for them"
            )
        if self.until_converged and self.sampler != "pareto":
            raise BadInput(
                f"--until-converged: sampler {self.sampler} does not say what it expects to gain; "
                "leave out --sampler, or take pareto"
            )

    @property
    def scored(self) -> int:
        """Networks to be given zero-cost scores before any is evaluated, which takes far longer."""
        if self.zero_cost is not None:
            return self.zero_cost
        dear = not read_method(self.accuracy).is_supernet
        return _SCORED if dear and self.sampler == "pareto" else 0

    @property
    def command(self) -> str:
        """A shell line that asks for the same; what is not given takes its default there too."""
        words = ["nas", "search"]
        for name, value in vars(self).items():
            if value is True:
                words += [_option(name)]
            elif name != "only" and value is not None and value is not False:
                words += [_option(name), _number(value) if isinstance(value, float) else str(value)]
        for restriction in self.only:
            words += ["--only", restriction]
        return shlex.join(words)


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def check_study_name(name: str) -> None:
    """Raises BadInput for what cannot be shown, or be the name of a study's folder and a command's.

    Studies of others may be called so; ours are not.
    """
    odd = not name.isprintable() or "/" in name or name.startswith((".", "-"))
    if odd or not 0 < len(name.encode("utf-8", "replace")) <= _LONGEST_NAME:
        raise BadInput(
            f"--study {name!r:.80}: take a name that can be printed, without / and not beginning "
            "with . or -"
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
