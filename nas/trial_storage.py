"""An Optuna storage that writes a trial in a few transactions, however many choices it has."""

import contextlib
import json
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Insert, Table, UniqueConstraint, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from nas.trial_rows import read_trial, read_trials

_STUDIES: Table = models.StudyModel.__table__
_TRIALS: Table = models.TrialModel.__table__
_PARAMS: Table = models.TrialParamModel.__table__
_VALUES: Table = models.TrialValueModel.__table__
_USER_ATTRS: Table = models.TrialUserAttributeModel.__table__
_SYSTEM_ATTRS: Table = models.TrialSystemAttributeModel.__table__
_HEARTBEATS: Table = models.TrialHeartbeatModel.__table__

_OF_TRIAL = _TRIALS.c.trial_id == bindparam("of_trial")
_STATE = select(_TRIALS.c.state).where(_OF_TRIAL)
# Changes nothing, and is on SQLite and on PostgreSQL alike a lock until the transaction ends.
_LOCK = (
    update(_STUDIES)
    .where(_STUDIES.c.study_id == select(_TRIALS.c.study_id).where(_OF_TRIAL).scalar_subquery())
    .values(study_name=_STUDIES.c.study_name)
)


class TrialStorage(RDBStorage):
    """Optuna's own storage, tables and engine; only how trials are written and read differs.

    RDBStorage commits each choice and each attribute. Here they wait in this process until trials
    are read or the trial changes its state, and become part of that transaction. So a trial is to
    others what it is here, and a finished one is whole; a process that is killed takes along what
    its running trial had to say since trials were last read, and that trial is tried again.

    Transactions that write trials come one after the other in each study. Whoever reads a study's
    trials right after writing one has therefore seen, of all who do so, exactly those before.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unwritten: dict[tuple[Table, int, str], dict[str, Any]] = {}

    # Both through `get_trial`, which knows of what is not written yet.
    get_trial_user_attrs = BaseStorage.get_trial_user_attrs
    get_trial_system_attrs = BaseStorage.get_trial_system_attrs

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        if previous_distribution is None:  # the first of its name here: Optuna compares and writes
            super()._set_trial_param(trial_id, param_name, param_value_internal, distribution, None)
            return
        check_distribution_compatibility(previous_distribution, distribution)
        row = {
            "trial_id": trial_id,
            "param_name": param_name,
            "param_value": param_value_internal,
            "distribution_json": distribution_to_json(distribution),
        }
        self._unwritten.setdefault((_PARAMS, trial_id, param_name), row)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Replaces the attribute, once it is written."""
        row = {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        self._unwritten[_USER_ATTRS, trial_id, key] = row

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Replaces the attribute, once it is written."""
        row = {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        self._unwritten[_SYSTEM_ATTRS, trial_id, key] = row

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Writes all that is known of the trial; False if another has begun it.

        Raises:
            UpdateFinishedTrialError: it was finished, perhaps by one who took this one for dead.
        """
        with self._transaction() as connection:
            before = self._locked(connection, trial_id)
            if state == TrialState.RUNNING and before != TrialState.WAITING:
                return False
            for objective, value in enumerate(values or ()):
                stored, kind = models.TrialValueModel.value_to_stored_repr(value)
                row = {"objective": objective, "value": stored, "value_type": kind}
                self._upsert(connection, _VALUES, [{"trial_id": trial_id, **row}])
            changes: dict[str, Any] = {"state": state}
            if state == TrialState.RUNNING:
                changes["datetime_start"] = datetime.now()
                if self.heartbeat_interval is not None:
                    self._beat(connection, trial_id)  # Optuna's own come later
            if state.is_finished():
                changes["datetime_complete"] = datetime.now()
            connection.execute(update(_TRIALS).where(_OF_TRIAL), {"of_trial": trial_id, **changes})
        return True

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """The trial as it stands."""
        with self._transaction() as connection:
            return read_trial(connection, trial_id)

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        with self._transaction() as connection:
            trials = read_trials(connection, study_id, included_trial_ids, trial_id_greater_than)
        if not trials:
            self.get_study_name_from_id(study_id)  # raises KeyError where there is no such study
        return [trial for trial in trials if states is None or trial.state in states]

    def record_heartbeat(self, trial_id: int) -> None:
        """Says that the trial is being worked on; comes from a thread of its own."""
        # One beat more or less: a server that cannot be reached is for the trial itself to tell.
        with contextlib.suppress(SQLAlchemyError), self.engine.begin() as connection:
            self._beat(connection, trial_id)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """What was not written yet, and then the block."""
        try:
            with self.engine.begin() as connection:
                self._write(connection)
                yield connection
        except SQLAlchemyError as exc:
            raise StorageInternalError(
                f"the database refused: {str(exc).splitlines()[0]}; what was done so far is kept, "
                "the same command goes on"
            ) from exc

    def _write(self, connection: Connection) -> None:
        rows: dict[Table, list[dict[str, Any]]] = {}
        waiting = []
        while self._unwritten:
            waiting.append(self._unwritten.popitem())
        for trial_id in sorted({trial_id for (_, trial_id, _), _ in waiting}):
            self._locked(connection, trial_id)
            if self.heartbeat_interval is not None:
                self._beat(connection, trial_id)  # or nobody would notice that it died this early
        for (table, _, _), row in reversed(waiting):
            rows.setdefault(table, []).append(row)
        for table, of_table in rows.items():
            self._upsert(connection, table, of_table)

    def _beat(self, connection: Connection, trial_id: int) -> None:
        row = {"trial_id": trial_id, "heartbeat": func.current_timestamp()}
        connection.execute(_upsert(_HEARTBEATS, self.engine.name).values(row))

    def _locked(self, connection: Connection, trial_id: int) -> TrialState:
        """The state of a trial that is not finished, and stays so until the transaction ends."""
        connection.execute(_LOCK, {"of_trial": trial_id})
        state: TrialState | None = connection.execute(_STATE, {"of_trial": trial_id}).scalar()
        if state is None:
            raise KeyError(models.NOT_FOUND_MSG)
        self.check_trial_is_updatable(trial_id, state)
        return state

    def _upsert(
        self, connection: Connection, table: Table, rows: Sequence[dict[str, object]]
    ) -> None:
        connection.execute(_upsert(table, self.engine.name), rows)


@lru_cache
def _upsert(table: Table, dialect: str) -> Insert:
    """Inserts rows, or replaces those of which Optuna's table may hold one only."""
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    (unique,) = (c for c in table.constraints if isinstance(c, UniqueConstraint))
    fixed = {*unique.columns.keys(), *table.primary_key.columns.keys()}
    return insert.on_conflict_do_update(
        index_elements=unique.columns,
        set_={name: insert.excluded[name] for name in table.columns.keys() if name not in fixed},
    )
