"""How an organisation is set up: its fields, lead statuses, pipelines with their stages, users and notifications.

Pipelines and stages are read with their colours and left to people; fields and notifications can be made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from connectors.contract import Answer, Field, Pipeline, Schema, Stage, Step, User, Value, digest
from connectors.crms.zoho.shape import DEALS, EMAILS, KINDS, LEADS, MARKER, PHONES, Column, Columns
from connectors.errors import Pause, Refuse, Retry, Unsupported

HOOK_DAYS = 7
"""A notification ends after a week at the latest, and has to be asked for again."""
_TYPES = {
    "text": "text", "textarea": "text", "website": "text", "email": "email", "phone": "phone", "integer": "number",
    "bigint": "number", "double": "number", "percent": "number", "currency": "money", "boolean": "bool", "date": "date",
    "datetime": "datetime", "picklist": "select", "multiselectpicklist": "multi", "ownerlookup": "user",
    "lookup": "select",
}  # fmt: skip
_MADE = {"text": "text", "textarea": "textarea", "number": "double", "bool": "boolean", "money": "currency",
         "date": "date", "datetime": "datetime", "select": "picklist", "phone": "phone", "email": "email"}  # fmt: skip
_FILLED = {"Last_Name", "Company", "Deal_Name", "Closing_Date", "Account_Name", "Stage"}
_LOST = re.compile(r"lost|junk|not qualified|disqualified|rejected|not converted", re.IGNORECASE)
"""Lead statuses have no mark for "closed without a deal": the usual words tell."""


class Base(Protocol):
    """What is needed of the connector."""

    def send(self, method: str, path: str, json: Value) -> Answer: ...

    def rows(self, path: str, name: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]: ...

    def columns(self, kind: str) -> Columns: ...

    def now(self) -> datetime: ...

    @property
    def hook_token(self) -> str: ...


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(base: Base) -> Schema:
    """Seven calls, and one for each layout of deals."""
    fields = {kind: (*map(_field, base.columns(kind).values()), *_gathered(kind)) for kind in KINDS}
    return Schema(fields, (_leads(base), *_deals(base)), _users(base), _hooks(base))


def _field(column: Column) -> Field:
    read_only = column.read_only and column.name != "Full_Name"
    return Field(
        column.name, _TYPES.get(column.type, "text"), column.label, column.options,
        column.required and column.name not in _FILLED, read_only, column.length or None,
    )  # fmt: skip


def _gathered(kind: str) -> tuple[Field, ...]:
    phones = (Field("phones", "phone", "Phones"),) if kind in PHONES else ()
    emails = (Field("emails", "email", "E-mails"),) if kind in EMAILS else ()
    return (*phones, *emails, Field("tags", "multi", "Tags"))


def _leads(base: Base) -> Pipeline:
    column = base.columns(LEADS).get("Lead_Status")
    rows = [row for row in column.rows if row.get("actual_value") not in (None, "", "-None-")] if column else []
    return Pipeline("", "Leads", tuple(_status(n, row) for n, row in enumerate(rows, 1)), main=True, kind=LEADS)


def _status(position: int, row: Mapping[str, Any]) -> Stage:
    name = str(row.get("actual_value"))
    return Stage(
        name, str(row.get("display_value") or name), position, _colour(row), "lost" if _LOST.search(name) else ""
    )


def _colour(row: Mapping[str, Any]) -> str:
    told = str(row.get("colour_code") or "").lower()
    return told if re.fullmatch("#[0-9a-f]{6}", told) else ""


def _deals(base: Base) -> list[Pipeline]:
    """The pipelines of every layout; where pipelines are off, the stages as one without a name."""
    found: dict[str, Pipeline] = {}
    for layout in base.rows("settings/layouts", "layouts", [("module", DEALS)]):
        for row in base.rows("settings/pipeline", "pipeline", [("layout_id", str(layout.get("id")))]):
            ref = str(row.get("actual_value"))
            found.setdefault(ref, Pipeline(ref, str(row.get("display_value")), _stages(row.get("maps")), kind=DEALS))
    pipelines = list(found.values())
    if not pipelines and (column := base.columns(DEALS).get("Stage")):
        pipelines = [Pipeline("", "Deals", _stages(list(column.rows)), kind=DEALS)]
    return [Pipeline(one.ref, one.name, one.stages, not n, DEALS) for n, one in enumerate(pipelines)]


def _stages(told: Any) -> tuple[Stage, ...]:
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    return tuple(_stage(n, row) for n, row in enumerate(rows, 1) if row.get("actual_value") not in ("", "-None-", None))


def _stage(position: int, row: Mapping[str, Any]) -> Stage:
    final = {"Closed Won": "won", "Closed Lost": "lost"}.get(str(row.get("forecast_type")), "")
    told = row.get("sequence_number")
    name = str(row.get("display_value") or row["actual_value"])
    return Stage(str(row["actual_value"]), name, told if isinstance(told, int) else position, _colour(row), final)


def _users(base: Base) -> tuple[User, ...]:
    rows = base.rows("users", "users", [("type", "AllUsers"), ("per_page", "200")])
    return tuple(
        User(str(row.get("id")), str(row.get("full_name")), str(row.get("email") or ""), row.get("status") == "active")
        for row in rows
    )


def _hooks(base: Base) -> tuple[str, ...]:
    try:
        rows = base.rows("actions/watch", "watch")
    except (Pause, Refuse):
        return ()
    return tuple(dict.fromkeys(str(row["notify_url"]) for row in rows if row.get("notify_url")))


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(base: Base, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    refs: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Unsupported(f"Zoho lets people only {step.action} a {step.what}: do it in its Setup")
        refs.append(act(base, step))
    return refs


def _sent(base: Base, method: str, path: str, json: Value, name: str) -> dict[str, Any]:
    """The first row of an answer that must be a success."""
    answer = base.send(method, path, json)
    told = answer.json() if answer.body else {}
    rows = told.get(name) if isinstance(told, dict) else None
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else told
    if not isinstance(row, dict) or answer.status >= 400 or row.get("status") == "error":
        raise Refuse(f"Zoho refuses this ({row.get('code') if isinstance(row, dict) else answer.status})")
    details = row.get("details")
    return details if isinstance(details, dict) else {}


def _create_field(base: Base, step: Step) -> str:
    """Zoho makes the name of a field of its label: the label is made of the name we want."""
    code = str(step.values.get("code") or step.values.get("name") or "")
    if found := base.columns(step.under).get(code):
        return found.ref
    wish: dict[str, Value] = {"field_label": code.replace("_", " "), "data_type": _MADE.get(_type(step), "text")}
    if wish["data_type"] == "text":
        wish["length"] = 255
    if code == MARKER:
        wish["unique"] = {"casesensitive": "false"}
    if wish["data_type"] == "picklist":
        options = [one[1] if isinstance(one, list | tuple) else one for one in step.values.get("options") or ()]
        wish["pick_list_values"] = [{"display_value": str(one), "actual_value": str(one)} for one in options]
    ref = str(_sent(base, "POST", f"settings/fields?module={step.under}", {"fields": [wish]}, "fields").get("id") or "")
    if not ref:
        raise Retry(f"Zoho's answer does not name the field {code}", effect=True)
    return ref


def _type(step: Step) -> str:
    return str(step.values.get("type", "text"))


def _change_field(base: Base, step: Step) -> str:
    if "name" in step.values:
        wish = {"fields": [{"field_label": str(step.values["name"])}]}
        _sent(base, "PATCH", f"settings/fields/{step.ref}?module={step.under}", wish, "fields")
    return step.ref


def _remove_field(base: Base, step: Step) -> str:
    if any(column.ref == step.ref for column in base.columns(step.under).values()):
        _sent(base, "DELETE", f"settings/fields/{step.ref}?module={step.under}", None, "fields")
    return step.ref


def _channel(address: str) -> str:
    return str(int(digest(address)[:10], 16))


def _create_hook(base: Base, step: Step) -> str:
    address = str(step.values["address"])
    until = (base.now() + timedelta(days=HOOK_DAYS)).isoformat(timespec="seconds")
    wish = {
        "channel_id": _channel(address), "events": [f"{kind}.all" for kind in KINDS], "notify_url": address,
        "token": base.hook_token, "channel_expiry": until,
    }  # fmt: skip
    _sent(base, "POST", "actions/watch", {"watch": [wish]}, "watch")
    return address


def _remove_hook(base: Base, step: Step) -> str:
    address = str(step.values.get("address") or step.ref or step.before.get("address", ""))
    if address in _hooks(base):
        _sent(base, "DELETE", f"actions/watch?channel_ids={_channel(address)}", None, "watch")
    return address


_ACTS: dict[tuple[str, str], Callable[[Base, Step], str]] = {
    ("field", "create"): _create_field,
    ("field", "change"): _change_field,
    ("field", "remove"): _remove_field,
    ("hook", "create"): _create_hook,
    ("hook", "remove"): _remove_hook,
}
