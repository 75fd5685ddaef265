"""A choice of a space, and the tree that choices form when one switches others off."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_spaces.architecture import Value
from search_spaces.errors import SpaceError


@dataclass(frozen=True)
class Choice:
    """A named set of values, ordered from the smallest network to the largest.

    With `parent`, the choice has an effect only when the parent has, and has one of the values
    `when`: the kernel of a stage's fourth block counts only where the stage has four blocks.
    """

    name: str
    values: tuple[Value, ...]
    parent: str | None = None
    when: tuple[Value, ...] = ()

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise SpaceError(f"choice {self.name!r} needs distinct values, got {self.values}")

    def is_active(self, choices: Mapping[str, Value]) -> bool:
        """Whether this choice has an effect, given the active choices before it."""
        return self.parent is None or choices.get(self.parent) in self.when


def check_choices(choices: Sequence[Choice]) -> None:
    """Raises `SpaceError` on a name used twice or a parent that does not stand before its child."""
    seen: dict[str, Choice] = {}
    for choice in choices:
        if choice.name in seen:
            raise SpaceError(f"choice {choice.name!r} is defined twice")
        if choice.parent is not None:
            if choice.parent not in seen:
                raise SpaceError(f"parent {choice.parent!r} must stand before {choice.name!r}")
            strange = [v for v in choice.when if v not in seen[choice.parent].values]
            if strange:
                raise SpaceError(f"{choice.name!r}: {choice.parent!r} is never {strange[0]!r}")
            if not choice.when:
                raise SpaceError(f"{choice.name!r} needs the values of {choice.parent!r} in `when`")
        seen[choice.name] = choice


def count_choices(choices: Sequence[Choice]) -> int:
    """How many different sets of active choices there are (exact, of any size)."""

    def count(choice: Choice) -> int:
        children = [child for child in choices if child.parent == choice.name]
        return sum(
            math.prod(count(child) for child in children if value in child.when)
            for value in choice.values
        )

    return math.prod(count(choice) for choice in choices if choice.parent is None)
