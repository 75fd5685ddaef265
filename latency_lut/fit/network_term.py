"""What a sum of segments cannot say: the part of a latency that belongs to the whole network."""

from dataclasses import dataclass

import numpy as np

from latency_lut.fit.timed_table import Floats


@dataclass(frozen=True)
class CacheTerm:
    """Each byte that a network touches beyond `cache_bytes` costs `ns_per_byte` more."""

    cache_bytes: float
    ns_per_byte: float


@dataclass(frozen=True)
class NetworkTerm:
    """What is to be added to a sum of entries; nothing, where it was fitted on no networks.

        f + sum over caches j of r[j] max(0, B - C[j]),    f, r >= 0

    B is the bytes that the network touches in a run (`touched_bytes`, summed) and C[j] the size of
    cache j as the device states it, or the share of it that neighbours leave. A network never gets
    faster as it grows.
    """

    fixed_ns: float = 0.0
    beyond: tuple[CacheTerm, ...] = ()
    networks: int = 0

    def added_ns(self, touched: Floats) -> Floats:
        """(n,) nanoseconds that networks take beyond the sum of their entries."""
        added = np.full_like(touched, self.fixed_ns) + 0.0 * touched  # NaN stays NaN
        for term in self.beyond:
            added = added + term.ns_per_byte * np.maximum(touched - term.cache_bytes, 0.0)
        return added
