"""Unseen networks: what a device takes for networks that never taught the LUT.

They are measured whole, all of them once, and later all of them again in another order. Nothing is
measured again for being flagged: the repeat error is of single tries.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from latency_lut import NetworkRecord
from nas.bench.rivals import Fitted, blocks_alone
from nas.errors import BadInput
from nas.measuring.measurement import Rig
from nas.units import MS
from search_spaces import Architecture, SpaceError

_DRAWS = 50  # our choice, for each network wanted: a tiny space has few that were never measured

Floats = npt.NDArray[np.float64]
OnStep = Callable[[float, str], None]
"""Share done in [0, 1], and what is going on."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Unseen:
    """The same networks measured at two times; (n, phases) in ns, canary taken into account."""

    architectures: tuple[Architecture, ...]
    first_ns: Floats
    second_ns: Floats
    first_bytes: Floats
    """(n,) peak memory; NaN where it was not measured, or has taught the LUT since."""
    second_bytes: Floats
    alone: Fitted
    """Sums of their blocks, each timed alone between the two times."""


def measure_unseen(
    rig: Rig, networks: int, seed: int, *, on_step: OnStep = lambda *_: None
) -> Unseen:
    """Random networks of the space that never taught the LUT, measured now.

    Raises:
        BadInput: the space has too few of them.
        DeviceError: the device became unusable.
    """
    rng = np.random.default_rng(seed)
    sampled = _sampled(rig, networks, rng)
    first = _measured(rig, sampled, np.arange(networks), _part(on_step, "network", 0.0, 0.4))
    alone = blocks_alone(rig, sampled, _part(on_step, "block alone", 0.4, 0.2))
    order = rng.permutation(networks)
    second = _measured(rig, sampled, order, _part(on_step, "network again", 0.6, 0.4))
    return Unseen(
        architectures=tuple(sampled),
        first_ns=_latencies(rig, first),
        second_ns=_latencies(rig, second),
        first_bytes=_peaks(first),
        second_bytes=_peaks(second),
        alone=alone,
    )


def read_unseen(rig: Rig, path: Path) -> Unseen:
    """What an earlier `nas bench lut --json` measured on the same device profile.

    Latencies only: every network that is measured teaches what memory a network takes.

    Raises:
        BadInput: it is not such a file, of another device profile, space or precision, or one of
            its networks has taught the LUT since.
    """
    try:
        document = json.loads(path.read_text())
        of = {name: document[name] for name in ("device_profile", "space", "precision")}
        rows = document["networks"]
        architectures = tuple(
            rig.space.architecture(row["architecture"]["choices"]) for row in rows
        )
        first, second, alone = (
            np.array([[_ns(row[p.name][field]) for p in rig.space.phases] for row in rows])
            for field in ("measured_ms", "again_ms", "alone_ms")
        )
        spent = next(row for row in document["rows"] if row["by"] == "blocks timed alone")
        unseen = Unseen(
            architectures=architectures,
            first_ns=first,
            second_ns=second,
            first_bytes=np.full(len(rows), np.nan),
            second_bytes=np.full(len(rows), np.nan),
            alone=Fitted(alone, {name: spent[name] for name in ("minutes", "runs")}),
        )
    except OSError as exc:
        raise BadInput(f"{path} cannot be read: {exc.strerror}") from exc
    except (ValueError, LookupError, TypeError, StopIteration, SpaceError) as exc:
        raise BadInput(
            f"{path} was not written by nas bench lut --json for {rig.space.name}. "
            "Give the file of an earlier run"
        ) from exc
    _check_origin(rig, path, of)
    taught = _taught(rig) & {architecture.id for architecture in architectures}
    if taught:
        raise BadInput(
            f"{len(taught)} networks of {path} have taught the LUT since, {min(taught)} is one. "
            "Measure others: leave out --measured"
        )
    return unseen


def _ns(value_ms: float | None) -> float:
    """NaN where there is none: a block that the device does not run alone."""
    return math.nan if value_ms is None else value_ms / MS


def _check_origin(rig: Rig, path: Path, of: dict[str, Any]) -> None:
    here = {
        "device_profile": rig.profile.id,
        "space": rig.space.name,
        "precision": rig.precision,
    }
    for name, value in here.items():
        if of[name] != value:
            words = name.replace("_", " ")
            raise BadInput(f"{path} is of {words} {of[name]}, this is {words} {value}")


def _taught(rig: Rig) -> frozenset[str]:
    """Ids of the networks that the LUT was fitted to."""
    return rig.store.taught(rig.space, rig.profile.id, rig.precision)


def _part(on_step: OnStep, words: str, start: float, share: float) -> Callable[[int, int], None]:
    """Tells step n of m of a part that takes `share` of the whole."""
    return lambda n, m: on_step(start + share * n / m, f"{words} {n} of {m}")


def _sampled(rig: Rig, networks: int, rng: np.random.Generator) -> list[Architecture]:
    taught = _taught(rig)
    found: dict[str, Architecture] = {}
    for _ in range(_DRAWS * networks):
        architecture = rig.space.sample(rng)
        if architecture.id not in taught:
            found[architecture.id] = architecture
        if len(found) == networks:
            return list(found.values())
    raise BadInput(
        f"{rig.space.name} has only {len(found)} networks that never taught the LUT, "
        f"{networks} are wanted. Ask for fewer with --networks, or for more of the space"
    )


def _measured(
    rig: Rig,
    sampled: Sequence[Architecture],
    order: npt.NDArray[np.intp],
    on_network: Callable[[int, int], None],
) -> list[NetworkRecord]:
    """In the order of `sampled`, measured in another."""
    records: dict[int, NetworkRecord] = {}
    for number, i in enumerate(order, start=1):
        on_network(number, len(order))
        records[int(i)] = rig.measure(sampled[i], purpose="measure", nodes=False)
    return [records[i] for i in range(len(sampled))]


def _latencies(rig: Rig, records: Sequence[NetworkRecord]) -> Floats:
    return np.array([[p.latency_ns * rig.canary_scale(r) for p in r.phases] for r in records])


def _peaks(records: Sequence[NetworkRecord]) -> Floats:
    return np.array([np.nan if r.peak_bytes is None else r.peak_bytes for r in records], float)
