"""Where measurements are kept: SQLite by default, PostgreSQL by the same code."""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection

from latency_lut.attribution import attribute
from latency_lut.canary import CanaryState, canary_state
from latency_lut.device_profile import DeviceProfile
from latency_lut.device_state import DeviceState
from latency_lut.errors import BadRecord, StoreError
from latency_lut.fit.lut import Lut
from latency_lut.fit.timed_table import group_of
from latency_lut.memory import fit_memory
from latency_lut.records import NetworkRecord, PhaseTiming, Purpose
from latency_lut.roofline import Ceilings
from latency_lut.storage import rows, writing
from latency_lut.storage.database import Database, open_database
from latency_lut.storage.device_states import replace_device_state, select_device_states
from latency_lut.storage.documents import PlacedShare, StoredNetwork
from latency_lut.storage.fit_document import FIT_VERSION, lut_from_json, lut_to_json
from latency_lut.storage.parquet import Archive, read_archive, write_archive
from latency_lut.transfer.measured import Measured
from latency_lut.transfer.transfer_check import TransferCheck, check_transfer, fit_transferred
from search_spaces import (
    Architecture,
    InvalidArchitecture,
    Phase,
    Segment,
    SegmentCost,
    Space,
    segment_key,
)

logger = logging.getLogger(__name__)


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

    def note_device(self, state: DeviceState, *, wait_s: int = 0) -> None:
        """Keeps what a device is doing, in place of what it did before.

        Never fails: where others write for longer than `wait_s`, who asks is told a little less.
        """
        with contextlib.suppress(StoreError), self._database.writing(wait_s) as connection:
            replace_device_state(connection, state)

    def device_states(self) -> dict[str, DeviceState]:
        """What each device was doing when it was last heard of, by its name."""
        with self._database.reading() as connection:
            return select_device_states(connection)

    def add_ceilings(self, profile_id: str, ceilings: Ceilings) -> None:
        """Keeps the best rates of a profile; where there are some, the higher of each.

        What else runs on a device can only lower them, so the highest is the nearest to the truth.
        They are good once one of the measurements was.

        Raises:
            StoreError: no such profile.
        """
        with self._database.writing() as connection:
            writing.raise_ceilings(connection, profile_id, ceilings)

    def ceilings(self, profile_id: str) -> Ceilings | None:
        """The best rates of a profile; None where they were never measured."""
        with self._database.reading() as connection:
            return rows.select_ceilings(connection, profile_id)

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

    def count(self, profile_id: str, architecture_id: str, precision: str, purpose: Purpose) -> int:
        """How often a network was measured for this purpose."""
        with self._database.reading() as connection:
            return rows.count_networks(connection, profile_id, architecture_id, precision, purpose)

    def carriers(self, space: Space, profile_id: str, precision: str) -> tuple[Architecture, ...]:
        """Architectures that ran as carriers (`carrier_records`), each once."""
        records = self.carrier_records(space, profile_id, precision)
        texts = dict.fromkeys(record.architecture_json for record in records)
        return tuple(space.parse(text) for text in texts)

    def carrier_records(
        self, space: Space, profile_id: str, precision: str
    ) -> tuple[NetworkRecord, ...]:
        """Carriers of this part of a space, on data of its shape, oldest first."""
        with self._database.reading() as connection:
            found = rows.select_networks(connection, profile_id, space.name, precision, "carrier")
        return tuple(network.record for network in found if _is_of(space, network))

    def taught(self, space: Space, profile_id: str, precision: str) -> frozenset[str]:
        """Ids of the networks of `space` that the LUT is fitted to, whatever they ran for."""
        with self._database.reading() as connection:
            return frozenset(rows.select_taught(connection, profile_id, space.name, precision))

    def canary(self, profile_id: str) -> CanaryState:
        """The canary's usual time under a profile, from all its networks."""
        with self._database.reading() as connection:
            return canary_state(rows.select_canaries(connection, profile_id))

    def lut(self, profile_id: str, precision: str = "fp32") -> Lut:
        """The LUT of a profile, fitted from all its networks of that precision; maybe empty.

        What it lacks is taken from the profile that it started from, if any (`start_from`). A fit
        is kept until something new was measured: to read it again is fast.

        Raises:
            StoreError: no such profile.
        """
        with self._database.reading() as connection:
            profile = _known(rows.select_profiles(connection, None), profile_id)
            lineage = rows.select_lineage(connection, profile_id, precision)
            revision = _revision(connection, lineage)
            kept = rows.select_fit(connection, profile_id, precision, revision)
            if kept is not None:
                return lut_from_json(kept, profile, precision)
            measured = _measured(connection, profile, precision)
        if len(lineage) == 1:
            lut = measured.lut()
        else:
            lut = fit_transferred(self.lut(lineage[1], precision), measured)
        self._keep_fit(lut, revision)
        return lut

    def start_from(self, profile_id: str, precision: str, source_id: str) -> None:
        """From now on the LUT of a profile takes what it lacks from that of another, its source.

        What is measured later takes over by itself. A source that was named before is replaced.

        Raises:
            StoreError: no such profile, or the source is this very one or takes from it.
        """
        with self._database.writing() as connection:
            profiles = rows.select_profiles(connection, None)
            own, source = (_known(profiles, number) for number in (profile_id, source_id))
            if profile_id in rows.select_lineage(connection, source_id, precision):
                raise StoreError(
                    f"{own.device_name} cannot start from the LUT of {source.device_name}, which "
                    f"is its own or was started from it (device profile {source_id}). "
                    "Name another device"
                )
            writing.replace_source(connection, profile_id, precision, source_id)

    def check_transfer(
        self, space: Space, profile_id: str, precision: str
    ) -> dict[str, TransferCheck]:
        """What held-out networks say of the LUT's transfer, by name of the phase.

        Phases that no network was measured in are left out: all, where the profile has no source.

        Raises:
            StoreError: no such profile.
        """
        with self._database.reading() as connection:
            profile = _known(rows.select_profiles(connection, None), profile_id)
            sources = rows.select_lineage(connection, profile_id, precision)[1:]
            measured = _measured(connection, profile, precision)
        if not sources:
            return {}
        checks = check_transfer(self.lut(sources[0], precision), measured)
        groups = {phase.name: group_of(space.name, phase.key) for phase in space.phases}
        return {name: checks[group] for name, group in groups.items() if group in checks}

    def _keep_fit(self, lut: Lut, revision: str) -> None:
        """Never waits for another writer, nor fails: the next reader can fit the LUT as well."""
        try:
            with self._database.writing(wait_s=0) as connection:
                writing.replace_fit(
                    connection, lut.profile.id, lut.precision, revision, lut_to_json(lut)
                )
        except StoreError as exc:
            logger.info("%s: its fitted LUT is not kept: %s", lut.profile.device_name, exc)

    def export_parquet(self, profile_id: str, path: Path) -> None:
        """Writes all that was measured under a profile to one file, raw samples included.

        Raises:
            StoreError: no such profile, or the file cannot be written.
        """
        with self._database.reading() as connection:
            profile = _known(rows.select_profiles(connection, None), profile_id)
            networks = rows.select_networks(connection, profile_id)
            costs = rows.select_costs(connection)
            ceilings = rows.select_ceilings(connection, profile_id)
        used = {s.key for network in networks for phase in network.shares for s in phase}
        kept = {key: cost for key, cost in costs.items() if key in used}
        write_archive(path, Archive(profile, networks, kept, ceilings))

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
            if archive.ceilings is not None:
                writing.raise_ceilings(connection, profile.id, archive.ceilings)
        return profile


def _revision(connection: Connection, lineage: Sequence[str]) -> str:
    """Text that changes with whatever the LUT of the first of these profiles is fitted from."""
    named = (f"{number}:{rows.select_revision(connection, number)}" for number in lineage)
    return f"{FIT_VERSION}-" + "<".join(named)


def _measured(connection: Connection, profile: DeviceProfile, precision: str) -> Measured:
    canary = canary_state(rows.select_canaries(connection, profile.id))
    costs = rows.select_costs(connection, profile.id, precision)
    records = rows.select_memory(connection, profile.id, precision)
    models = {space: fit_memory(found, costs) for space, found in records.items()}
    return Measured(
        profile=profile,
        precision=precision,
        tables=rows.select_tables(connection, profile.id, precision, canary),
        costs=costs,
        canary=canary,
        memory={space: model for space, model in models.items() if model is not None},
    )


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


def _is_of(space: Space, network: StoredNetwork) -> bool:
    """Whether it is of this part of its space, and ran the segments that `space` makes of it."""
    record = network.record
    try:
        segments = space.segments(space.parse(record.architecture_json))
    except InvalidArchitecture:
        return False
    ran = (
        (timing.phase, [share.key for share in shares])
        for timing, shares in zip(record.phases, network.shares, strict=True)
    )
    return list(ran) == [
        (phase.key, [s.key(phase, record.precision) for s in segments]) for phase in space.phases
    ]


def _known(profiles: Sequence[DeviceProfile], profile_id: str) -> DeviceProfile:
    for profile in reversed(profiles):  # the device that had it last
        if profile.id == profile_id:
            return profile
    raise StoreError(f"no device profile {profile_id!r} is in the storage")
