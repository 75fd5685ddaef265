"""Where measurements are kept: SQLite by default, PostgreSQL by the same code."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from latency_lut import rows, writing
from latency_lut.attribution import attribute
from latency_lut.canary import CanaryState, canary_state
from latency_lut.database import Database, open_database
from latency_lut.device_profile import DeviceProfile
from latency_lut.documents import PlacedShare, StoredNetwork
from latency_lut.errors import BadRecord, StoreError
from latency_lut.lut import Lut, fit_lut
from latency_lut.memory import fit_memory
from latency_lut.parquet import Archive, read_archive, write_archive
from latency_lut.records import NetworkRecord, PhaseTiming, Purpose
from search_spaces import Phase, Segment, SegmentCost, segment_key


@contextlib.contextmanager
def open_store(url: str) -> Iterator["Store"]:
    """The store at a URL such as `sqlite:///results/nas.db` or `postgresql://host/name`.

    Tables are made or upgraded; an Optuna study may live in the same database.

    Raises:
        StoreError: a bad URL, no driver, unreachable, damaged, foreign, or of a newer version.
    """
    with open_database(url) as database:
        yield Store(database)


class Store:
    """Measured networks and the LUTs fitted from them; several processes may share one.

    Made by `open_store`. Every method is one transaction and may raise StoreError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_profile(self, profile: DeviceProfile) -> None:
        """Keeps a profile and makes it the newest one of its device; facts are kept once."""
        with self._database.writing() as connection:
            writing.insert_profile(connection, profile)

    def profiles(self, device_name: str | None = None) -> tuple[DeviceProfile, ...]:
        """Profiles of a device, or of all; the one that was added last stands last."""
        with self._database.reading() as connection:
            return rows.select_profiles(connection, device_name)

    def add_network(
        self,
        record: NetworkRecord,
        segments: Sequence[Segment],
        costs: Mapping[str, SegmentCost],
    ) -> None:
        """Keeps a measured network with its raw samples, and what each segment of it took.

        The same record given twice is kept once.

        Args:
            record: its profile must have been added.
            segments: of the architecture, in order.
            costs: static cost by segment key, for every phase of the record.

        Raises:
            AttributionError: the node times do not belong to these segments.
            BadRecord: a cost is missing.
        """
        shares = tuple(_placed(timing, segments, record.precision) for timing in record.phases)
        missing = {share.key for phase in shares for share in phase} - costs.keys()
        if missing:
            raise BadRecord(f"network {record.architecture_id}: no cost of {min(missing)}")
        with self._database.writing() as connection:
            writing.insert_networks(connection, [StoredNetwork(record, shares)], costs)

    def networks(
        self,
        profile_id: str,
        space: str | None = None,
        precision: str | None = None,
        purpose: Purpose | None = None,
    ) -> tuple[NetworkRecord, ...]:
        """Records with raw samples and node times, oldest first; None takes all."""
        with self._database.reading() as connection:
            found = rows.select_networks(connection, profile_id, space, precision, purpose)
        return tuple(network.record for network in found)

    def canary(self, profile_id: str) -> CanaryState:
        """The canary's usual time under a profile, from all its networks."""
        with self._database.reading() as connection:
            return canary_state(rows.select_canaries(connection, profile_id))

    def lut(self, profile_id: str, precision: str = "fp32") -> Lut:
        """The LUT of a profile, fitted from all its networks of that precision; maybe empty.

        Raises:
            StoreError: no such profile.
        """
        with self._database.reading() as connection:
            profile = _known(rows.select_profiles(connection, None), profile_id)
            canary = canary_state(rows.select_canaries(connection, profile_id))
            timed = rows.select_timed(connection, profile_id, precision, canary)
            static_bytes, peak_bytes = rows.select_memory(connection, profile_id, precision)
            costs = rows.select_costs(connection, profile_id, precision)
        return fit_lut(
            profile=profile,
            precision=precision,
            networks=timed,
            costs=costs,
            canary=canary,
            memory=fit_memory(static_bytes, peak_bytes),
        )

    def export_parquet(self, profile_id: str, path: Path) -> None:
        """Writes all that was measured under a profile to one file, raw samples included.

        Raises:
            StoreError: no such profile, or the file cannot be written.
        """
        with self._database.reading() as connection:
            profile = _known(rows.select_profiles(connection, None), profile_id)
            networks = rows.select_networks(connection, profile_id)
            costs = rows.select_costs(connection)
        used = {s.key for network in networks for phase in network.shares for s in phase}
        kept = {key: cost for key, cost in costs.items() if key in used}
        write_archive(path, Archive(profile, networks, kept))

    def import_parquet(self, path: Path, device_name: str | None = None) -> DeviceProfile:
        """Adds what another store exported; networks that are already there are passed over.

        Args:
            path: a file of `export_parquet`.
            device_name: the device here that has this profile; the exported name if not given.

        Returns:
            The profile, now the newest one of the device.

        Raises:
            StoreError: the file is damaged, foreign or of another version; nothing is added.
        """
        archive = read_archive(path)
        name = device_name or archive.profile.device_name
        profile = DeviceProfile(archive.profile.id, name, archive.profile.facts)
        with self._database.writing() as connection:
            writing.insert_profile(connection, profile)
            writing.insert_networks(connection, archive.networks, archive.costs)
        return profile


def _placed(
    timing: PhaseTiming, segments: Sequence[Segment], precision: str
) -> tuple[PlacedShare, ...]:
    # A record keeps of its phase the canonical text only, and that is all a key needs of it.
    phase = Phase(timing.phase)
    keys = [segment_key(s.block, phase, precision) for s in segments]
    places = [s.place for s in segments]
    if not timing.nodes:
        return tuple(
            PlacedShare(*pair, None, None, None) for pair in zip(places, keys, strict=True)
        )
    return tuple(
        PlacedShare(share.place, key, share.nodes, share.node_ns, share.latency_ns)
        for share, key in zip(attribute(timing.nodes, timing.latency_ns, places), keys, strict=True)
    )


def _known(profiles: Sequence[DeviceProfile], profile_id: str) -> DeviceProfile:
    for profile in reversed(profiles):  # the device that had it last
        if profile.id == profile_id:
            return profile
    raise StoreError(f"no device profile {profile_id!r} is in the storage")
