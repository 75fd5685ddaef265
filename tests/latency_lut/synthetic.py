"""A device whose costs are known, and what it measures: what a fit must find again.

Letters: K segment keys, N networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latency_lut import CanaryState, DeviceProfile, Lut
from latency_lut.fit.lut import fit_lut
from latency_lut.fit.network_term import Traffic
from latency_lut.fit.timed_table import Floats, Ids, TimedTable, group_of, timed_table
from search_spaces import SegmentCost

KEYS = 60
STEADY = CanaryState(1000.0, 0.0)
GROUP = group_of("space", "infer")


@dataclass(frozen=True, kw_only=True, eq=False)
class SyntheticDevice:
    """A network takes its segments' times, a fixed cost, one a node, and one a byte beyond a cache.

    The profiler makes each segment `stretch` times slower and each node `overhead_ns` longer, and
    sees nothing of what belongs to the whole network.
    """

    entry_ns: Floats
    """(K,)"""
    nodes: Floats
    """(K,)"""
    touched_bytes: Floats
    """(K,)"""
    fixed_ns: float = 0.0
    node_ns: float = 0.0
    cache_bytes: float = 1e9
    byte_ns: float = 0.0
    stretch: float = 1.0
    overhead_ns: float = 0.0

    def traffic(self, keys: Sequence[str]) -> Traffic:
        """Of these segment keys: all that is kept is touched in every run."""
        touched = self.touched_bytes[[int(key[1:]) for key in keys]]
        return Traffic(touched, touched)

    def latency_ns(self, networks: Sequence[Ids]) -> Floats:
        """(N,) undisturbed."""
        return np.array([self._latency_ns(network) for network in networks])

    def _latency_ns(self, network: Ids) -> float:
        beyond = max(0.0, self.touched_bytes[network].sum() - self.cache_bytes)
        nodes = self.nodes[network].sum()
        whole_ns = self.fixed_ns + self.node_ns * nodes + self.byte_ns * beyond
        return float(self.entry_ns[network].sum() + whole_ns)

    def table(
        self,
        networks: Sequence[Ids],
        *,
        slower: float | Floats = 1.0,
        qualities: Sequence[str] | None = None,
        first: int = 0,
    ) -> TimedTable:
        """As measured, each network `slower` than undisturbed; named by number from `first`."""
        factors = np.broadcast_to(slower, len(networks))
        latencies = self.latency_ns(networks) * factors
        node_ns = self.stretch * self.entry_ns + self.overhead_ns * self.nodes
        return timed_table(
            [
                (f"arch{first + i}", "good" if qualities is None else qualities[i], latency)
                for i, latency in enumerate(latencies.tolist())
            ],
            [
                (i, f"k{k}", float(node_ns[k] * factors[i]), int(self.nodes[k]))
                for i, network in enumerate(networks)
                for k in network
            ],
        )

    def costs(self) -> dict[str, SegmentCost]:
        """Static costs of all keys: they touch as many bytes as the device says."""
        return {f"k{k}": _cost(int(size)) for k, size in enumerate(self.touched_bytes)}

    def lut(self, table: TimedTable, canary: CanaryState = STEADY) -> Lut:
        """The LUT of what was measured, of a device that states one cache."""
        facts = {"l2_bytes": int(self.cache_bytes), "l3_bytes": None}
        return fit_lut(
            profile=DeviceProfile("profile-1", "board1", facts),
            precision="fp32",
            tables={GROUP: table},
            costs=self.costs(),
            canary=canary,
            memory={},
        )


def device(seed: int = 0, **changes: float) -> SyntheticDevice:
    """One whose segments take 10 to 1000 microseconds, on one to twelve nodes."""
    rng = np.random.default_rng(seed)
    entry_ns = np.exp(rng.uniform(np.log(1e4), np.log(1e6), KEYS))
    return SyntheticDevice(
        entry_ns=entry_ns,
        nodes=rng.integers(1, 13, KEYS).astype(float),
        touched_bytes=np.round(entry_ns * rng.uniform(0.5, 2.0, KEYS)),
        **changes,
    )


def networks_of(count: int, seed: int = 0) -> list[Ids]:
    """Networks of three to twenty segments."""
    rng = np.random.default_rng(seed)
    return [rng.choice(KEYS, int(rng.integers(3, 21)), replace=False) for _ in range(count)]


def predicted_ns(lut: Lut, device: SyntheticDevice, networks: Sequence[Ids]) -> Floats:
    """(N,) sums of entries and what the group's term adds."""
    of = lut.groups[GROUP]
    entry_ns = np.array([of.latency_ns(lut.entries[f"k{k}"]) for k in range(KEYS)], dtype=float)
    touched = np.array([device.touched_bytes[network].sum() for network in networks])
    sums_ns = np.array([entry_ns[network].sum() for network in networks])
    return sums_ns + of.term.added_ns(Traffic(touched, touched))


def _cost(touched: int) -> SegmentCost:
    return SegmentCost(
        params=1,
        active_params=1,
        macs=1,
        weight_bytes=touched,
        peak_bytes=0,
        state_bytes=0,
        lasting_bytes=0,
    )
