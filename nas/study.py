"""A study of ours in an Optuna storage: made, and found again with its settings."""

import contextlib
import difflib
import json
import shlex
import sqlite3
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.study import StudyDirection
from sqlalchemy.exc import SQLAlchemyError

from latency_lut import StoreError, driver_url, open_store, shown_url
from nas.accuracy.checkpoint import digest
from nas.accuracy.method import SUPERNET
from nas.errors import BadInput, UnknownStudy
from nas.front_row import QualityName
from nas.trial_storage import TrialStorage
from search_spaces import FP32, Task, read_task

_SETTINGS = "edge_nas"
_PROFILE = "edge_nas_device_profile"
_COMMANDS = "edge_nas_commands"
_GAIN = "edge_nas_remaining_gain"
_SUPERNET = "edge_nas_supernet"
_ACCURACY_MINUTES = "edge_nas_accuracy_minutes"
_FORMAT = 2  # raised when the attributes of ours change their meaning
_SQLITE_WAIT_S = 60  # our choice: how long a writer waits for another one
_HEARTBEAT_S = 15  # our choice; a worker silent for four beats is dead


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What a study searches, for whom; fixed when it is made."""

    space: str
    only: tuple[str, ...] = ()
    """Restrictions of the space, as given on the command line."""
    task: Task
    """Shapes at the two ends of the networks, so that the space is known without the data."""
    data: str
    device: str
    precision: str
    objective: QualityName
    """`accuracy` (higher is better) or `bits_per_byte` (lower is better)."""
    accuracy: str = SUPERNET
    """How accuracies were found, as `--accuracy` names it."""
    supernet: str
    """File of the trained supernet, where there is one."""
    sampler: str
    max_latency_ms: float | None = None
    max_memory_mib: float | None = None

    @property
    def profile_command(self) -> str:
        """A shell line that fills the LUT for what is searched."""
        words = ["nas", "profile", "--space", self.space, "--data", self.data]
        words += ["--device", self.device]
        if self.precision != FP32:
            words += ["--precision", self.precision]
        for restriction in self.only:
            words += ["--only", restriction]
        return shlex.join(words)

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
        BadInput: not a storage, one that another version wrote, another program's file, or out of
            reach.
    """
    try:
        with open_store(url):  # LUT and studies share a storage, and Optuna would write into any
            pass
    except StoreError as exc:
        raise BadInput(str(exc)) from exc
    try:
        with _experimental():
            return TrialStorage(
                driver_url(url),
                engine_kwargs=_engine_arguments(url),
                heartbeat_interval=_HEARTBEAT_S,
                grace_period=4 * _HEARTBEAT_S,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=1),
            )
    except (SQLAlchemyError, RuntimeError, ImportError, ValueError) as exc:
        reason = str(exc).splitlines()[0]
        raise BadInput(
            f"{shown_url(url)} cannot be used as a storage: {reason}. "
            "Give another one with --storage, or upgrade it with: optuna storage upgrade"
        ) from exc


def _engine_arguments(url: str) -> dict[str, object]:
    if not url.startswith("sqlite"):
        return {"pool_pre_ping": True}  # a server that was restarted meanwhile is connected anew
    return {
        "connect_args": {"timeout": _SQLITE_WAIT_S},
        "pool_events": [(_commit_without_waiting_for_the_disk, "connect")],
    }


def _commit_without_waiting_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    """A trial is several commits, and a disk may take longer over one than all the rest takes.

    A killed process loses nothing, a power failure the last trials at most.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


def check_settings(
    storage: optuna.storages.BaseStorage, name: str, settings: StudySettings
) -> None:
    """Raises BadInput if there is a study of that name that was made with other settings."""
    if name in optuna.study.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        if not _is_being_made(study, settings):
            _check_same(name, read_settings(study), settings)


def create_study(
    storage: optuna.storages.BaseStorage,
    name: str,
    settings: StudySettings,
    device_profile: str,
    sampler: optuna.samplers.BaseSampler,
) -> optuna.Study:
    """The study of that name, made if it is not there; several workers may ask at once.

    Args:
        storage: of `open_storage`.
        name: of the study.
        settings: what it searches.
        device_profile: id of the one whose LUT predicts; a study keeps the first it was given.
        sampler: for the trials of this process.

    Raises:
        BadInput: a study of that name was made with other settings.
    """
    check_settings(storage, name, settings)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        directions=settings.directions,
        load_if_exists=True,
    )
    if _SETTINGS not in study.user_attrs:
        with _experimental():
            study.set_metric_names(settings.metric_names)
        study.set_user_attr(_PROFILE, device_profile)
        study.set_user_attr(_SETTINGS, {"format": _FORMAT, **asdict(settings)})
        check_settings(storage, name, settings)  # of workers with other settings one was last
    return study


def _is_being_made(study: optuna.Study, settings: StudySettings) -> bool:
    """By another worker, or by one that was killed before it said what the study is for."""
    untold = not study.user_attrs.keys() & {_SETTINGS, _COMMANDS}
    ours = study.directions == settings.directions
    return untold and ours and not study.get_trials(deepcopy=False)


def pinned_profile(storage: optuna.storages.BaseStorage, name: str) -> str | None:
    """The device profile of the study of that name; None when there is no such study."""
    if name not in optuna.study.get_all_study_names(storage):
        return None
    study = optuna.load_study(study_name=name, storage=storage)
    return read_device_profile(study) if _PROFILE in study.user_attrs else None


def read_device_profile(study: optuna.Study) -> str:
    """Id of the device profile that the study was made for."""
    return str(study.user_attrs[_PROFILE])


def add_command(study: optuna.Study, command: str) -> None:
    """Keeps a command line that worked on the study, for its report; repeated ones once."""
    commands = read_commands(study)
    if command not in commands:
        study.set_user_attr(_COMMANDS, [*commands, command])


def read_commands(study: optuna.Study) -> tuple[str, ...]:
    """The command lines that made the study, first to last."""
    return tuple(study.user_attrs.get(_COMMANDS, ()))


def set_remaining_gain(study: optuna.Study, gain: float) -> None:
    """Keeps what the sampler expected of its last proposal, as a share of the hypervolume."""
    study.set_user_attr(_GAIN, gain)


def read_remaining_gain(study: optuna.Study) -> float | None:
    """What the sampler expected of its last proposal; None where it does not say."""
    gain = study.user_attrs.get(_GAIN)
    return None if gain is None else float(gain)


def require_supernet(study: optuna.Study, file: Path) -> None:
    """Keeps which supernet a study is scored with; only that one may score more of its networks.

    Raises:
        BadInput: the file is another one, so that scores would not compare.
    """
    ours = digest(file)
    if study.user_attrs.get(_SUPERNET) is None:
        study.set_user_attr(_SUPERNET, ours)
    if study.user_attrs[_SUPERNET] != ours:  # asked again: others may have been first
        raise BadInput(
            f"{file} is not the supernet that study {study.study_name!r} is scored with: copy that "
            "one here from where its search began, or begin another study"
        )


def set_accuracy_minutes(study: optuna.Study, minutes: float | None) -> None:
    """Keeps how long a function of the user's may take for a network, where the user said so."""
    if minutes is not None:
        study.set_user_attr(_ACCURACY_MINUTES, minutes)


def read_accuracy_minutes(study: optuna.Study) -> float | None:
    """As the last search that said so."""
    minutes = study.user_attrs.get(_ACCURACY_MINUTES)
    return None if minutes is None else float(minutes)


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
    record["only"], record["task"] = tuple(record["only"]), read_task(record["task"])
    return StudySettings(**record)


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
