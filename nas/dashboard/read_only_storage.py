"""An Optuna storage that can be looked at and not written, whatever is asked of it.

Two walls: the view refuses every writing method, and the database connection below it is told by
the database itself to refuse writes. An SQLite reader of a few rows at a time keeps no lock
between statements, so a running search waits for it no longer than for another worker.
"""

import copy
import sqlite3
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from latency_lut import StoreError, driver_url, shown_url
from nas.errors import BadInput, StudyError

_SQLITE_WAIT_S = 60  # our choice: how long a reader waits for a search to end its commit

# Optuna 5 keeps a constraint in a system attribute each, `constraints:NAME`; the dashboard reads
# the list under `constraints` that Optuna 4 wrote, and without it takes every trial for feasible.
_CONSTRAINTS = "constraints"


def open_read_only(url: str) -> "ReadOnlyStorage":
    """The studies at `url`; nothing is created there.

    Raises:
        BadInput: nothing there, no studies in it, another version of Optuna's, or out of reach.
    """
    try:
        shown = shown_url(url)
    except StoreError as exc:
        raise BadInput(str(exc)) from exc
    _check_file(url, shown)
    try:
        backend = optuna.storages.RDBStorage(
            driver_url(url), engine_kwargs=_engine_arguments(url), skip_table_creation=True
        )
    except StorageInternalError as exc:
        raise BadInput(f"{shown} {_database_reason(exc)}") from exc
    except (SQLAlchemyError, RuntimeError, ImportError, ValueError, StoreError) as exc:
        reason = str(exc).splitlines()[0]
        raise BadInput(f"{shown} cannot be read: {reason}") from exc
    return ReadOnlyStorage(optuna.storages.get_storage(backend))


class ReadOnlyStorage(BaseStorage):
    """A view of another storage: reads go through, writes raise `StudyError`.

    Trials carry their constraints as the dashboard expects them. Safe to use from many threads if
    the storage below is.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def get_study_id_from_name(self, study_name: str) -> int:
        """As the storage below."""
        return self._storage.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        """As the storage below."""
        return self._storage.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """As the storage below."""
        return self._storage.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """As the storage below."""
        return self._storage.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """As the storage below."""
        return self._storage.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[Any]:
        """As the storage below, oldest first."""
        return sorted(self._storage.get_all_studies(), key=lambda study: study._study_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """As the storage below, with the constraints listed."""
        return with_listed_constraints(self._storage.get_trial(trial_id))

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """As the storage below, with the constraints listed."""
        trials = self._storage.get_all_trials(study_id, deepcopy=deepcopy, states=states)
        return [with_listed_constraints(trial) for trial in trials]

    def remove_session(self) -> None:
        """Gives the connection of this thread back."""
        self._storage.remove_session()

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        """Refused."""
        _refuse()

    def delete_study(self, study_id: int) -> None:
        """Refused."""
        _refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Refused."""
        _refuse()

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Refused."""
        _refuse()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Refused."""
        _refuse()

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Refused."""
        _refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refused."""
        _refuse()


def with_listed_constraints(trial: FrozenTrial) -> FrozenTrial:
    """The trial with its named constraints as the list that the dashboard reads, sorted by name.

    The trial given may be shared with a cache and stays as it is.
    """
    if not trial.constraints:
        return trial
    others = {
        key: value
        for key, value in trial.system_attrs.items()
        if not key.startswith(f"{_CONSTRAINTS}:")
    }
    listed = [value for _, value in sorted(trial.constraints.items())]
    changed = copy.copy(trial)
    changed.system_attrs = {**others, _CONSTRAINTS: listed}
    return changed


def _refuse() -> NoReturn:
    raise StudyError("the dashboard only shows studies; change them with the nas commands")


def _database_reason(error: StorageInternalError) -> str:
    """What the database itself said, which Optuna keeps as the cause."""
    said = str(getattr(error.__cause__, "orig", error.__cause__)).splitlines()[0]
    if "no such table" in said or "does not exist" in said:  # SQLite and PostgreSQL
        return "holds no studies yet; make one with: nas search"
    return f"cannot be read: {said}"


def _check_file(url: str, shown: str) -> None:
    """SQLite would make an empty file on looking for one."""
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite":
        return
    if not parts.database or not Path(parts.database).is_file():
        raise BadInput(f"{shown}: no such file; make a study with: nas search")


def _engine_arguments(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "sqlite":
        return {
            "connect_args": {"timeout": _SQLITE_WAIT_S},
            "pool_events": [(_forbid_writes, "connect")],
        }
    return {"execution_options": {"postgresql_readonly": True}, "pool_pre_ping": True}


def _forbid_writes(connection: sqlite3.Connection, _record: object) -> None:
    """Unlike a file opened read-only, this still recovers from a search killed in mid-commit."""
    connection.execute("PRAGMA query_only = ON")
