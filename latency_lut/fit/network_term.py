"""What a sum of segments cannot say: the part of a latency that belongs to the whole network."""

from dataclasses import dataclass

import numpy as np

from latency_lut.fit.timed_table import Floats


@dataclass(frozen=True, eq=False)
class Traffic:
    """(n,) bytes each, of networks or of segments; NaN where not known."""

    touched: Floats
    """What a run reads or writes (`touched_bytes`)."""
    kept: Floats
    """What is there from run to run (`kept_bytes`): also experts that only other runs select."""

    def beyond(self, cache_bytes: float) -> Floats:
        """(n,) max(0, B - C): what one run alone touches beyond a cache."""
        return np.maximum(self.touched - cache_bytes, 0.0)

    def reloaded(self, cache_bytes: float) -> Floats:
        """(n,) B max(0, 1 - C / W): what runs take out of a cache from each other.

        Of W bytes that runs touch in turn, a cache holds a share of C / W at best, and so it does
        of the B bytes that one of them touches. Where each touches all, this is B - C.
        """
        kept = np.maximum(self.kept, 1.0)  # none are kept of no network
        return self.touched * np.maximum(1 - cache_bytes / kept, 0.0)


@dataclass(frozen=True)
class CacheTerm:
    """Each byte that does not fit a cache of `cache_bytes` costs `ns_per_byte` more."""

    cache_bytes: float
    ns_per_byte: float


@dataclass(frozen=True)
class NetworkTerm:
    """What is to be added to a sum of entries; nothing, where it was fitted on no networks.

        f + sum over caches j of r[j] max(0, B - C[j]) + q B max(0, 1 - C / W),    f, r, q >= 0

    B is the bytes that the network touches in a run, W those that it keeps from run to run, summed
    over segments; C is the largest cache, as the device states it, and C[j] are smaller ones, or
    shares of it that neighbours leave. A network never gets faster as it grows.
    """

    fixed_ns: float = 0.0
    beyond: tuple[CacheTerm, ...] = ()
    reloaded: CacheTerm | None = None
    networks: int = 0

    def added_ns(self, traffic: Traffic) -> Floats:
        """(n,) nanoseconds that networks take beyond the sum of their entries."""
        added = self.fixed_ns + 0.0 * (traffic.touched + traffic.kept)  # NaN stays NaN
        for term in self.beyond:
            added = added + term.ns_per_byte * traffic.beyond(term.cache_bytes)
        if self.reloaded is not None:
            reloaded = traffic.reloaded(self.reloaded.cache_bytes)
            added = added + self.reloaded.ns_per_byte * reloaded
        return added
