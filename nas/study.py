"""A study of ours in an Optuna storage: made, and found again with its settings."""

import contextlib
import difflib
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from sqlalchemy.exc import SQLAlchemyError

from nas.errors import BadInput, UnknownStudy
from nas.front_row import QualityName

_SETTINGS = "edge_nas"
_FORMAT = 1  # raised when the attributes below change their meaning
_SQLITE_WAIT_S = 60  # our choice: how long a writer waits for another one
_HEARTBEAT_S = 15  # our choice; a worker silent for four beats is dead


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What a study searches, for whom; fixed when it is made."""

    space: str
    only: tuple[str, ...] = ()
    """Restrictions of the space, as given on the command line."""
    data: str
    device: str
    precision: str
    objective: QualityName
    """`accuracy` (higher is better) or `bits_per_byte` (lower is better)."""
    supernet: str
    """File of the trained supernet."""
    sampler: str
    max_latency_ms: float | None = None
    max_memory_mib: float | None = None

    @property
    def directions(self) -> list[StudyDirection]:
        """Of the objectives, in the order of `metric_names`."""
        up, down = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE
        return [up if self.objective == "accuracy" else down, down, down]

    @property
    def metric_names(self) -> list[str]:
        """Names of the objectives."""
        return [self.objective, "latency_ms", "memory_mib"]


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """The Optuna storage at `url`; an SQLite file and its folder are made when not there.

    Raises:
        BadInput: not a storage, one that another version of Optuna wrote, or out of reach.
    """
    arguments: dict[str, Any] = {}
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        arguments = {"connect_args": {"timeout": _SQLITE_WAIT_S}}
    try:
        with _experimental():
            return optuna.storages.RDBStorage(
                url,
                engine_kwargs=arguments,
                heartbeat_interval=_HEARTBEAT_S,
                grace_period=4 * _HEARTBEAT_S,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=1),
            )
    except (SQLAlchemyError, RuntimeError, ImportError, ValueError) as exc:
        reason = str(exc).splitlines()[0]
        raise BadInput(
            f"{url} cannot be used as a storage: {reason}. "
            "Give another one with --storage, or upgrade it with: optuna storage upgrade"
        ) from exc


def create_study(
    storage: optuna.storages.BaseStorage,
    name: str,
    settings: StudySettings,
    sampler: optuna.samplers.BaseSampler,
) -> optuna.Study:
    """The study of that name, made if it is not there.

    Raises:
        BadInput: a study of that name was made with other settings.
    """
    if name in optuna.study.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage, sampler=sampler)
        _check_same(name, read_settings(study), settings)
        return study
    study = optuna.create_study(
        study_name=name, storage=storage, sampler=sampler, directions=settings.directions
    )
    with _experimental():
        study.set_metric_names(settings.metric_names)
    study.set_user_attr(_SETTINGS, {"format": _FORMAT, **asdict(settings)})
    return study


def load_study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """The study of that name.

    Raises:
        UnknownStudy: there is none; the nearest name is told.
    """
    names = optuna.study.get_all_study_names(storage)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(names) or '-'}"
        raise UnknownStudy(f"no study {name!r} in this storage{hint}")
    return optuna.load_study(study_name=name, storage=storage)


def read_settings(study: optuna.Study) -> StudySettings:
    """What the study was made with.

    Raises:
        BadInput: it is not one of ours, or of another version.
    """
    record = dict(study.user_attrs.get(_SETTINGS, {}))
    if record.pop("format", None) != _FORMAT:
        raise BadInput(
            f"study {study.study_name!r} was not made by this version of nas search; "
            "take another name with --study"
        )
    return StudySettings(**{**record, "only": tuple(record["only"])})


@contextlib.contextmanager
def _experimental() -> Iterator[None]:
    """Optuna warns that metric names and heartbeats may change; our pins know which they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _check_same(name: str, old: StudySettings, new: StudySettings) -> None:
    for key, was in asdict(old).items():
        now = asdict(new)[key]
        if key != "sampler" and _plain(was) != _plain(now):
            raise BadInput(
                f"study {name!r} was made with {key} = {_plain(was)}, not {_plain(now)}; "
                "give the same, or another name with --study"
            )


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=list)
