"""Sets a Bitrix24 account up: fields, stages with their colours, pipelines and event handlers.

Every step may run again: what is there already under the same name, code or address is changed, not doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from connectors.contract import Step, digest
from connectors.crms.bitrix24.calls import Command, Rest
from connectors.crms.bitrix24.hooks import EVENTS, WAKE
from connectors.crms.bitrix24.schema import place, rows_of
from connectors.crms.bitrix24.shape import WORDS, stage_id
from connectors.errors import ConnectorError, Missing, Refuse, Retry, Unsupported

OWN = "UF_CRM_"
_SEMANTICS = {"won": "S", "lost": "F"}
_LAST = {"S": 9000, "F": 9100}  # where a pipeline of ours has its closing stages, so that ours fit before them
_MADE = {
    "text": "string", "textarea": "string", "number": "double", "bool": "boolean", "date": "date",
    "datetime": "datetime", "money": "money", "url": "url", "select": "string", "multi": "string",
}  # fmt: skip
"""Selections become texts: a list's values are numbers over there, and differ from account to account."""


def provision(rest: Rest, steps: Sequence[Step], *, app: bool, offline: bool) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    made: list[str] = []
    for step in steps:
        if step.what == "hook":
            made.append(_hook(rest, step, app=app, offline=offline))
        elif (act := _ACTS.get((step.what, step.action))) is not None:
            made.append(act(rest, step))
        else:
            raise Refuse(f"Bitrix24 cannot {step.action} a {step.what}")
    return made


def _act(rest: Rest, method: str, params: Mapping[str, Any]) -> Any:
    return rest.call(method, params)[0]


def _pipeline_made(rest: Rest, step: Step) -> str:
    """A new pipeline comes with the vendor's stages: those between the first and the closing ones are taken out."""
    name = str(step.values["name"])
    categories = rows_of(_act(rest, "crm.category.list", {"entityTypeId": 2}), "categories")
    if ref := next((str(one["id"]) for one in categories if one.get("name") == name), ""):
        return ref
    told = _act(rest, "crm.category.add", {"entityTypeId": 2, "fields": _named(step, "name", "sort")})
    category = told.get("category") if isinstance(told, dict) else None
    if not isinstance(category, dict) or not category.get("id"):
        raise Retry("Bitrix24's answer does not say which pipeline it made", effect=True)
    _furnish(rest, str(category["id"]), step.values.get("first") or {})
    return str(category["id"])


def _furnish(rest: Rest, ref: str, first: Mapping[str, Any]) -> None:
    rows = _act(rest, "crm.status.list", {"order": {"SORT": "ASC"}, "filter": {"ENTITY_ID": place(ref)}})
    commands: dict[str, Command] = {}
    opened = False
    for row in rows if isinstance(rows, list) else ():
        semantics, key = str(row.get("SEMANTICS") or ""), f"s{row['ID']}"
        if row.get("SYSTEM") != "Y":
            commands[key] = Command("crm.status.delete", {"id": row["ID"]})
        elif semantics:
            commands[key] = Command("crm.status.update", {"id": row["ID"], "fields": {"SORT": _LAST[semantics]}})
        elif first and not opened:
            told = Step("stage", "change", first)
            commands[key] = Command("crm.status.update", {"id": row["ID"], "fields": _named(told, "NAME", "SORT")})
            opened = True
    if commands:
        told_all = rest.batch(commands)
        for key in commands:
            told_all.done(key)


def _named(step: Step, name: str, position: str) -> dict[str, Any]:
    values = {name: step.values.get("name"), position: step.values.get("position")}
    if step.what == "stage":
        values["COLOR"] = step.values.get("colour")
    return {key: value for key, value in values.items() if value not in (None, "")}


def _pipeline_changed(rest: Rest, step: Step) -> str:
    _act(rest, "crm.category.update", {"entityTypeId": 2, "id": step.ref, "fields": _named(step, "name", "sort")})
    return step.ref


def _pipeline_removed(rest: Rest, step: Step) -> str:
    return _gone(rest, step.ref, "crm.category.delete", {"entityTypeId": 2, "id": step.ref})


def _gone(rest: Rest, ref: str, method: str, params: Mapping[str, Any]) -> str:
    with suppress(Missing):
        _act(rest, method, params)
    return ref


def _stage_rows(rest: Rest, step: Step) -> list[dict[str, Any]]:
    rows = _act(rest, "crm.status.list", {"order": {"SORT": "ASC"}, "filter": {"ENTITY_ID": place(step.under)}})
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _stage_made(rest: Rest, step: Step) -> str:
    rows = _stage_rows(rest, step)
    name = str(step.values["name"])
    body = _fitted(_named(step, "NAME", "SORT"), rows)
    twin = next((row for row in rows if _folded(row.get("NAME")) == _folded(name) and not row.get("SEMANTICS")), None)
    if twin is not None:
        _act(rest, "crm.status.update", {"id": twin["ID"], "fields": body})
        return str(twin["STATUS_ID"]).rpartition(":")[2]
    ref = f"HUB_{digest(_folded(name))[:10].upper()}"
    final = _SEMANTICS.get(str(step.values.get("final") or ""), "")
    body = {**body, "SORT": _LAST[final]} if final else body
    new = {"ENTITY_ID": place(step.under), "STATUS_ID": stage_id(step.under, ref), "SEMANTICS": final, **body}
    _act(rest, "crm.status.add", {"fields": new})
    return ref


def _folded(name: Any) -> str:
    return str(name).strip().casefold()


def _fitted(body: dict[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """No stage may stand behind the closing ones."""
    ends = [int(row.get("SORT") or 0) for row in rows if row.get("SEMANTICS")]
    return {**body, "SORT": min(int(body["SORT"]), min(ends) - 1)} if ends and "SORT" in body else body


def _stage_changed(rest: Rest, step: Step) -> str:
    rows = _stage_rows(rest, step)
    row = _own(rows, step)
    if row is None:
        raise Missing("Bitrix24 has no such stage")
    body = _named(step, "NAME", "SORT")
    _act(rest, "crm.status.update", {"id": row["ID"], "fields": body if row.get("SEMANTICS") else _fitted(body, rows)})
    return step.ref


def _stage_removed(rest: Rest, step: Step) -> str:
    row = _own(_stage_rows(rest, step), step)
    return _gone(rest, step.ref, "crm.status.delete", {"id": row["ID"]}) if row is not None else step.ref


def _own(rows: Sequence[dict[str, Any]], step: Step) -> dict[str, Any] | None:
    wanted = stage_id(step.under, step.ref)
    return next((row for row in rows if row.get("STATUS_ID") == wanted), None)


def _field_place(step: Step) -> str:
    if step.under not in WORDS:
        raise Refuse(f"Bitrix24 has no fields of {step.under or 'nothing'}")
    return f"crm.{WORDS[step.under]}.userfield"


def _field_made(rest: Rest, step: Step) -> str:
    """One call for a field that is new; only what is refused is looked for."""
    code, where = str(step.values["code"]).upper().removeprefix(OWN), _field_place(step)
    kind = str(step.values.get("type") or "text")
    label = str(step.values.get("name") or code)
    body = {"FIELD_NAME": code, "USER_TYPE_ID": _MADE.get(kind, kind), "LABEL": label, "XML_ID": code}
    try:
        return str(_act(rest, f"{where}.add", {"fields": body | ({"MULTIPLE": "Y"} if kind == "multi" else {})}))
    except Refuse as refusal:
        rows = _act(rest, f"{where}.list", {"filter": {"FIELD_NAME": OWN + code}})
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            raise refusal from None
        return str(rows[0]["ID"])


def _field_changed(rest: Rest, step: Step) -> str:
    label = str(step.values.get("name") or "")
    labels = {"EDIT_FORM_LABEL": label, "LIST_COLUMN_LABEL": label, "LIST_FILTER_LABEL": label}
    _act(rest, f"{_field_place(step)}.update", {"id": step.ref, "fields": labels})
    return step.ref


def _field_removed(rest: Rest, step: Step) -> str:
    return _gone(rest, step.ref, f"{_field_place(step)}.delete", {"id": step.ref})


# ── events ───────────────────────────────────────────────────────────────────────────────────────


def _hook(rest: Rest, step: Step, *, app: bool, offline: bool) -> str:
    """Handlers of all events, where an application is connected."""
    address = str(step.values.get("address") or step.ref or step.before.get("address", ""))
    if not app and step.action == "remove":
        return address  # there is none of ours
    if not app:
        raise Unsupported("A webhook may not ask for events: add an outgoing webhook in Bitrix24 by hand")
    bound = {str(row.get("event")).upper() for row in _bound(rest) if row.get("handler") == address}
    names = [WAKE] if offline else list(EVENTS)
    if step.action == "remove":
        _each(rest, {name: Command("event.unbind", {"event": name, "handler": address}) for name in sorted(bound)})
    else:
        wish = {name: Command("event.bind", {"event": name, "handler": address}) for name in names if name not in bound}
        queue = {f"Q{name}": Command("event.bind", {"event": name, "event_type": "offline"}) for name in EVENTS}
        _each(rest, wish | (queue if offline and wish else {}))
    return address


def _bound(rest: Rest) -> list[dict[str, Any]]:
    rows = _act(rest, "event.get", {})
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _each(rest: Rest, commands: Mapping[str, Command]) -> None:
    told = rest.batch(commands) if commands else None
    errors: list[ConnectorError] = [error for key in commands if told and (error := told.error(key))]
    if errors:
        raise errors[0]


_ACTS: dict[tuple[str, str], Callable[[Rest, Step], str]] = {
    ("pipeline", "create"): _pipeline_made,
    ("pipeline", "change"): _pipeline_changed,
    ("pipeline", "remove"): _pipeline_removed,
    ("stage", "create"): _stage_made,
    ("stage", "change"): _stage_changed,
    ("stage", "remove"): _stage_removed,
    ("field", "create"): _field_made,
    ("field", "change"): _field_changed,
    ("field", "remove"): _field_removed,
}
