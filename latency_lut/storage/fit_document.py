"""A fitted LUT as JSON text, so that it is fitted once and read often."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from latency_lut.canary import CanaryState
from latency_lut.device_profile import DeviceProfile
from latency_lut.fit.entry import Entry
from latency_lut.fit.lut import GroupFit, Lut
from latency_lut.fit.network_term import CacheTerm, NetworkTerm
from latency_lut.fit.repeats import RepeatError
from latency_lut.fit.self_check import CommonError
from latency_lut.memory import MemoryModel
from search_spaces import SegmentCost

FIT_VERSION = 11
"""Raised with every change of how a LUT is fitted, or of this document: older ones are dropped."""


def lut_to_json(lut: Lut) -> str:
    """All of a LUT but its profile, which stands beside it."""
    return json.dumps(
        {
            "entries": _columns(list(lut.entries.values()), Entry),
            "cost_keys": list(lut.costs),
            "costs": _columns(list(lut.costs.values()), SegmentCost),
            "canary": asdict(lut.canary),
            "groups": {name: asdict(group) for name, group in lut.groups.items()},
            "memory": {space: asdict(model) for space, model in lut.memory.items()},
        },
        separators=(",", ":"),
    )


def lut_from_json(text: str, profile: DeviceProfile, precision: str) -> Lut:
    """Reads what `lut_to_json` wrote."""
    document = json.loads(text)
    entries = [Entry(**row) for row in _rows(document["entries"], "samples_ns")]
    costs = [SegmentCost(**row) for row in _rows(document["costs"], "unknown_ops")]
    return Lut(
        profile=profile,
        precision=precision,
        entries={entry.key: entry for entry in entries},
        costs=dict(zip(document["cost_keys"], costs, strict=True)),
        canary=CanaryState(**document["canary"]),
        groups={name: _group(group) for name, group in document["groups"].items()},
        memory={space: _memory(model) for space, model in document["memory"].items()},
    )


def _columns(items: list[Any], kind: type) -> dict[str, list[object]]:
    """A list a field: names are written once, not once an item."""
    return {f.name: [getattr(item, f.name) for item in items] for f in fields(kind)}


def _rows(columns: Mapping[str, list[Any]], listed: str) -> list[dict[str, Any]]:
    """A dict an item; the field `listed` holds tuples, which JSON has not."""
    names = list(columns)
    rows = (dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return [{**row, listed: tuple(row[listed])} for row in rows]


def _memory(document: Mapping[str, Any]) -> MemoryModel:
    parts = {name: tuple(document[name]) for name in ("loading", "running")}
    return MemoryModel(**{**document, **parts})


def _group(document: Mapping[str, Any]) -> GroupFit:
    term, repeat = document["term"], document["repeat"]
    beyond, reloaded = tuple(CacheTerm(**part) for part in term["beyond"]), term["reloaded"]
    return GroupFit(
        NetworkTerm(**{**term, "beyond": beyond, "reloaded": reloaded and CacheTerm(**reloaded)}),
        CommonError(**document["common_error"]),
        None if repeat is None else RepeatError(**repeat),
        document["told_by"],
        document["slowdown"],
        document["own_ns"],
    )
