"""The methods of records: add, change, list, delete, merge, search for duplicates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.crms.bitrix24.sandbox.query import listed
from connectors.crms.bitrix24.sandbox.schema import LISTS, READ_ONLY, TYPES, Row, Wrong
from connectors.crms.bitrix24.sandbox.state import Account

PAGE = 50
_FILTER = re.compile(r"(>=|<=|!=|!@|>|<|=|@|!)?(.+)\Z")
Method = Callable[[Account, Row], Any]


def kind_of(told: Row) -> str:
    """The kind of record a call is about."""
    number = str(told.get("entityTypeId", ""))
    if not number.isdecimal() or int(number) not in TYPES:
        raise Wrong("NOT_FOUND", "Smart process not found")
    return TYPES[int(number)]


def found(state: Account, kind: str, told: Row, name: str = "id") -> Row:
    """A record that is there and may be seen."""
    number = str(told.get(name, ""))
    if not number.isdecimal() or int(number) not in state.rows[kind]:
        raise Wrong("NOT_FOUND", "Element not found")
    if (kind, int(number)) in state.hidden:
        raise Wrong("ACCESS_DENIED", "Access denied", 403)
    return state.rows[kind][int(number)]


def shown(row: Row, told: Row, kind: str, *, whole: bool = True) -> Row:
    """A record in the API's shape; custom fields in camel case unless asked otherwise."""
    fields = {key: value for key, value in row.items() if not key.startswith("_")}
    if kind in {"deals"} or not whole:
        fields.pop("fm", None)
    if kind != "contacts":
        fields.pop("companyIds", None)
    if told.get("useOriginalUfNames") != "Y":
        fields = {camel(key): value for key, value in fields.items()}
    return {**fields, "entityTypeId": next(n for n, name in TYPES.items() if name == kind)}


def camel(name: str) -> str:
    """UF_CRM_HUB_TEXT is ufCrmHubText, and a number keeps its line."""
    if not name.startswith("UF_CRM_"):
        return name
    parts = name.removeprefix("UF_CRM_").split("_")
    return "ufCrm" + "".join(f"_{part}" if part[:1].isdigit() else part.title() for part in parts)


def _wish(state: Account, kind: str, told: Row) -> Row:
    wish = told.get("fields")
    if not isinstance(wish, dict):
        raise Wrong("100", "Could not find value for parameter {fields}")
    names = {camel(name): name for name in state.fields[kind]}
    return {names.get(str(key), str(key)): value for key, value in wish.items()}


def add(state: Account, told: Row) -> Any:
    """A new record, answered in full."""
    kind = kind_of(told)
    row = state.create(kind, _wish(state, kind, told))
    state.fresh.append((kind, row["id"]))
    return {"item": shown(row, told, kind)}


def update(state: Account, told: Row) -> Any:
    """Some fields of a record."""
    kind = kind_of(told)
    row = found(state, kind, told)
    state.change(kind, row, _wish(state, kind, told))
    return {"item": shown(row, told, kind)}


def get(state: Account, told: Row) -> Any:
    """One record."""
    kind = kind_of(told)
    return {"item": shown(found(state, kind, told), told, kind)}


def delete(state: Account, told: Row) -> Any:
    """Into the bin."""
    kind = kind_of(told)
    state.delete(kind, found(state, kind, told)["id"])
    return []


def rows(state: Account, told: Row) -> Any:
    """A page of 50; without a count when `start` is -1."""
    kind = kind_of(told)
    where, order = told.get("filter") or {}, told.get("order") or {"id": "ASC"}
    checks = [_check(state, kind, key, value) for key, value in where.items()]
    late = any("updatedTime" in key for key in where)
    hits = [row for row in state.rows[kind].values()
            if (kind, row["id"]) not in state.hidden and not (late and state.clock() - row["_written"] < state.lag)
            and all(check(row) for check in checks)]  # fmt: skip
    for name, way in reversed(order.items()):
        hits.sort(key=lambda row: _key(row, name), reverse=str(way).upper() == "DESC")
    start = int(told.get("start") or 0)
    part = hits[max(0, start) : max(0, start) + PAGE]
    chosen = listed(told.get("select"))
    whole = not chosen or "*" in chosen
    items = [shown(row, told, kind, whole=whole) for row in part]
    if not whole:
        items = [{key: value for key, value in one.items() if key in chosen or key == "id"} for one in items]
    if start >= 0:
        state.paging = (len(hits), start + PAGE if len(hits) > start + PAGE else None)
    return {"items": items}


def _key(row: Row, name: str) -> Any:
    value = row.get(name)
    return datetime.fromisoformat(value) if name.endswith("Time") and value else value


def _check(state: Account, kind: str, key: str, value: Any) -> Callable[[Row], bool]:
    if key.isdecimal() and isinstance(value, dict):
        parts = [_check(state, kind, *pair) for pair in value.items() if pair[0] != "logic"]
        return (lambda row: any(part(row) for part in parts)) if value.get("logic") == "OR" else (
            lambda row: all(part(row) for part in parts))  # fmt: skip
    if isinstance(value, dict) and not key.startswith(("@", "!@")):
        parts = [_check(state, kind, *pair) for pair in value.items()]
        return lambda row: all(part(row) for part in parts)
    matched = _FILTER.match(key)
    sign, name = (matched[1] or "=", matched[2]) if matched else ("=", key)
    if name not in state.kinds_of(kind) or name == "fm":
        raise Wrong("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' is not allowed in filter")
    return _compare(sign, name, _wanted(name, sign, value))


def _wanted(name: str, sign: str, value: Any) -> Any:
    bad = Wrong("INVALID_ARG_VALUE", f"Invalid filter: field '{name}' has invalid value")
    if sign in {"@", "!@"}:
        return {str(one) for one in listed(value)}
    if name.endswith("Time"):
        try:
            return datetime.fromisoformat(str(value)).timestamp()
        except ValueError:
            raise bad from None
    if name == "id" and not str(value).isdecimal():
        raise bad
    return value


def _compare(sign: str, name: str, wanted: Any) -> Callable[[Row], bool]:
    def value(row: Row) -> Any:
        told = row.get(name)
        return datetime.fromisoformat(told).timestamp() if name.endswith("Time") and told else told

    if sign in {"@", "!@"}:
        return lambda row: (str(value(row)) in wanted) == (sign == "@")
    if sign in {"=", "!=", "!"}:
        return lambda row: (str(value(row) or "") == str(wanted)) == (sign == "=")
    number = float(wanted)
    tests: Mapping[str, Callable[[float], bool]] = {
        ">": lambda one: one > number, ">=": lambda one: one >= number,
        "<": lambda one: one < number, "<=": lambda one: one <= number,
    }  # fmt: skip
    return lambda row: tests[sign](float(value(row) or 0))


def fields(state: Account, told: Row) -> Any:
    """Fields of a kind."""
    kind = kind_of(told)
    original = told.get("useOriginalUfNames") == "Y"
    return {"fields": {
        name if original else camel(name): {
            "type": told_type, "isRequired": False, "isReadOnly": name in READ_ONLY, "isMultiple": name in LISTS,
            "isDynamic": name.startswith("UF_"), "title": state.fields[kind].get(name, {}).get("LABEL") or name,
        } for name, told_type in state.kinds_of(kind).items()
    }}  # fmt: skip


def duplicates(state: Account, told: Row) -> Any:
    """Ids by phone (its digits) or e-mail; [] for nobody."""
    kind, values = str(told.get("type") or ""), listed(told.get("values"))
    if kind not in {"PHONE", "EMAIL"}:
        raise Wrong("Communication type is not defined", "Parameter 'type' is required.")
    wanted = {_plain(kind, one) for one in values[:20]}
    answer = {}
    for name, word in (("leads", "LEAD"), ("contacts", "CONTACT"), ("companies", "COMPANY")):
        every = state.rows[name].values()
        hits = [
            row["id"] for row in every if {_plain(kind, e["value"]) for e in row["fm"] if e["typeId"] == kind} & wanted
        ]
        if hits and told.get("entity_type") in (None, word):
            answer[word] = hits[:20]
    return answer


def _plain(kind: str, value: Any) -> str:
    return re.sub(r"\D", "", str(value)) if kind == "PHONE" else str(value).strip().casefold()


def merge(state: Account, told: Row) -> Any:
    """The first id stays."""
    params = told.get("params") or {}
    kind, ids = kind_of(params), listed(params.get("entityIds"))
    if len(ids) < 2:
        raise Wrong("0", "The parameter entityIds must contains at least two elements.")
    keep = found(state, kind, {"id": ids[0]})
    others = [found(state, kind, {"id": ref}) for ref in ids[1:]]
    clash = any(
        one.get(name) and keep.get(name) and one[name] != keep[name] for one in others for name in ("lastName",)
    )
    if clash:
        return {"STATUS": "CONFLICT", "ENTITY_IDS": ids}
    for one in others:
        state.merge(kind, keep["id"], one["id"])
    return {"STATUS": "SUCCESS", "ENTITY_IDS": ids}


METHODS: dict[str, Method] = {
    "crm.item.add": add, "crm.item.update": update, "crm.item.get": get, "crm.item.delete": delete,
    "crm.item.list": rows, "crm.item.fields": fields, "crm.duplicate.findbycomm": duplicates,
    "crm.entity.mergebatch": merge,
}  # fmt: skip
