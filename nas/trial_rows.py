"""Trials read out of Optuna's tables: two statements, however many choices they have."""

import json
import math
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    String,
    bindparam,
    cast,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

_BATCH = 1000  # our choice; each is five variables, of which SQLite takes 32,766
_NOT_FINITE = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}  # as Optuna names them


def read_trial(connection: Connection, trial_id: int) -> FrozenTrial:
    """One trial as it stands.

    Raises:
        KeyError: there is none of that id.
    """
    rows = connection.execute(_ONE, {"trial_id": trial_id}).all()
    if not rows:
        raise KeyError(models.NOT_FOUND_MSG)
    return _built(connection, rows)[0]


def read_trials(
    connection: Connection, study_id: int, included: Collection[int], newer_than: int
) -> list[FrozenTrial]:
    """Trials of a study that have one of these ids, or a higher one than that; by id."""
    asked = {"study_id": study_id, "included": list(included), "newer_than": newer_than}
    rows = connection.execute(_SOME, asked).all()
    batches = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    return [trial for batch in batches for trial in _built(connection, batch)]


_TRIALS = models.TrialModel.__table__.c
_ONE = select(models.TrialModel.__table__).where(_TRIALS.trial_id == bindparam("trial_id"))
_SOME = (
    select(models.TrialModel.__table__)
    .where(
        _TRIALS.study_id == bindparam("study_id"),
        or_(
            _TRIALS.trial_id > bindparam("newer_than"),
            _TRIALS.trial_id.in_(bindparam("included", expanding=True)),
        ),
    )
    .order_by(_TRIALS.trial_id)
)


def _details(
    field: str, model: type[models.BaseModel], key: str, number: str | None, text: str
) -> Select[Any]:
    columns = model.__table__.c
    place: ColumnElement[Any] = next(iter(model.__table__.primary_key))
    return select(
        literal_column(f"'{field}'").label("field"),
        columns.trial_id,
        place.label("place"),
        cast(columns[key], String).label("key"),
        (columns[number] if number else cast(null(), Integer)).label("number"),
        cast(columns[text], String).label("text"),
    ).where(columns.trial_id.in_(bindparam("trial_ids", expanding=True)))


_DETAILS = union_all(
    _details("params", models.TrialParamModel, "param_name", "param_value", "distribution_json"),
    _details("values", models.TrialValueModel, "objective", "value", "value_type"),
    _details("user", models.TrialUserAttributeModel, "key", None, "value_json"),
    _details("system", models.TrialSystemAttributeModel, "key", None, "value_json"),
    _details(
        "steps",
        models.TrialIntermediateValueModel,
        "step",
        "intermediate_value",
        "intermediate_value_type",
    ),
).order_by("place")


def _built(connection: Connection, trials: Sequence[Row[Any]]) -> list[FrozenTrial]:
    found: dict[int, dict[str, list[Row[Any]]]] = {
        row.trial_id: {"params": [], "values": [], "user": [], "system": [], "steps": []}
        for row in trials
    }
    for row in connection.execute(_DETAILS, {"trial_ids": list(found)}):
        found[row.trial_id][row.field].append(row)
    return [_trial(row, found[row.trial_id]) for row in trials]


def _trial(trial: Row[Any], details: dict[str, list[Row[Any]]]) -> FrozenTrial:
    distributions = {row.key: _distribution(row.text) for row in details["params"]}
    values = {int(row.key): _number(row) for row in details["values"]}
    return FrozenTrial(
        number=trial.number,
        state=trial.state,
        value=None,
        values=[value for _, value in sorted(values.items())] or None,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params={
            row.key: distributions[row.key].to_external_repr(row.number)
            for row in details["params"]
        },
        distributions=distributions,
        user_attrs={row.key: json.loads(row.text) for row in details["user"]},
        system_attrs={row.key: json.loads(row.text) for row in details["system"]},
        intermediate_values={int(row.key): _number(row) for row in details["steps"]},
        trial_id=trial.trial_id,
    )


@lru_cache(maxsize=1024)
def _distribution(text: str) -> BaseDistribution:
    """Shared by the trials of a study, which have the same; nobody changes one."""
    return json_to_distribution(text)


def _number(row: Row[Any]) -> float:
    return _NOT_FINITE[row.text] if row.text in _NOT_FINITE else float(row.number)
