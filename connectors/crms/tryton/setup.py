"""What a Tryton account looks like: fields as the server names them, the states of an opportunity, its employees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.contract import Field, Pipeline, Schema, Stage, User
from connectors.crms.tryton.rpc import Rpc
from connectors.crms.tryton.shape import LEAD, PARTY

_TYPES = {
    "char": "text", "text": "text", "integer": "number", "float": "number", "numeric": "money", "boolean": "bool",
    "date": "date", "datetime": "datetime", "timestamp": "datetime", "selection": "select", "many2one": "select",
}  # fmt: skip
_FINALS = {"won": "won", "cancelled": "lost", "lost": "lost"}
_ORDER = ("lead", "opportunity", "converted", "won", "lost", "cancelled")
_LISTS = (
    Field("phone", "phone", "Phones"),
    Field("email", "email", "E-mails"),
    Field("hub_id", "text", "Hub id", read_only=True),
)


def schema(rpc: Rpc) -> Schema:
    """Four calls. Nothing of this can be changed by programs: states and fields belong to Tryton's modules."""
    leads = rpc.call(f"model.{LEAD}.fields_get", [])
    parties = rpc.call(f"model.{PARTY}.fields_get", [])
    native = tuple(one for one in _fields(parties) if one.name not in {"phone", "email"})
    return Schema({LEAD: _fields(leads), PARTY: (*native, *_LISTS)}, (_pipeline(leads),), _users(rpc))


def _fields(told: Mapping[str, Any]) -> tuple[Field, ...]:
    known = [one for one in told.values() if isinstance(one, dict) and one.get("type") in _TYPES]
    return tuple(sorted((_field(one) for one in known), key=lambda one: one.name))


def _field(one: Mapping[str, Any]) -> Field:
    name = str(one.get("name"))
    return Field(
        name,
        "user" if name == "employee" else _TYPES[str(one["type"])],
        str(one.get("string") or ""),
        tuple((str(ref), str(label)) for ref, label in _selection(one)),
        bool(one.get("required")),
        bool(one.get("readonly")) and name != "state",
        one["size"] if isinstance(one.get("size"), int) else None,
    )


def _selection(one: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    options = one.get("selection")
    return [(ref, label) for ref, label in options if ref] if isinstance(options, list) else []


def _pipeline(leads: Mapping[str, Any]) -> Pipeline:
    names = {str(ref): str(label) for ref, label in _selection(leads.get("state") or {})}
    stages = [
        Stage(ref, names[ref], 10 * n, final=_FINALS.get(ref, ""), fixed=True)
        for n, ref in enumerate(_ORDER, 1)
        if ref in names
    ]
    return Pipeline("", "Opportunities", tuple(stages), main=True, kind=LEAD)


def _users(rpc: Rpc) -> tuple[User, ...]:
    """Employees own opportunities; whose user has an e-mail address is known by it."""
    rows = rpc.call("model.company.employee.search_read", [], 0, None, None, ["party.name", "party.email", "end_date"])
    users = rpc.call("model.res.user.search_read", [["email", "!=", None]], 0, None, None, ["email", "employees"])
    emails = {ref: str(user["email"]) for user in users for ref in user.get("employees") or ()}
    return tuple(_user(row, emails) for row in rows)


def _user(row: Mapping[str, Any], emails: Mapping[int, str]) -> User:
    party = row.get("party.") or {}
    email = emails.get(row["id"]) or str(party.get("email") or "")
    return User(str(row["id"]), str(party.get("name") or ""), email, not row.get("end_date"))
