"""What a Bitrix24 account looks like: its fields, pipelines with stages and colours, users and event handlers.

Leads have one list of stages, shown as the pipeline "" of kind "leads"; an account without leads does not show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Field, Pipeline, Schema, Stage, User
from connectors.crms.bitrix24.calls import LIMIT, Batch, Command, Rest
from connectors.crms.bitrix24.shape import FULL_NAME, MULTI, TYPES
from connectors.errors import Retry

CLASSIC, SIMPLE = 1, 2
_FINAL = {"S": "won", "F": "lost"}
_TYPES = {
    "integer": "number", "double": "number", "boolean": "bool", "char": "bool", "date": "date", "datetime": "datetime",
    "money": "money", "enumeration": "select", "crm_status": "select", "user": "user", "employee": "user",
}  # fmt: skip


def mode(rest: Rest) -> int:
    """1 with leads, 2 without."""
    told, _ = rest.call("crm.settings.mode.get", {})
    if told not in (CLASSIC, SIMPLE):
        raise Retry("Bitrix24 does not say whether this account works with leads")
    return int(told)


def schema(rest: Rest, *, app: bool) -> Schema:
    """Two batches. Users stay empty without that permission, handlers without an application."""
    told = rest.batch({
        "mode": Command("crm.settings.mode.get"),
        "categories": Command("crm.category.list", {"entityTypeId": 2}),
        "users": Command("user.get", {"FILTER": {"ACTIVE": True}, "sort": "ID"}),
        **({"hooks": Command("event.get")} if app else {}),
        **{kind: Command("crm.item.fields", {"entityTypeId": number, "useOriginalUfNames": "Y"})
           for kind, number in TYPES.items()},
    })  # fmt: skip
    kinds = [kind for kind in TYPES if kind != "leads" or told.done("mode") == CLASSIC]
    categories = rows_of(told.done("categories"), "categories")
    return Schema(
        {kind: _fields(told.done(kind)) for kind in kinds},
        _pipelines(rest, categories, leads="leads" in kinds),
        _users(rest, told),
        _handlers(told),
    )


def _fields(told: Any) -> tuple[Field, ...]:
    rows = told.get("fields") if isinstance(told, dict) else None
    found = [_field(name, one) for name, one in (rows or {}).items() if name != "fm" and isinstance(one, dict)]
    lists = [Field(name, {"PHONE": "phone", "EMAIL": "email"}.get(name, "multi"), name.title()) for name in MULTI]
    whole = [Field(FULL_NAME, "text", "Full name")] if "secondName" in (rows or {}) else []
    return (*found, *whole, *(lists if "fm" in (rows or {}) else ()))


def _field(name: str, one: Mapping[str, Any]) -> Field:
    options = tuple((str(row.get("ID")), str(row.get("VALUE"))) for row in rows_of(one, "items"))
    kind = _TYPES.get(str(one.get("type")), "text")
    kind = "multi" if one.get("isMultiple") else kind
    label = str(one.get("title") or name)
    return Field(name, kind, label, options, bool(one.get("isRequired")), bool(one.get("isReadOnly")))


def _pipelines(rest: Rest, categories: Sequence[Mapping[str, Any]], *, leads: bool) -> tuple[Pipeline, ...]:
    wanted = {"leads": "STATUS"} if leads else {}
    wanted |= {f"c{one.get('id')}": place(str(one.get("id"))) for one in categories}
    stages: dict[str, tuple[Stage, ...]] = {}
    many = list(wanted.items())
    for start in range(0, len(many), LIMIT):
        told = rest.batch({key: _statuses(where) for key, where in many[start : start + LIMIT]})
        stages |= {key: _stages(told.done(key)) for key, _ in many[start : start + LIMIT]}
    found = [Pipeline("", "Leads", stages["leads"], kind="leads")] if leads else []
    for one in sorted(categories, key=lambda one: int(one.get("sort") or 0)):
        ref = str(one.get("id"))
        found.append(Pipeline(ref, str(one.get("name")), stages[f"c{ref}"], one.get("isDefault") == "Y"))
    return tuple(found)


def _statuses(where: str) -> Command:
    return Command("crm.status.list", {"order": {"SORT": "ASC"}, "filter": {"ENTITY_ID": where}})


def _stages(told: Any) -> tuple[Stage, ...]:
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    return tuple(map(_stage, sorted(rows, key=lambda row: int(row.get("SORT") or 0))))


def _stage(row: Mapping[str, Any]) -> Stage:
    ref = str(row.get("STATUS_ID"))
    final = _FINAL.get(str(row.get("SEMANTICS") or ""), "")
    colour = str(row.get("COLOR") or "").lower()
    ref = ref.rpartition(":")[2]
    return Stage(ref, str(row.get("NAME")), int(row.get("SORT") or 0), colour, final)


def _users(rest: Rest, told: Batch) -> tuple[User, ...]:
    if told.error("users"):
        return ()
    rows, start = told.done("users"), told.next.get("users")
    found = list(rows) if isinstance(rows, list) else []
    while isinstance(start, int) and start <= len(found):
        more = rest.batch({"u": Command("user.get", {"FILTER": {"ACTIVE": True}, "sort": "ID", "start": start})})
        rows, start = more.done("u"), more.next.get("u")
        found += rows if isinstance(rows, list) else []
    return tuple(_user(row) for row in found if isinstance(row, dict))


def _user(row: Mapping[str, Any]) -> User:
    name = f"{row.get('NAME') or ''} {row.get('LAST_NAME') or ''}".strip()
    return User(str(row.get("ID")), name, str(row.get("EMAIL") or ""), row.get("ACTIVE") in (True, "Y", "1"))


def _handlers(told: Batch) -> tuple[str, ...]:
    rows = told.told.get("hooks")
    every = [row.get("handler") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return tuple(dict.fromkeys(str(one) for one in every if one))


def rows_of(told: Any, name: str) -> list[dict[str, Any]]:
    """The records under a name; nothing that is none."""
    rows = told.get(name) if isinstance(told, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def place(pipeline: str) -> str:
    """Under which name the stages of a pipeline are kept; "" is that of leads."""
    return {"": "STATUS", "0": "DEAL_STAGE"}.get(pipeline, f"DEAL_STAGE_{pipeline}")
