"""The front of a study: what was evaluated, with measurements in the place of predictions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.front_row import Dropped, FrontRow
from nas.pareto import non_dominated
from nas.study import StudySettings, read_settings
from search_spaces import Space

_MEASURED = "measured:"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A network of a study as the device measured it whole."""

    latency_ms: float
    low_ms: float
    high_ms: float
    p90_ms: float
    memory_mib: float | None
    runs: int
    quality: str


@dataclass(frozen=True, kw_only=True)
class Front:
    """What a study has come to."""

    rows: tuple[FrontRow, ...]
    """Non-dominated and within the budgets, fastest first."""
    evaluated: tuple[FrontRow, ...]
    dropped: tuple[Dropped, ...]
    """Within the budgets by prediction, over them when measured."""

    @property
    def least_violating(self) -> FrontRow | None:
        """Where nothing meets the budgets: the network that misses them by the least share."""
        return None if self.rows or not self.evaluated else self.evaluated[0]


def record_measurement(study: optuna.Study, architecture_id: str, measured: Measured) -> None:
    """Keeps a measurement with the study; it takes the place of the prediction from now on."""
    study.set_user_attr(_MEASURED + architecture_id, asdict(measured))


def read_front(study: optuna.Study, space: Space) -> Front:
    """The study's front as of now.

    Raises:
        StudyError: the study is not one of ours.
    """
    settings = read_settings(study)
    measured = {
        key.removeprefix(_MEASURED): Measured(**record)
        for key, record in study.user_attrs.items()
        if key.startswith(_MEASURED)
    }
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    rows = [
        _row(trial, space, settings, measured)
        for trial in trials
        if "duplicate_of" not in trial.user_attrs
    ]
    rows.sort(key=lambda row: (violation(row, settings), row.shown_ms))
    within = [row for row in rows if violation(row, settings) == 0]
    keep = non_dominated(_points(within))
    return Front(
        rows=tuple(row for row, kept in zip(within, keep, strict=True) if kept),
        evaluated=tuple(rows),
        dropped=tuple(
            Dropped(row, _reason(row, settings))
            for row in rows
            if row.verified and violation(row, settings) > 0
        ),
    )


def violation(row: FrontRow, settings: StudySettings) -> float:
    """The largest share by which a budget is exceeded; 0 within all of them.

    Latency counts with the high end of its interval, measured where there is a measurement.
    """
    shares = [0.0]
    if settings.max_latency_ms is not None:
        shares.append(row.shown_high_ms / settings.max_latency_ms - 1)
    if settings.max_memory_mib is not None:
        shares.append(row.shown_memory_mib / settings.max_memory_mib - 1)
    return max(shares)


def _row(
    trial: FrozenTrial, space: Space, settings: StudySettings, measured: dict[str, Measured]
) -> FrontRow:
    attributes = trial.user_attrs
    architecture = space.parse(attributes["architecture"])
    on_device = measured.get(architecture.id)
    quality, latency_ms, memory_mib = trial.values
    return FrontRow(
        trial=trial.number,
        architecture=architecture,
        quality=quality,
        quality_name=settings.objective,
        standard_error=attributes.get("standard_error"),
        latency_ms=latency_ms,
        low_ms=attributes["low_ms"],
        high_ms=attributes["high_ms"],
        memory_mib=memory_mib,
        prefill_ms=attributes.get("prefill_ms"),
        params=attributes["params"],
        macs=attributes["macs"],
        verified=on_device is not None,
        measured_ms=on_device.latency_ms if on_device else None,
        measured_low_ms=on_device.low_ms if on_device else None,
        measured_high_ms=on_device.high_ms if on_device else None,
        measured_memory_mib=on_device.memory_mib if on_device else None,
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
