"""The space contract: choices, and the places that blocks made from them stand in."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution

from search_spaces.architecture import Architecture, Value, choices_from_json
from search_spaces.block import Block, Phase, Segment
from search_spaces.choice import Choice, check_choices, count_choices
from search_spaces.errors import InvalidArchitecture, SpaceError
from search_spaces.precision import FP32, check_precision
from search_spaces.task import Task

Codes = npt.NDArray[np.int16]
INACTIVE = -1


@dataclass(frozen=True)
class Place:
    """Where a block stands, the choices that decide which one, and how they do.

    `make` gets those of its choices that are active and gives the block, or None where the
    network has none there. That a place names its choices is what makes prediction a table look-up
    and lets a supernet know every block that may ever stand there.
    """

    name: str
    depends_on: tuple[str, ...]
    make: Callable[[Mapping[str, Value]], Block | None]


@dataclass(frozen=True, kw_only=True)
class Space:
    """Which blocks may stand where; samples, counts, checks, mutates and encodes architectures.

    Choices must stand after their parents. Places stand in the order in which a network runs.
    """

    name: str
    task: Task
    choices: tuple[Choice, ...]
    places: tuple[Place, ...]
    phases: tuple[Phase, ...] = (Phase("infer"),)
    """The first phase gives `latency_ms`."""
    precisions: tuple[str, ...] = (FP32,)
    """Number formats in which its networks come, of those in `PRECISIONS`."""

    def __post_init__(self) -> None:
        check_choices(self.choices)
        for precision in self.precisions:
            check_precision(precision)
        names: set[str] = set()
        for place in self.places:
            strange = [name for name in place.depends_on if name not in self._by_name]
            if strange:
                raise SpaceError(f"place {place.name!r} depends on {strange[0]!r}, no such choice")
            if place.name in names or not place.name or "/" in place.name:
                raise SpaceError(f"place {place.name!r} needs a name of its own, without a slash")
            names.add(place.name)

    @cached_property
    def _by_name(self) -> dict[str, Choice]:
        return {choice.name: choice for choice in self.choices}

    def choice(self, name: str) -> Choice:
        """The choice of that name; KeyError if there is none."""
        return self._by_name[name]

    @cached_property
    def digest(self) -> str:
        """Short hash of the choices and the task: equal for spaces with the same networks."""
        text = f"{self.name}{self.task}{self.choices}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def count(self) -> int:
        """How many architectures there are."""
        return count_choices(self.choices)

    def restricted(self, only: Mapping[str, Sequence[Value]]) -> "Space":
        """The part of the space in which the named choices have only these values.

        Architectures keep their ids.

        Raises:
            SpaceError: a choice or value that the space does not have.
        """
        for name, values in only.items():
            if name not in self._by_name:
                raise SpaceError(f"space {self.name!r} has no choice {name!r}")
            strange = [v for v in values if v not in self._by_name[name].values]
            if strange or not values:
                offered = self._by_name[name].values
                raise SpaceError(f"choice {name!r} has no {strange}; it offers {offered}")
        narrowed = tuple(
            replace(c, values=tuple(v for v in c.values if v in only[c.name]))
            if c.name in only
            else c
            for c in self.choices
        )
        choices = _drop_unreachable(narrowed)
        left = {c.name for c in choices}
        places = tuple(
            replace(p, depends_on=tuple(n for n in p.depends_on if n in left)) for p in self.places
        )
        return replace(self, choices=choices, places=places)

    def architecture(self, values: Mapping[str, Value]) -> Architecture:
        """The canonical architecture: active choices kept, the others dropped.

        Raises:
            InvalidArchitecture: an active choice is missing or has a foreign value, or a name is
                no choice of this space.
        """
        chosen: dict[str, Value] = {}
        for choice in self.choices:
            if not choice.is_active(chosen):
                continue
            if choice.name not in values:
                raise InvalidArchitecture(f"choice {choice.name!r} is missing")
            chosen[choice.name] = _offered_value(choice, values[choice.name])
        strange = [name for name in values if name not in self._by_name]
        if strange:
            raise InvalidArchitecture(f"space {self.name!r} has no choice {strange[0]!r}")
        return Architecture(self.name, chosen)

    def parse(self, text: str) -> Architecture:
        """Reads one line of JSON as written by `Architecture.to_json`.

        Raises:
            InvalidArchitecture: malformed, of another space, or not a point of this one.
        """
        return self.architecture(choices_from_json(text, self.name))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Every active choice uniform among its values."""
        return self.architecture({c.name: _pick(c, rng) for c in self.choices})

    def smallest(self) -> Architecture:
        """The first value of every choice."""
        return self.architecture({c.name: c.values[0] for c in self.choices})

    def largest(self) -> Architecture:
        """The last value of every choice."""
        return self.architecture({c.name: c.values[-1] for c in self.choices})

    def mutate(
        self, parent: Architecture, rng: np.random.Generator, rate: float = 0.1
    ) -> Architecture:
        """A neighbour: one active choice changed for sure, each other with probability `rate`."""
        open_names = [n for n in parent.choices if len(self._by_name[n].values) > 1]
        if not open_names:
            return parent
        sure = open_names[int(rng.integers(len(open_names)))]
        values: dict[str, Value] = {}
        for choice in self.choices:
            if choice.name not in parent.choices:
                values[choice.name] = _pick(choice, rng)
            elif choice.name == sure:
                values[choice.name] = _pick(choice, rng, besides=parent[choice.name])
            elif rng.random() < rate:
                values[choice.name] = _pick(choice, rng)
            else:
                values[choice.name] = parent[choice.name]
        return self.architecture(values)

    def crossover(
        self, mother: Architecture, father: Architecture, rng: np.random.Generator
    ) -> Architecture:
        """Each choice from either parent; one that neither has active is drawn."""
        values: dict[str, Value] = {}
        for choice in self.choices:
            first, second = (mother, father) if rng.random() < 0.5 else (father, mother)
            for parent in (second, first):
                if choice.name in parent.choices:
                    values[choice.name] = parent[choice.name]
            values.setdefault(choice.name, _pick(choice, rng))
        return self.architecture(values)

    def encode(self, architecture: Architecture) -> Codes:
        """(number of choices,) int16: index of each value, `INACTIVE` where without effect."""
        return np.array(
            [
                c.values.index(architecture[c.name]) if c.name in architecture.choices else INACTIVE
                for c in self.choices
            ],
            dtype=np.int16,
        )

    def decode(self, codes: Codes) -> Architecture:
        """The architecture that `encode` gave these codes."""
        return self.architecture(
            {c.name: c.values[max(int(i), 0)] for c, i in zip(self.choices, codes, strict=True)}
        )

    def distributions(self) -> dict[str, CategoricalDistribution]:
        """Every choice, whether active or not, so that a study has one fixed search space.

        With a search space that never changes, no sampler falls back to independent sampling;
        `architecture` then drops what is without effect.
        """
        return {c.name: CategoricalDistribution(c.values) for c in self.choices}

    def segments(self, architecture: Architecture) -> tuple[Segment, ...]:
        """The network as a chain of blocks, in the order in which they run."""
        chosen = architecture.choices
        found = []
        for place in self.places:
            values = {name: chosen[name] for name in place.depends_on if name in chosen}
            block = place.make(values)
            if block is not None:
                found.append(Segment(place.name, block))
        return tuple(found)

    def blocks_at(self, place: Place) -> Iterator[tuple[tuple[int, ...], Block | None]]:
        """Every combination of the place's choices, as value indices, with the block it makes.

        Combinations that differ only in choices without effect give the same block.
        """
        chain = self._with_ancestors(place.depends_on)
        for indices in itertools.product(*(range(len(c.values)) for c in chain)):
            active: dict[str, Value] = {}
            for choice, index in zip(chain, indices, strict=True):
                if choice.is_active(active):
                    active[choice.name] = choice.values[index]
            yield indices, place.make({n: active[n] for n in place.depends_on if n in active})

    def choices_of(self, place: Place) -> tuple[Choice, ...]:
        """The choices whose indices `blocks_at` gives: the place's own and their parents."""
        return self._with_ancestors(place.depends_on)

    def _with_ancestors(self, names: Sequence[str]) -> tuple[Choice, ...]:
        wanted = set(names)
        for choice in reversed(self.choices):
            if choice.name in wanted and choice.parent is not None:
                wanted.add(choice.parent)
        return tuple(c for c in self.choices if c.name in wanted)


def _offered_value(choice: Choice, value: Value) -> Value:
    for offered in choice.values:
        if offered == value and isinstance(offered, bool) == isinstance(value, bool):
            return offered
    raise InvalidArchitecture(f"choice {choice.name!r} is {value!r}; it may be {choice.values}")


def _pick(choice: Choice, rng: np.random.Generator, besides: Value | None = None) -> Value:
    values = [v for v in choice.values if v != besides] or list(choice.values)
    return values[int(rng.integers(len(values)))]


def _drop_unreachable(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Without the choices whose parent is gone or can no longer have a value that wakes them."""
    kept: dict[str, Choice] = {}
    for choice in choices:
        if choice.parent is None:
            kept[choice.name] = choice
        elif choice.parent in kept:
            when = tuple(v for v in choice.when if v in kept[choice.parent].values)
            if when:
                kept[choice.name] = replace(choice, when=when)
    return tuple(kept.values())
