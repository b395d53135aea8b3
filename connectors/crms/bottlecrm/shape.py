"""The two shapes of a record: BottleCRM's nested one, and flat values as the hub's mapping wants them.

An owner is the first of `assigned_to`, `tags` are their names. A contact and a company have one phone and one e-mail
over there: here they are the lists `hub_phones` and `hub_emails` of `{"value"}`, whose further members stand in custom
fields of these names. Custom fields stand among the values under their keys where these begin with `hub_`, else as
`cf:<key>`. A company has no reference of its own for the hub's id: it stands in the custom field `hub_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS
from connectors.errors import Refuse

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
NAMELESS = "—"
"""Both names of a contact are required over there: what stands for one that nobody knows."""
LISTS = {"hub_phones": "phone", "hub_emails": "email"}
REACHED = (CONTACTS, ACCOUNTS)
"""Kinds whose phones and e-mails are lists here."""
SOURCE_REF = "source_ref"
MARKER = {ACCOUNTS: "hub_id"}
"""Where the hub's id stands, of the other kinds in `source_ref`."""
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
    ACCOUNTS: ("name", "website", "address_line", "city", "postcode", "industry", "description"),
}  # fmt: skip
COMPUTED = {"stage_kind"}


def flat(kind: str, row: Mapping[str, Any], deal: str = "") -> Record:
    """A row of a list or a single record. `deal` is what a lead was converted into."""
    values: dict[str, Value] = {name: row.get(name) for name in READ[kind]}
    values["assigned_to"] = next((str(one["id"]) for one in _rows(row, "assigned_to")), None)
    values["tags"] = [str(one["name"]) for one in _rows(row, "tags") if one.get("name")]
    values |= {_custom_name(key): value for key, value in (row.get("custom_fields") or {}).items()}
    if kind == LEADS:
        values["status"] = row.get("status") or "assigned"  # null until somebody sets it
    elif kind == CONTACTS:
        values |= {name: None for name in _NAMES if values[name] == NAMELESS}
    if kind in REACHED:
        values |= {name: _cells(row.get(key), values.get(name)) for name, key in LISTS.items()}
    links = _links(kind, row)
    if deal:
        links[DEALS] = (deal,)
    at = stamp(row) if row.get("updated_at") else None  # a deal and a company do not show when they changed
    return Record(kind, str(row["id"]), values, str(row.get("updated_at") or ""), at, links=links)


def _links(kind: str, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Whom it belongs to. A deal's company is told with its name, a contact's as an id; a lead has none."""
    links: dict[str, tuple[str, ...]] = {}
    if kind in (LEADS, DEALS):
        links[CONTACTS] = tuple(str(one["id"]) for one in _rows(row, "contacts"))
    told = row.get("account")
    if firm := told.get("id") if isinstance(told, dict) else told:
        links[ACCOUNTS] = (str(firm),)
    return links


def marker_of(kind: str, row: Mapping[str, Any]) -> str:
    """The hub's id that a row carries, "" where it carries none."""
    held = row if kind not in MARKER else row.get("custom_fields") or {}
    return str(held.get(MARKER.get(kind, SOURCE_REF)) or "")


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
    """What to send, tags as their names still. Raises `Refuse` for a list that is none."""
    sent = {name: value for name, value in values.items() if name in READ[kind] and name not in COMPUTED}
    if "assigned_to" in values:
        sent["assigned_to"] = [values["assigned_to"]] if values["assigned_to"] else []
    if "tags" in values:
        sent["tags"] = [str(one) for one in values["tags"] or ()]
    custom = {_custom_key(name): value for name, value in values.items() if _is_custom(name)}
    if marker:
        (custom if kind in MARKER else sent)[MARKER.get(kind, SOURCE_REF)] = marker
    for name, key in LISTS.items() if kind in REACHED else ():
        if name in values:
            sent[key], *rest = _texts(name, values[name]) or [""]
            custom[name] = _BY.join(rest)
    if custom:
        sent["custom_fields"] = custom
    if kind == CONTACTS:
        sent |= {name: NAMELESS for name in _NAMES if not sent.get(name) and (name in sent or marker)}
    return sent | _linked(kind, links or {})


def _linked(kind: str, links: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    people = {"contacts": list(links[CONTACTS])} if kind in (LEADS, DEALS) and links.get(CONTACTS) else {}
    firm = {"account": links[ACCOUNTS][0]} if kind in (CONTACTS, DEALS) and links.get(ACCOUNTS) else {}
    return people | firm


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
