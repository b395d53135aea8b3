"""The two shapes of a record: as `crm.item.*` has it, and flat as the hub's mapping wants it.

Phones and e-mails of one record are one list over there ("fm"), here one value each: PHONE, EMAIL, WEB, IM, of
`{"id": 101, "value": "+7...", "enum_code": "WORK"}`. The stage of a deal is told without the prefix of its pipeline:
"C5:WON" in pipeline 5 is "WON", so that the closing stages are called the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value

TYPES = {"leads": 1, "deals": 2, "contacts": 3, "companies": 4}
WORDS = {"leads": "lead", "deals": "deal", "contacts": "contact", "companies": "company"}
MULTI = ("PHONE", "EMAIL", "WEB", "IM")
MARKER, ORIGIN = "originId", "hub"
FULL_NAME = "fullName"
NAMES = ("name", "secondName", "lastName")
CONVERTED = "CONVERTED"
_APART = frozenset({"id", "fm", "entityTypeId"})
_PREFIX = re.compile(r"C\d+:")
Row = Mapping[str, Any]


def flat(kind: str, row: Row) -> Record:
    """A row of a list, or what an add or update answered."""
    values: dict[str, Value] = {key: value for key, value in row.items() if key not in _APART}
    if isinstance(row.get("fm"), list):
        values |= {kind_of: _multi(row["fm"], kind_of) for kind_of in MULTI}
    if kind == "deals" and isinstance(row.get("stageId"), str):
        values["stageId"] = _PREFIX.sub("", row["stageId"], count=1)
    if kind == "contacts" and set(NAMES) <= row.keys():
        values[FULL_NAME] = " ".join(str(row[name]).strip() for name in NAMES if row[name])
    stamp = row.get("updatedTime")
    return Record(
        kind, str(row["id"]), values, version=str(stamp or ""), updated_at=moment(stamp), links=_links(kind, row)
    )


def moment(stamp: Any) -> datetime | None:
    """A change time, None for what is none."""
    try:
        told = datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        return None
    return told.astimezone(UTC) if told.tzinfo else None


def _multi(rows: Sequence[Any], wanted: str) -> list[dict[str, Any]]:
    return [{"id": one.get("id"), "value": one.get("value"), "enum_code": one.get("valueType") or ""}
            for one in rows if isinstance(one, dict) and one.get("typeId") == wanted]  # fmt: skip


def _links(kind: str, row: Row) -> dict[str, tuple[str, ...]]:
    """A missing link is 0 over there."""
    found = {
        "contacts": _refs(row, "contactIds", "contactId") if kind != "contacts" else (),
        "companies": _refs(row, "companyIds", "companyId") if kind != "companies" else (),
        "leads": _refs(row, "", "leadId") if kind == "deals" else (),
    }
    return {name: refs for name, refs in found.items() if refs}


def _refs(row: Row, many: str, one: str) -> tuple[str, ...]:
    told = row.get(many)
    every = told if isinstance(told, list) and told else [row.get(one)]
    return tuple(str(ref) for ref in every if ref and str(ref).isdecimal() and int(ref))


def fields(kind: str, values: Mapping[str, Value], *, new: bool, held: Sequence[Row] = ()) -> dict[str, Any]:
    """What to send of these values. `held` is the record's present "fm", needed when a list of phones changes."""
    told = {key: value for key, value in values.items() if key and key not in MULTI and key != FULL_NAME}
    if kind == "leads":
        told.pop("categoryId", None)
    if kind == "deals" and "categoryId" in told and "stageId" in told:
        told["stageId"] = stage_id(str(told["categoryId"]), str(told["stageId"]))
    if told.get(MARKER):
        told["originatorId"] = ORIGIN
    if kind == "contacts" and not any(told.get(name) for name in NAMES) and (new or values.get(FULL_NAME)):
        told["name"] = values.get(FULL_NAME) or _some_name(values)
    if lists := {name: values[name] for name in MULTI if name in values}:
        told["fm"] = _added(lists) if new else _changed(lists, held)
    return {key: value for key, value in told.items() if value != {}}


def stage_id(pipeline: str, stage: str) -> str:
    """A stage by the name that is its own in the whole account."""
    return stage if pipeline in {"", "0"} or _PREFIX.match(stage) else f"C{pipeline}:{stage}"


def linked(kind: str, links: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Fields that hold links; the first contact is the main one."""
    told: dict[str, Any] = {}
    for name, refs in links.items():
        if name == "contacts":
            told["contactIds"] = list(refs)
        elif name == "companies" and kind == "contacts":
            told["companyIds"] = list(refs)
        elif name == "companies":
            told["companyId"] = refs[0] if refs else 0
        elif name == "leads":
            told["leadId"] = refs[0] if refs else 0
    return told


def _some_name(values: Mapping[str, Value]) -> str:
    """A contact must have a name over there; a person of whom we know a phone only is called by it."""
    told = [one for name in ("PHONE", "EMAIL") for one in _parts(values.get(name))]
    return told[0]["value"] if told else "?"


def _parts(value: Value) -> list[dict[str, Any]]:
    """The parts of a multifield, whether texts or values with a type."""
    parts = value if isinstance(value, list) else [] if value in (None, "") else [value]
    return [part if isinstance(part, dict) else {"value": str(part)} for part in parts]


def _entry(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    return {"typeId": name, "valueType": part.get("enum_code") or "WORK", "value": part.get("value")}


def _added(lists: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [_entry(name, part) for name, value in lists.items() for part in _parts(value) if part.get("value")]


def _changed(lists: Mapping[str, Value], held: Sequence[Row]) -> dict[str, Any]:
    """Entries by their id; those that are wished no more are sent blank, which deletes them."""
    told: dict[str, Any] = {}
    for name, value in lists.items():
        have = {str(one.get("id")): one for one in held if isinstance(one, dict) and one.get("typeId") == name}
        same = {one.get("value"): ref for ref, one in have.items()}
        wished = [(str(part.get("id") or same.get(part["value"])), part) for part in _parts(value) if part.get("value")]
        kept = {ref for ref, _ in wished} & have.keys()
        told |= {ref: {"typeId": name, "value": ""} for ref in have if ref not in kept}
        for ref, part in wished:
            entry = _entry(name, part)
            if ref not in kept:
                told[f"n{len(told)}"] = entry
            elif any(have[ref].get(key) != entry[key] for key in ("value", "valueType")):
                told[ref] = entry
    return told
