"""The two shapes of a record: as the two versions of the API have it, flat as the hub's mapping wants it.

Leads and notes are of v1 (custom fields on top level, `value` an object), everything else of v2 (`custom_fields`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from connectors.contract import Record, Value
from connectors.crms.pipedrive.names import KEY, Custom, Names
from connectors.errors import Refuse

WON, LOST, ARCHIVED = "won", "lost", "archived"
V1 = frozenset({"leads", "notes"})
_COMMON = ("owner_id", "visible_to", "add_time")
WRITABLE = {
    "leads": frozenset(["title", "owner_id", "visible_to", "expected_close_date", "was_seen", "origin_id", "channel",
                        "channel_id"]),
    "deals": frozenset([*_COMMON, "title", "value", "currency", "pipeline_id", "probability", "lost_reason",
                        "expected_close_date", "origin_id", "channel", "channel_id"]),
    "persons": frozenset([*_COMMON, "name", "marketing_status"]),
    "organizations": frozenset([*_COMMON, "name"]),
    "notes": frozenset(["content", "add_time"]),
    "activities": frozenset(["subject", "type", "due_date", "due_time", "duration", "done", "note", "owner_id"]),
}  # fmt: skip
"""Native fields that are sent as they are; `bodies.SHAPED` has those that are not."""
LINKS: Mapping[str, Mapping[str, str]] = {
    "leads": {"person_id": "persons", "organization_id": "organizations"},
    "deals": {"person_id": "persons", "org_id": "organizations", "source_lead_id": "leads"},
    "persons": {"org_id": "organizations"},
    "organizations": {},
    "notes": {"lead_id": "leads", "deal_id": "deals", "person_id": "persons", "org_id": "organizations"},
    "activities": {"lead_id": "leads", "deal_id": "deals", "person_id": "persons", "org_id": "organizations"},
}
_MULTI = ("phones", "emails")
_APART = frozenset({"id", "custom_fields", "label_ids", "is_deleted", "active_flag", "cc_email"})


def path_of(kind: str, ref: str = "") -> str:
    """Where a kind lives: "v1/leads", "v2/deals/7"."""
    return f"{'v1' if kind in V1 else 'v2'}/{kind}" + (f"/{quote(ref, safe='')}" if ref else "")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def flat(kind: str, row: Mapping[str, Any], names: Names) -> Record:
    """A row of a list or a single record."""
    links = LINKS[kind]
    own = row.get("custom_fields")
    cells = own if isinstance(own, dict) else {key: value for key, value in row.items() if KEY.fullmatch(key)}
    values: dict[str, Value] = {
        key: value for key, value in row.items() if key not in _APART and key not in links and key not in cells
    }
    values |= _native(kind, row, names)
    known = names.by_key(kind) if cells else {}
    values |= {(known[key].name if key in known else key): _shown(known.get(key), cells[key]) for key in cells}
    stamp = str(row.get("update_time") or row.get("add_time") or "")
    return Record(
        kind,
        str(row["id"]),
        values,
        version=stamp,
        updated_at=instant(stamp),
        deleted=_gone(row),
        links={other: (str(row[key]),) for key, other in links.items() if row.get(key)},
    )


def _gone(row: Mapping[str, Any]) -> bool:
    return bool(row.get("is_deleted")) or row.get("active_flag") is False or row.get("status") == "deleted"


def _native(kind: str, row: Mapping[str, Any], names: Names) -> dict[str, Value]:
    told: dict[str, Value] = {}
    if kind != "notes" and isinstance(row.get("label_ids"), list):
        told["tags"] = names.tags(kind, row["label_ids"])
    if kind == "leads":
        told |= _money(row.get("value"))
        told["label_id"] = _stage_of(row, names)
    elif kind == "deals":
        closed = row.get("status")
        told["stage_id"] = closed if closed in (WON, LOST) else row.get("stage_id")
    elif kind == "organizations":
        place = row.get("address")
        told["address"] = place.get("value") if isinstance(place, dict) else place
    for name in _MULTI:
        if isinstance(row.get(name), list):
            told[name] = _points(row[name])
    return told


def _money(value: Any) -> dict[str, Value]:
    part = value if isinstance(value, dict) else {}
    return {"value": part.get("amount"), "currency": part.get("currency")}


def _stage_of(row: Mapping[str, Any], names: Names) -> str:
    """Where a lead stands: in the archive, under the first label that is a stage, or nowhere."""
    if row.get("is_archived"):
        return ARCHIVED
    refs = row.get("label_ids")
    stages = names.stages() if refs else set()
    return next((str(ref) for ref in refs or () if str(ref) in stages), "")


def _points(rows: Sequence[Any]) -> list[Value]:
    """Phones or e-mails, the primary one first. A person without any has one empty line."""
    parts = [one for one in rows if isinstance(one, dict) and one.get("value")]
    parts.sort(key=lambda one: not one.get("primary"))
    return [{"value": one["value"], "enum_code": one.get("label") or ""} for one in parts]


def _shown(field: Custom | None, raw: Any) -> Value:
    if field is None or raw is None or raw == "":
        return None if raw == "" else raw
    if field.type == "enum":
        return field.options.get(str(raw), str(raw))
    if field.type == "set":
        ids = raw.split(",") if isinstance(raw, str) else raw if isinstance(raw, list) else [raw]
        return [field.options.get(str(one).strip(), str(one)) for one in ids]
    return raw["value"] if isinstance(raw, dict) and "value" in raw else raw


def instant(text: str) -> datetime | None:
    """An instant in RFC 3339, or in the older "YYYY-MM-DD HH:MM:SS" which is UTC too."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def links_body(kind: str, links: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """References as fields; a person of an activity is its first participant."""
    body: dict[str, Any] = {}
    for key, other in LINKS[kind].items():
        if links.get(other) and key != "source_lead_id":
            ref = links[other][0]
            body[key] = ref if other == "leads" else int(ref)
    if kind == "activities" and "person_id" in body:
        body["participants"] = [{"person_id": body.pop("person_id"), "primary": True}]
    return body


def cell(kind: str, field: Custom, value: Value, currency: str) -> Any:
    """One custom value as it is sent."""
    if value is None or value == []:
        return None
    if field.type == "enum":
        return field.option(value)
    if field.type == "set":
        ids = [field.option(one) for one in (value if isinstance(value, list) else [value])]
        return ",".join(map(str, ids)) if kind in V1 else ids
    if kind not in V1 and field.type == "monetary" and not isinstance(value, dict):
        return {"value": value, "currency": currency}
    if kind not in V1 and field.type in {"address", "time"} and not isinstance(value, dict):
        return {"value": value}
    return value


def points_body(name: str, value: Value) -> list[dict[str, Any]]:
    """Phones or e-mails; the list is replaced as a whole, the first one is the primary."""
    rows = value or []
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise Refuse(f"Pipedrive wants a list for {name}", {name: "not a list of values"})
    return [
        {"value": one.get("value"), "label": str(one.get("enum_code") or "work").lower(), "primary": n == 0}
        for n, one in enumerate(rows)
    ]


def number(value: Value) -> Value:
    """Ids are numbers over there and text with us."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def default_name(values: Mapping[str, Value], marker: str) -> str:
    """People without a name are called by their phone or e-mail: the name is required."""
    for name in _MULTI:
        for one in values.get(name) or ():
            if isinstance(one, dict) and one.get("value"):
                return str(one["value"])
    return marker or "No name"
