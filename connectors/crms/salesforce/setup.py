"""How an organisation is set up: its fields, the statuses of leads and the stages of deals, its users.

Fields are made by the Tooling API, and shown to the profile of the hub's user: a new field is hidden from everybody.
Stages belong to the organisation's set-up and cannot be made by programs here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from connectors.contract import Field, Pipeline, Schema, Stage, Step, User, Value
from connectors.crms.salesforce.shape import (
    DEALS,
    KINDS,
    LEADS,
    MARKER,
    PEOPLE,
    PHONES,
    Column,
    Columns,
    quoted,
    select,
)
from connectors.errors import Conflict, Missing, Refuse, Unsupported

_TYPES = {
    "string": "text", "textarea": "text", "url": "text", "email": "email", "phone": "phone", "int": "number",
    "double": "number", "percent": "number", "currency": "money", "boolean": "bool", "date": "date",
    "datetime": "datetime", "picklist": "select", "multipicklist": "multi", "reference": "select",
}  # fmt: skip
_MADE: Mapping[str, Mapping[str, Value]] = {
    "text": {"type": "Text", "length": 255}, "textarea": {"type": "LongTextArea", "length": 32768, "visibleLines": 5},
    "number": {"type": "Number", "precision": 18, "scale": 2}, "bool": {"type": "Checkbox", "defaultValue": "false"},
    "money": {"type": "Currency", "precision": 18, "scale": 2}, "date": {"type": "Date"},
    "datetime": {"type": "DateTime"}, "select": {"type": "Picklist"},
}  # fmt: skip
_LOST = re.compile(r"not converted|disqualified|unqualified|rejected|lost|dead|junk", re.IGNORECASE)
"""Lead statuses have no mark for "closed without a deal": the usual words tell."""


class Base(Protocol):
    """What is needed of the connector."""

    def rest(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Value = None) -> Any: ...

    def query(self, soql: str, path: str = "query") -> list[dict[str, Any]]: ...

    def columns(self, kind: str) -> Columns: ...


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(base: Base) -> Schema:
    """Eight calls, and one for each record type of deals."""
    fields = {kind: (*map(_field, base.columns(kind).values()), *_gathered(kind)) for kind in KINDS}
    rows = base.query("SELECT Id, Name, Email, IsActive FROM User WHERE UserType = 'Standard'")
    users = tuple(
        User(str(r.get("Id")), str(r.get("Name")), str(r.get("Email") or ""), bool(r.get("IsActive"))) for r in rows
    )
    return Schema(fields, (_leads(base), *_deals(base)), users)


def _field(column: Column) -> Field:
    kind = "user" if column.name == "OwnerId" else _TYPES.get(column.type, "text")
    needed = column.required and column.name not in ("LastName", "Company", "CloseDate", "Name", "StageName")
    return Field(
        column.name, kind, column.label, column.options, needed, not (column.creatable or column.updatable)
        and column.name != "Name", column.length or None,
    )  # fmt: skip


def _gathered(kind: str) -> tuple[Field, ...]:
    phones = (Field("phones", "phone", "Phones"),) if kind in PHONES else ()
    return (*phones, Field("emails", "email", "E-mails")) if kind in (LEADS, PEOPLE) else phones


def _leads(base: Base) -> Pipeline:
    rows = base.query("SELECT ApiName, MasterLabel, SortOrder, IsConverted FROM LeadStatus ORDER BY SortOrder")
    return Pipeline("", "Leads", tuple(map(_status, rows)), main=True, kind=LEADS)


def _status(row: Mapping[str, Any]) -> Stage:
    name = str(row.get("ApiName"))
    converted = bool(row.get("IsConverted"))
    final = "won" if converted else "lost" if _LOST.search(name) else ""
    return Stage(name, str(row.get("MasterLabel") or name), int(row.get("SortOrder") or 0), "", final, converted)


def _deals(base: Base) -> list[Pipeline]:
    """A pipeline for each record type, since each may show other stages; one without a name where there are none."""
    fields = "ApiName, MasterLabel, SortOrder, IsClosed, IsWon"
    rows = base.query(select(fields, "OpportunityStage", "WHERE IsActive = true ORDER BY SortOrder"))
    stages = {str(row.get("ApiName")): _stage(row) for row in rows}
    types = base.query(select("Id, Name", "RecordType", f"WHERE SobjectType = {quoted(DEALS)} AND IsActive = true"))
    if not types:
        return [Pipeline("", "Opportunities", tuple(stages.values()), main=True, kind=DEALS)]
    return [
        Pipeline(
            str(one.get("Id")), str(one.get("Name")), _shown(base, str(one.get("Id")), stages), main=not n, kind=DEALS
        )
        for n, one in enumerate(types)
    ]


def _stage(row: Mapping[str, Any]) -> Stage:
    final = "won" if row.get("IsWon") else "lost" if row.get("IsClosed") else ""
    return Stage(str(row.get("ApiName")), str(row.get("MasterLabel")), int(row.get("SortOrder") or 0), "", final)


def _shown(base: Base, record_type: str, stages: Mapping[str, Stage]) -> tuple[Stage, ...]:
    told = base.rest("GET", f"ui-api/object-info/Opportunity/picklist-values/{record_type}/StageName")
    rows = told.get("values") if isinstance(told, dict) else None
    names = [str(row.get("value")) for row in rows or () if isinstance(row, dict)]
    return tuple(stages[name] for name in names if name in stages)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(base: Base, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    refs: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Unsupported(f"Salesforce lets people only {step.action} a {step.what}: do it in its Setup")
        refs.append(act(base, step))
    return refs


def _code(step: Step) -> str:
    code = re.sub(r"\W", "", str(step.values.get("code") or step.values.get("name") or ""))
    return code if code.endswith("__c") else f"{code}__c"


def _create(base: Base, step: Step) -> str:
    code = _code(step)
    if twin := _made(base, step.under, code):
        return twin
    shape = dict(_MADE.get(str(step.values.get("type", "text")), _MADE["text"]))
    shape["label"] = str(step.values.get("name") or code.removesuffix("__c"))[:40]
    if code == MARKER:
        shape |= {"externalId": True, "unique": True, "caseSensitive": True, "length": 64}
    if shape["type"] == "Picklist":
        shape["valueSet"] = {
            "valueSetDefinition": {"sorted": False, "value": _options(step.values.get("options") or ())}
        }
    told = base.rest(
        "POST", "tooling/sobjects/CustomField", json={"FullName": f"{step.under}.{code}", "Metadata": shape}
    )
    if not isinstance(told, dict) or not told.get("id"):
        raise Refuse(f"Salesforce did not make the field {code}")
    _show(base, f"{step.under}.{code}", step.under)
    return str(told["id"])


def _options(told: Sequence[Any]) -> list[dict[str, Value]]:
    pairs = [one if isinstance(one, list | tuple) else (one, one) for one in told]
    return [{"fullName": str(key), "label": str(label), "default": False} for key, label in pairs]


def _made(base: Base, kind: str, code: str) -> str:
    name = quoted(code.removesuffix("__c"))
    soql = select("Id", "CustomField", f"WHERE TableEnumOrId = {quoted(kind)} AND DeveloperName = {name}")
    return next((str(row.get("Id")) for row in base.query(soql, "tooling/query")), "")


def _show(base: Base, field: str, kind: str) -> None:
    """To whoever has the hub's user's profile; everybody else's is people's decision."""
    told = base.rest("GET", "chatter/users/me")
    user = str(told.get("id")) if isinstance(told, dict) else ""
    rows = base.query(select("ProfileId", "User", f"WHERE Id = {quoted(user)}"))
    profile = str(rows[0].get("ProfileId")) if rows else ""
    mine = f"WHERE IsOwnedByProfile = true AND ProfileId = {quoted(profile)}"
    for row in base.query(select("Id", "PermissionSet", mine)):
        right = {
            "ParentId": row.get("Id"),
            "SobjectType": kind,
            "Field": field,
            "PermissionsRead": True,
            "PermissionsEdit": True,
        }
        try:
            base.rest("POST", "sobjects/FieldPermissions", json=right)
        except Conflict:  # it is shown already
            continue


def _change(base: Base, step: Step) -> str:
    if "name" in step.values:
        told = base.rest("GET", f"tooling/sobjects/CustomField/{step.ref}")
        metadata = told.get("Metadata") if isinstance(told, dict) else None
        shape = {**(metadata if isinstance(metadata, dict) else {}), "label": str(step.values["name"])[:40]}
        base.rest("PATCH", f"tooling/sobjects/CustomField/{step.ref}", json={"Metadata": shape})
    return step.ref


def _remove(base: Base, step: Step) -> str:
    try:
        base.rest("DELETE", f"tooling/sobjects/CustomField/{step.ref}")
    except Missing:
        return step.ref
    return step.ref


_ACTS: dict[tuple[str, str], Callable[[Base, Step], str]] = {
    ("field", "create"): _create,
    ("field", "change"): _change,
    ("field", "remove"): _remove,
}
