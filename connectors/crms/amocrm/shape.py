"""The two shapes of a record: nested as API v4 has it, flat as the hub's mapping wants it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value

MARKER = "HUB_ID"
WRITABLE = {
    "leads": frozenset(
        [
            "name",
            "price",
            "status_id",
            "pipeline_id",
            "responsible_user_id",
            "loss_reason_id",
            "closed_at",
            "created_at",
            "source_id",
        ]
    ),
    "contacts": frozenset(["name", "first_name", "last_name", "responsible_user_id", "created_at"]),
    "companies": frozenset(["name", "responsible_user_id", "created_at"]),
}
"""Native fields we may send. `updated_at`, `created_by` and `updated_by` are left out: a stale time or a dismissed
user makes amoCRM refuse the whole array (https://github.com/amocrm/amocrm-api-php/issues/252)."""

_APART = frozenset({"id", "_links", "_embedded", "custom_fields_values", "account_id", "is_deleted", "request_id"})
_LISTS = frozenset({"multitext", "multiselect"})


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of a list or a single record. Links name the main contact first."""
    inside = row.get("_embedded") or {}
    values: dict[str, Value] = {key: value for key, value in row.items() if key not in _APART}
    if "tags" in inside:
        values["tags"] = [tag.get("name") for tag in inside["tags"] or []]
    for cell in row.get("custom_fields_values") or []:  # null when there are none
        values[cell.get("field_code") or f"cf:{cell.get('field_id')}"] = _value(cell)
    stamp = row.get("updated_at")
    return Record(
        kind,
        str(row["id"]),
        values,
        version=str(stamp or ""),
        updated_at=datetime.fromtimestamp(stamp, UTC) if isinstance(stamp, int) else None,
        deleted=bool(row.get("is_deleted")),
        links={name: _refs(inside[name]) for name in ("contacts", "companies", "leads") if name in inside},
    )


def nested(kind: str, values: Mapping[str, Value], links: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Body of a create or an update. A key that is no native field is a custom field's code, or `cf:<id>`."""
    body: dict[str, Any] = {key: _native(key, value) for key, value in values.items() if key in WRITABLE[kind]}
    cells = [_cell(key, value) for key, value in values.items() if key not in WRITABLE[kind] and key != "tags"]
    inside: dict[str, Any] = {}
    if "tags" in values:
        inside["tags"] = [{"name": str(tag)} for tag in values["tags"] or []]
    for name, refs in (links or {}).items():
        inside[name] = [{"id": int(ref), **({"is_main": True} if not n and name == "contacts" else {})}
                        for n, ref in enumerate(refs)]  # fmt: skip
    if cells:
        body["custom_fields_values"] = cells
    if inside:
        body["_embedded"] = inside
    return body


def _native(key: str, value: Value) -> Value:
    """Ids are numbers over there and text with us."""
    return int(value) if key.endswith("_id") and isinstance(value, str) and value.isdecimal() else value


def _value(cell: Mapping[str, Any]) -> Value:
    values = cell.get("values") or []
    if cell.get("field_type") == "multitext":
        return [{"value": v.get("value"), "enum_code": v.get("enum_code") or v.get("enum") or ""} for v in values]
    if cell.get("field_type") in _LISTS:
        return [v.get("value") for v in values]
    if len(values) == 1:
        return values[0].get("value")
    return [v.get("value") for v in values] or None


def _cell(key: str, value: Value) -> dict[str, Any]:
    place: dict[str, Any] = {"field_id": int(key[3:])} if key.startswith("cf:") else {"field_code": key}
    if value is None or value == []:
        return {**place, "values": None}
    told = value if isinstance(value, list) else [value]
    return {**place, "values": [_sent(one) for one in told]}


def _sent(one: Value) -> dict[str, Any]:
    if not isinstance(one, dict):
        return {"value": one}
    return {key: part for key, part in one.items() if part not in ("", None)}


def _refs(rows: Sequence[Mapping[str, Any]] | None) -> tuple[str, ...]:
    main_first = sorted(rows or [], key=lambda row: not row.get("is_main"))
    return tuple(str(row["id"]) for row in main_first)


def digits(phone: str) -> str:
    """The end of a number, which is what its text search finds."""
    return re.sub(r"\D", "", phone)[-10:]


def carries(record: Record, key: str, wanted: str) -> bool:
    """Whether a record that was found really has this marker, phone or e-mail."""
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted)
    told = [str(one.get("value", "")) for one in record.values.get("PHONE" if key == "phone" else "EMAIL") or []]
    if key == "phone":
        return bool(digits(wanted)) and digits(wanted) in map(digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)
