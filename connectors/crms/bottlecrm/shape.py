"""The two shapes of a record: BottleCRM's nested one, and flat values as the hub's mapping wants them.

An owner is the first of `assigned_to`. A contact has one phone and one e-mail over there: here they are the lists
`hub_phones` and `hub_emails` of `{"value"}`, whose further members stand in custom fields of these names. Custom fields
stand among the values under their keys where these begin with `hub_`, else as `cf:<key>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value
from connectors.crms.bottlecrm.api import CONTACTS, DEALS, LEADS
from connectors.errors import Refuse

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NAMELESS = "—"
"""Both names of a contact are required over there: what stands for one that nobody knows."""
LISTS = {"hub_phones": "phone", "hub_emails": "email"}
_BY = "; "
_NAMES = ("first_name", "last_name")
READ: Mapping[str, tuple[str, ...]] = {
    LEADS: (
        "title", "first_name", "last_name", "email", "phone", "company_name", "job_title", "website", "status",
        "source", "source_detail", "source_ref", "rating", "opportunity_amount", "currency", "probability",
        "close_date", "description",
    ),
    DEALS: (
        "name", "pipeline", "stage", "stage_kind", "amount", "currency", "probability", "closed_on", "lead_source",
        "source_detail", "source_ref", "description",
    ),
    CONTACTS: (
        "first_name", "last_name", "organization", "title", "source", "source_detail", "source_ref", "description",
    ),
}  # fmt: skip
COMPUTED = {"stage_kind"}


def flat(kind: str, row: Mapping[str, Any], deal: str = "") -> Record:
    """A row of a list or a single record. `deal` is what a lead was converted into."""
    values: dict[str, Value] = {name: row.get(name) for name in READ[kind]}
    values["assigned_to"] = next((str(one["id"]) for one in _rows(row, "assigned_to")), None)
    values |= {_custom_name(key): value for key, value in (row.get("custom_fields") or {}).items()}
    if kind == LEADS:
        values["status"] = row.get("status") or "assigned"  # null until somebody sets it
    elif kind == CONTACTS:
        values |= {name: None for name in _NAMES if values[name] == NAMELESS}
        values |= {name: _cells(row.get(key), values.get(name)) for name, key in LISTS.items()}
    links = {CONTACTS: tuple(str(one["id"]) for one in _rows(row, "contacts"))} if kind != CONTACTS else {}
    if deal:
        links[DEALS] = (deal,)
    at = stamp(row)
    return Record(kind, str(row["id"]), values, str(row.get("updated_at") or ""), at, links=links)


def stamp(row: Mapping[str, Any]) -> datetime:
    """When it changed; a deal shows only when its stage did."""
    for name in ("updated_at", "stage_changed_at", "created_at"):
        try:
            return datetime.fromisoformat(str(row.get(name))).astimezone(UTC)
        except ValueError:
            continue
    return BEGINNING


def body(
    kind: str, values: Mapping[str, Value], marker: str = "", links: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    """What to send. Raises `Refuse` for a list that is none."""
    sent = {name: value for name, value in values.items() if name in READ[kind] and name not in COMPUTED}
    if "assigned_to" in values:
        sent["assigned_to"] = [values["assigned_to"]] if values["assigned_to"] else []
    custom = {_custom_key(name): value for name, value in values.items() if _is_custom(name)}
    for name, key in LISTS.items() if kind == CONTACTS else ():
        if name in values:
            sent[key], *rest = _texts(name, values[name]) or [""]
            custom[name] = _BY.join(rest)
    if custom:
        sent["custom_fields"] = custom
    if kind == CONTACTS:
        sent |= {name: NAMELESS for name in _NAMES if not sent.get(name) and (name in sent or marker)}
    if marker:
        sent["source_ref"] = marker
    if kind != CONTACTS and (links or {}).get(CONTACTS):
        sent["contacts"] = list((links or {})[CONTACTS])
    return sent


def _cells(first: Value, rest: Value) -> list[Value]:
    texts = [str(first or ""), *str(rest or "").split(_BY.strip())]
    return [{"value": text.strip()} for text in texts if text.strip()]


def _texts(name: str, value: Value) -> list[str]:
    cells = value or []
    if not isinstance(cells, list) or not all(isinstance(one, dict) for one in cells):
        raise Refuse(f"{name} is a list of values", {name: "is a list of values"})
    return [text for one in cells if (text := str(one.get("value") or "").strip())]


def _rows(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = row.get(name)
    return [one for one in rows if isinstance(one, dict) and "id" in one] if isinstance(rows, list) else []


def _is_custom(name: str) -> bool:
    return name.startswith(("hub_", "cf:"))


def _custom_name(key: str) -> str:
    return key if key.startswith("hub_") else f"cf:{key}"


def _custom_key(name: str) -> str:
    return name.removeprefix("cf:")
