"""How an EspoCRM site is set up: fields and statuses by its metadata, users, hooks; fields need an administrator.

Statuses of leads and stages of opportunities are options of a field with names that records carry: they are matched,
never made or renamed, because a renamed option would leave its records behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from connectors.contract import Answer, Field, Pipeline, Schema, Stage, Step, User
from connectors.crms.espocrm.api import Api, reason, rows
from connectors.crms.espocrm.hooks import EVENTS
from connectors.crms.espocrm.shape import DEALS, FIRMS, LEADS, NOTES, PEOPLE, TASKS, Row, ours, theirs
from connectors.errors import Missing, Pause, Refuse, Retry, Unsupported

_TYPES = {
    "varchar": "text", "text": "text", "url": "text", "personName": "text", "int": "number", "float": "number",
    "currency": "money", "bool": "bool", "date": "date", "datetime": "datetime", "enum": "select", "multiEnum": "multi",
    "array": "multi", "phone": "phone", "email": "email",
}  # fmt: skip
_MADE = {"text": "varchar", "textarea": "text", "number": "float", "money": "currency", "select": "enum",
         "multi": "multiEnum", "bool": "bool", "date": "date", "datetime": "datetime"}  # fmt: skip
_EXTRA = {"phones": Field("phones", "phone", "Phones"), "emails": Field("emails", "email", "E-mails")}
_PLACES = {LEADS: ("status", "Leads"), DEALS: ("stage", "Opportunities")}
_FINALS = {(LEADS, "Converted"): "won", (LEADS, "Dead"): "lost", (DEALS, "Closed Won"): "won",
           (DEALS, "Closed Lost"): "lost"}  # fmt: skip


def schema(api: Api, prefix: str) -> Schema:
    """Six calls. Hooks and users stay empty when the API user's role hides them."""
    told = {kind: _defs(api, kind) for kind in (LEADS, DEALS, PEOPLE, FIRMS)}
    fields = {kind: _fields(kind, defs, prefix) for kind, defs in told.items()}
    fields |= {NOTES: (Field("post", "text", "Post"),), TASKS: (Field("name", "text", "Name", required=True),
               Field("dateEnd", "datetime", "Due"), Field("status", "text", "Status"))}  # fmt: skip
    users = tuple(_user(row) for row in _rows(api, "User"))
    hooks = [str(row.get("url")) for row in _rows(api, "Webhook") if row.get("isActive") and row["event"] == EVENTS[0]]
    return Schema(fields, tuple(_pipeline(kind, told[kind]) for kind in _PLACES), users, tuple(dict.fromkeys(hooks)))


def _defs(api: Api, kind: str) -> Mapping[str, Row]:
    told, _ = api.read("Metadata", [("key", f"entityDefs.{kind}")])
    defs = told.get("fields")
    return {name: one for name, one in defs.items() if isinstance(one, dict)} if isinstance(defs, dict) else {}


def _fields(kind: str, defs: Mapping[str, Row], prefix: str) -> tuple[Field, ...]:
    """Links go by the name of their id: `assignedUser` is written as `assignedUserId`."""
    found = [_EXTRA["phones"], _EXTRA["emails"]] if kind in (LEADS, PEOPLE, FIRMS) else []
    for name, one in defs.items():
        told = str(one.get("type"))
        options = tuple((str(option), str(option)) for option in one.get("options") or ())
        mine = f"{name}Id" if told == "link" else ours(name, prefix)
        kind_of = "user" if name == "assignedUser" else _TYPES.get(told, "text")
        found.append(Field(mine, kind_of, mine, options, bool(one.get("required")), bool(one.get("readOnly"))))
    return tuple(found)


def _pipeline(kind: str, defs: Mapping[str, Row]) -> Pipeline:
    field, title = _PLACES[kind]
    options = [str(one) for one in (defs.get(field) or {}).get("options") or ()]
    stages = [Stage(one, one, n * 10, final=_FINALS.get((kind, one), ""), fixed=(kind, one) in _FINALS)
              for n, one in enumerate(options, 1)]  # fmt: skip
    return Pipeline("", title, tuple(stages), main=kind == DEALS, kind=kind)


def _user(row: Row) -> User:
    return User(str(row["id"]), str(row.get("name") or row.get("userName") or ""), str(row.get("emailAddress") or ""),
                bool(row.get("isActive", True)))  # fmt: skip


def _rows(api: Api, kind: str) -> list[Row]:
    try:
        return rows(api.read(kind, [("maxSize", "200")])[0])
    except Pause:  # not for this role
        return []


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(api: Api, steps: Sequence[Step], prefix: str) -> list[str]:
    """Refs of what each step made: names of fields, addresses of hooks."""
    made: list[str] = []
    for step in steps:
        if step.what == "hook" and step.action in {"create", "remove"}:
            made.append(_hook(api, step))
        elif step.what == "field":
            made.append(_field(api, step, prefix))
        else:
            raise Unsupported(f"EspoCRM: a {step.what} can only be set up in its Entity Manager")
    return made


def _hook(api: Api, step: Step) -> str:
    """One subscription for each event; `skipOwn` keeps our own changes away (9.2 and newer)."""
    address = str(step.values.get("address") or step.ref or step.before.get("address", ""))
    mine = [row for row in _rows(api, "Webhook") if row.get("url") == address]
    there = {row.get("event") for row in mine if row.get("isActive")}
    if step.action == "remove":
        for row in mine:
            _judge(api.call("DELETE", f"Webhook/{quote(row['id'], safe='')}"), "hook", gone=True)
        return address
    for event in reversed(EVENTS):  # the first one last: it stands for all
        if event not in there:
            _judge(api.call("POST", "Webhook", json={"event": event, "url": address, "skipOwn": True}), "hook")
    return address


def _field(api: Api, step: Step, prefix: str) -> str:
    name = str(step.values.get("code") or step.ref or step.values.get("name"))
    path = f"Admin/fieldManager/{quote(step.under, safe='')}"
    if step.action == "remove":
        _judge(api.as_admin("DELETE", f"{path}/{quote(theirs(step.ref, prefix), safe='')}"), "field", gone=True)
        return step.ref
    body: Row = {"label": str(step.values.get("name") or name)}
    if step.action == "change" or theirs(name, prefix) in _defs(api, step.under):
        _judge(api.as_admin("PUT", f"{path}/{quote(theirs(name, prefix), safe='')}", body), "field")
        return name
    body |= {"name": name, "type": _MADE.get(str(step.values.get("type", "text")), "varchar")}
    if step.values.get("options"):
        body["options"] = [one[1] if isinstance(one, list | tuple) else str(one) for one in step.values["options"]]
    _judge(api.as_admin("POST", path, body), "field")
    return name


def _judge(answer: Answer, what: str, *, gone: bool = False) -> Any:
    if answer.status in {401, 403}:
        raise Unsupported(f"EspoCRM does not allow this user to set up a {what}: {reason(answer)}")
    if answer.status == 404:
        if gone:
            return {}
        raise Missing(f"EspoCRM has no such {what}")
    if answer.status >= 500:
        raise Retry(f"EspoCRM answered with status {answer.status}", effect=True)
    if answer.status >= 400:
        raise Refuse(f"EspoCRM refuses the {what} (status {answer.status}): {reason(answer)}")
    return answer.json()
