"""Which share of a space a LUT knows: of its segments, and whether any network of it."""

from dataclasses import dataclass

from latency_lut.block_index import block_index
from latency_lut.fit.lut import Lut
from latency_lut.transfer.transfer import TRANSFERRED
from search_spaces import Space


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Segment keys of a space that have an entry, and those that have none."""

    known: int
    total: int
    missing: tuple[str, ...]
    transferred: int
    """Of the known: taken over from another device's LUT, and never measured."""
    unmeasured: tuple[str, ...]
    """Names of the phases in which no network of the space was: known by other spaces' only."""

    @property
    def complete(self) -> bool:
        """Whether every network is predicted, by the space's own."""
        return not (self.missing or self.unmeasured)

    @property
    def share(self) -> float:
        """Known over total, in [0, 1]."""
        return self.known / self.total if self.total else 1.0


def coverage(space: Space, lut: Lut, precision: str = "fp32") -> Coverage:
    """How much of `space` the LUT covers; keys in the order of the places they first stand at."""
    keys = [key for of_block in block_index(space, precision).keys for key in of_block]
    missing = tuple(key for key in keys if key not in lut.entries)
    known = [lut.entries[key] for key in keys if key in lut.entries]
    return Coverage(
        known=len(known),
        total=len(keys),
        missing=missing,
        transferred=sum(entry.quality == TRANSFERRED for entry in known),
        unmeasured=tuple(p.name for p in space.phases if not lut.knows(space.name, p.key)),
    )
