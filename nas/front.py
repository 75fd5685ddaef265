"""The front of a study: what was evaluated, with measurements in the place of predictions."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.front_row import Dropped, FrontRow
from nas.pareto import non_dominated
from nas.study import StudySettings, read_device_profile, read_settings
from search_spaces import Architecture, Space

_MEASURED = "edge_nas_measured"
_FAILED = "edge_nas_failed"
_EXPECTED = "edge_nas_expected"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A network of a study as the device measured it whole."""

    latency_ms: float
    low_ms: float
    high_ms: float
    p90_ms: float
    prefill_ms: float | None = None
    """Of a language network, whose `latency_ms` is that of decoding a token."""
    memory_mib: float | None
    runs: int
    quality: str


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The latency that a LUT which has learnt since predicts of a network not measured yet."""

    latency_ms: float
    low_ms: float
    high_ms: float
    prefill_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Front:
    """What a study has come to."""

    rows: tuple[FrontRow, ...]
    """Non-dominated and within the budgets, fastest first."""
    evaluated: tuple[FrontRow, ...]
    dropped: tuple[Dropped, ...]
    """Over the budgets when measured, or not to be run by the device at all."""

    @property
    def least_violating(self) -> FrontRow | None:
        """Where nothing meets the budgets: the network that misses them by the least share."""
        if self.rows or not self.evaluated:
            return None
        runs = (row for row in self.evaluated if row.trial not in self.failed)
        return next(runs, self.evaluated[0])

    @property
    def failed(self) -> dict[int, str]:
        """Reasons by trial of the networks that the device could not run."""
        return {item.row.trial: item.reason for item in self.dropped if not item.row.verified}


def record_measurement(
    study: optuna.Study, device_profile: str, architecture_id: str, measured: Measured
) -> None:
    """Keeps a measurement with the study; it takes the place of the prediction from now on."""
    study.set_user_attr(f"{_MEASURED}:{device_profile}:{architecture_id}", asdict(measured))


def read_measurements(study: optuna.Study, device_profile: str) -> dict[str, Measured]:
    """What the device measured, by architecture id."""
    found = _attributes(study, _MEASURED, device_profile)
    return {key: Measured(**record) for key, record in found}


def record_failure(
    study: optuna.Study, device_profile: str, architecture_id: str, reason: str | None
) -> None:
    """Keeps why the device could not run a network, which leaves the front; None forgets it."""
    study.set_user_attr(f"{_FAILED}:{device_profile}:{architecture_id}", reason)


def read_failures(study: optuna.Study, device_profile: str) -> dict[str, str]:
    """Reasons by architecture id."""
    return {
        key: str(reason)
        for key, reason in _attributes(study, _FAILED, device_profile)
        if reason is not None
    }


def record_expected(study: optuna.Study, expected: Mapping[str, Expected]) -> None:
    """Keeps later predictions by architecture id, in the place of all kept before.

    They count until a network is measured: a verified one is shown with what was predicted before.
    """
    record = {key: asdict(value) for key, value in expected.items()}
    if record != study.user_attrs.get(_EXPECTED):
        study.set_user_attr(_EXPECTED, record)


def read_front(study: optuna.Study, space: Space, device_profile: str | None = None) -> Front:
    """The study's front as of now.

    Args:
        study: of `space`.
        space: that was searched.
        device_profile: whose measurements count; the study's own if not given.

    Raises:
        BadInput: the study is not one of ours.
    """
    settings = read_settings(study)
    profile = device_profile or read_device_profile(study)
    measured = read_measurements(study, profile)
    expected = {k: Expected(**found) for k, found in study.user_attrs.get(_EXPECTED, {}).items()}
    failures = read_failures(study, profile)
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    rows = [
        _row(trial, space, settings, measured, expected)
        for trial in trials
        if "duplicate_of" not in trial.user_attrs
    ]
    rows.sort(key=lambda row: (violation(row, settings), row.shown_ms))
    runs = [row for row in rows if row.architecture.id not in failures]
    within = [row for row in runs if violation(row, settings) == 0]
    keep = non_dominated(_points(within))
    return Front(
        rows=tuple(row for row, kept in zip(within, keep, strict=True) if kept),
        evaluated=tuple(rows),
        dropped=tuple(
            Dropped(row, failures.get(row.architecture.id) or _reason(row, settings))
            for row in rows
            if row.architecture.id in failures or (row.verified and violation(row, settings) > 0)
        ),
    )


def _attributes(study: optuna.Study, kind: str, device_profile: str) -> Iterator[tuple[str, Any]]:
    """Architecture ids and values of what was kept of this kind for a device profile."""
    prefix = f"{kind}:{device_profile}:"
    for name, value in study.user_attrs.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def violation(row: FrontRow, settings: StudySettings) -> float:
    """The largest share by which a budget is exceeded; 0 within all of them."""
    return max([0.0, *excesses(row, settings).values()])


def excesses(row: FrontRow, settings: StudySettings) -> dict[str, float]:
    """Of each budget, by its name, the share by which it is exceeded; negative within.

    Latency counts with the high end of its interval, measured where there is a measurement.
    """
    shares = {}
    if settings.max_latency_ms is not None:
        shares["latency"] = row.shown_high_ms / settings.max_latency_ms - 1
    if settings.max_memory_mib is not None:
        shares["memory"] = row.shown_memory_mib / settings.max_memory_mib - 1
    return shares


def has_budget(settings: StudySettings) -> bool:
    """Whether there is anything to exceed."""
    return settings.max_latency_ms is not None or settings.max_memory_mib is not None


def measured_violations(study: optuna.Study, space: Space) -> dict[Architecture, float]:
    """Of the networks measured on the study's device; infinite where it could not run one."""
    settings, rows = read_settings(study), read_front(study, space).evaluated
    failures = read_failures(study, read_device_profile(study))
    found = {row.architecture: violation(row, settings) for row in rows if row.verified}
    failed = {row.architecture: math.inf for row in rows if row.architecture.id in failures}
    return found | failed


def _row(
    trial: FrozenTrial,
    space: Space,
    settings: StudySettings,
    measured: Mapping[str, Measured],
    expected: Mapping[str, Expected],
) -> FrontRow:
    attributes = trial.user_attrs
    architecture = space.parse(attributes["architecture"])
    on_device = measured.get(architecture.id)
    quality, latency_ms, memory_mib = trial.values
    told = Expected(
        latency_ms=latency_ms,
        low_ms=attributes["low_ms"],
        high_ms=attributes["high_ms"],
        prefill_ms=attributes.get("prefill_ms"),
    )
    prediction = told if on_device else expected.get(architecture.id, told)
    return FrontRow(
        trial=trial.number,
        architecture=architecture,
        quality=quality,
        quality_name=settings.objective,
        standard_error=attributes.get("standard_error"),
        latency_ms=prediction.latency_ms,
        low_ms=prediction.low_ms,
        high_ms=prediction.high_ms,
        memory_mib=memory_mib,
        prefill_ms=prediction.prefill_ms,
        params=attributes["params"],
        macs=attributes["macs"],
        verified=on_device is not None,
        measured_ms=on_device.latency_ms if on_device else None,
        measured_low_ms=on_device.low_ms if on_device else None,
        measured_high_ms=on_device.high_ms if on_device else None,
        measured_memory_mib=on_device.memory_mib if on_device else None,
        measured_prefill_ms=on_device.prefill_ms if on_device else None,
    )


def _points(rows: Sequence[FrontRow]) -> np.ndarray:
    sign = {"accuracy": -1.0, "bits_per_byte": 1.0}
    # Memory is compared as predicted, for all alike: a measured peak has an offset that a small LUT
    # does not know, and would put what was measured behind all that was not.
    points = [(sign[r.quality_name] * r.quality, r.shown_ms, r.memory_mib) for r in rows]
    return np.array(points, dtype=np.float64).reshape(len(rows), 3)


def _reason(row: FrontRow, settings: StudySettings) -> str:
    parts = []
    if settings.max_latency_ms is not None and row.shown_high_ms > settings.max_latency_ms:
        parts.append(
            f"up to {row.shown_high_ms:.3g} ms measured, budget {settings.max_latency_ms:g}"
        )
    if settings.max_memory_mib is not None and row.shown_memory_mib > settings.max_memory_mib:
        parts.append(f"{row.shown_memory_mib:.3g} MiB measured, budget {settings.max_memory_mib:g}")
    return "; ".join(parts)
