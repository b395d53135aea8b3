"""The two shapes of a record: Tryton's typed JSON, and flat values as the hub's mapping wants them.

Decimals and dates are text with us and `{"__class__": ...}` over there. The phones and e-mails of a party are rows of
`party.contact_mechanism`, with us the lists `phone` and `email` of `{"value", "enum_code"}`, where the code is the
type of the row. The hub's id of a party is one of its identifiers, with the prefix `hub:`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.contract import Record, Value
from connectors.errors import Refuse

LEAD, PARTY, NOTE = "sale.opportunity", "party.party", "ir.note"
_STAMPS = ("create_date", "write_date")
_COMMON = (*_STAMPS, "_timestamp")
READ: Mapping[str, tuple[str, ...]] = {
    LEAD: (
        "description", "comment", "reference", "number", "state", "party", "employee", "amount", "currency.code",
        "conversion_probability", "start_date", "end_date", "lost_reason", *_COMMON,
    ),
    PARTY: (
        "name", "code", "active", "replaced_by", "contact_mechanisms.value", "contact_mechanisms.type",
        "contact_mechanisms.active", "identifiers.code", *_COMMON,
    ),
    NOTE: ("message", "resource", *_COMMON),
}  # fmt: skip
FAMILIES = {"phone": ("phone", "mobile"), "email": ("email",)}
"""Value of ours → types of contact mechanisms it shows; the first is that of a new one."""
HUB = "hub:"
_DECIMALS, _DATES, _FLOATS = {"amount"}, {"start_date", "end_date"}, {"conversion_probability"}
_REFS = {"employee", "party", "company", "currency", "payment_term", "address", "contact"}
_APART = {"id", *_COMMON}


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of `search_read`."""
    values = {name: plain(value) for name, value in row.items() if name not in _APART and not name.endswith(".")}
    links: dict[str, tuple[str, ...]] = {}
    if kind == LEAD:
        values["currency"] = (row.get("currency.") or {}).get("code") or ""
        links[PARTY] = (str(row["party"]),) if row.get("party") else ()
    elif kind == PARTY:
        values = {"name": row.get("name"), "code": row.get("code"), **_mechanisms(row), "hub_id": _hub_id(row)}
    elif kind == NOTE:
        owner, _, ref = str(row.get("resource") or "").partition(",")
        links[owner] = (ref,)
    merged = row.get("replaced_by")
    return Record(
        kind,
        str(row["id"]),
        values,
        version=str(row.get("_timestamp") or ""),
        updated_at=stamp(row),
        deleted=not row.get("active", True),
        merged_into=str(merged) if merged else "",
        links=links,
    )


def stamp(row: Mapping[str, Any]) -> datetime:
    """When it changed: `write_date` stays empty until the first change after the creation."""
    told = row.get("write_date") or row.get("create_date")
    if not isinstance(told, dict):
        return datetime(1970, 1, 1, tzinfo=UTC)
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return datetime(*(int(told.get(name, 0)) for name in names), tzinfo=UTC)  # type: ignore[misc,arg-type]


def moment(at: datetime) -> dict[str, Any]:
    """An instant in Tryton's words; its clock is UTC."""
    names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}


def plain(value: Any) -> Value:
    """A typed value as text, anything else as it is."""
    kind = value.get("__class__") if isinstance(value, dict) else None
    if kind == "Decimal":
        return str(value.get("decimal"))
    if kind == "date":
        return date(value["year"], value["month"], value["day"]).isoformat()
    if kind == "datetime":
        return stamp({"write_date": value}).isoformat()
    return value


def typed(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values for Tryton. Raises `Refuse` that names the first one that cannot be said."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        try:
            body[name] = _typed(name, value)
        except (ValueError, TypeError, InvalidOperation):
            why = f"{name} cannot hold this value"
            raise Refuse(f"Tryton's {why}", {name: why}) from None
    return body


def _typed(name: str, value: Value) -> Any:
    if value in (None, ""):
        return None
    if name in _DECIMALS:
        return {"__class__": "Decimal", "decimal": str(Decimal(str(value)))}
    if name in _DATES:
        day = date.fromisoformat(str(value)[:10])
        return {"__class__": "date", "year": day.year, "month": day.month, "day": day.day}
    if name in _FLOATS:
        return float(value)
    return int(value) if name in _REFS else value


# ── contact mechanisms ───────────────────────────────────────────────────────────────────────────


def inner(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Rows of a One2Many field that were read with it."""
    rows = row.get(f"{name}.")
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _mechanisms(row: Mapping[str, Any]) -> dict[str, Value]:
    rows = [one for one in inner(row, "contact_mechanisms") if one.get("active", True)]
    return {
        name: [{"value": one.get("value"), "enum_code": one["type"]} for one in rows if one.get("type") in types]
        for name, types in FAMILIES.items()
    }


def _hub_id(row: Mapping[str, Any]) -> str:
    codes = [str(one.get("code") or "") for one in inner(row, "identifiers")]
    return next((code.removeprefix(HUB) for code in codes if code.startswith(HUB)), "")


def party_body(values: Mapping[str, Value], row: Mapping[str, Any] | None) -> dict[str, Any]:
    """What to write of a party; `row` is what it holds, None for a new one."""
    held = row or {}
    lists = {name: value for name, value in values.items() if name in FAMILIES}
    body = typed({name: value for name, value in values.items() if name not in {*FAMILIES, "hub_id"}})
    acts = [act for name, value in lists.items() for act in _mechanism_acts(name, value, held)]
    if acts:
        body["contact_mechanisms"] = acts
    if (marker := values.get("hub_id")) and marker != _hub_id(held):
        body["identifiers"] = _identifier_acts(str(marker), held)
    return body


def _identifier_acts(marker: str, held: Mapping[str, Any]) -> list[Any]:
    mine = [one["id"] for one in inner(held, "identifiers") if str(one.get("code") or "").startswith(HUB)]
    return [["write", mine[:1], {"code": HUB + marker}]] if mine else [["create", [{"code": HUB + marker}]]]


def _mechanism_acts(name: str, wanted: Value, held: Mapping[str, Any]) -> list[Any]:
    """What is new is added. What is gone is archived: sales may refer to it, so it must not be deleted."""
    rows = [one for one in inner(held, "contact_mechanisms") if one.get("type") in FAMILIES[name]]
    live = {str(one.get("value")): one["id"] for one in rows if one.get("active", True)}
    wish = {str(one["value"]): one for one in _cells(name, wanted)}
    new = [_mechanism(name, one) for value, one in wish.items() if value not in live]
    gone = [ref for value, ref in live.items() if value not in wish]
    return [*([["create", new]] if new else []), *([["write", gone, {"active": False}]] if gone else [])]


def _mechanism(name: str, one: Mapping[str, Value]) -> dict[str, Any]:
    code = one.get("enum_code")
    return {"type": code if code in FAMILIES[name] else FAMILIES[name][0], "value": str(one["value"])}


def _cells(name: str, wanted: Value) -> Sequence[Mapping[str, Value]]:
    cells = wanted or []
    if not isinstance(cells, list) or not all(isinstance(one, dict) and one.get("value") for one in cells):
        raise Refuse(f"Tryton's {name} is a list of values", {name: "is a list of values"})
    return cells
