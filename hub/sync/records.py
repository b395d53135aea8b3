"""Hub records in the flat form that mappings translate, read for a whole batch at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from hub.clock import instant
from hub.model import company, contact, contact_point, deal, lead
from hub.store.lists import among

Flat = dict[str, Any]
UNFIT = frozenset({"fake", "bad", "damaged", "text"})
"""Flags of a phone or e-mail that is not offered to a CRM. What a person entered over there never has them."""
PLACE = "placement"
"""The hub field that says where a card stands: [block, direction id, stage]."""


def load(conn: Connection, role: str, ids: Sequence[str]) -> dict[str, Flat]:
    """Records by id. Missing ids are missing in the answer."""
    return LOADERS[role](conn, ids) if ids else {}


RECORDS = {table.name: select(table).where(among(table.c.id)) for table in (company, contact, lead, deal)}
POINTS = select(contact_point).where(among(contact_point.c.contact_id)).order_by(contact_point.c.first_seen_at)


def _rows(conn: Connection, table: Table, ids: Sequence[str]) -> Iterable[Any]:
    return conn.execute(RECORDS[table.name], {"wanted": ids}) if ids else ()


def _contacts(conn: Connection, ids: Sequence[str]) -> dict[str, Flat]:
    found = {
        row.id: {
            "name": row.name, "first_name": row.first_name, "last_name": row.last_name, "middle_name": row.middle_name,
            "company": row.company, "company_id": row.company_id, "position": row.position, "language": row.language,
            "phones": [], "emails": [], "hub_id": row.id, "merged_into": row.merged_into, **row.own,
        }
        for row in _rows(conn, contact, ids)
    }  # fmt: skip
    for point in conn.execute(POINTS, {"wanted": list(found)}):
        place = {"phone": "phones", "email": "emails"}.get(point.kind)
        if place and usable(point):
            found[point.contact_id][place].append(point.value)
    return found


def _companies(conn: Connection, ids: Sequence[str]) -> dict[str, Flat]:
    return {
        row.id: {
            "name": row.name, "website": row.website, "domain": row.domain, "tax_id": row.tax_id,
            "address": row.address, "phones": list(row.phones), "emails": list(row.emails), "hub_id": row.id,
            **row.own,
        }
        for row in _rows(conn, company, ids)
    }  # fmt: skip


def usable(point: Any) -> bool:
    """Whether a phone or e-mail may be written to a CRM's field: damaged and invented ones stay in the timeline."""
    return not UNFIT & set(point.flags) and (point.kind != "phone" or point.value.startswith("+"))


def _touch(touch: Mapping[str, Any], prefix: str = "") -> Flat:
    return {f"{prefix}utm_{name}": value for name, value in touch.get("utm", {}).items()}


def _from_lead(row: Any) -> Flat:
    """What a card keeps of its lead, also when it has become a deal."""
    return {
        "text": row.text,
        "source": row.source,
        "form": row.form,
        "page": row.touch.get("page", ""),
        "referrer": row.touch.get("referrer", ""),
        **_touch(row.touch),
        **_touch(row.first_touch, "first_"),
        "temperature": row.temperature,
        "qualified_at": _iso(row.qualified_at),
        "created_at": _iso(row.opened_at),
        "hub_id": row.id,
    }


def _leads(conn: Connection, ids: Sequence[str]) -> dict[str, Flat]:
    return {
        row.id: {
            **_from_lead(row),
            "title": row.title,
            "owner": row.owner_id,
            "amount": row.amount,
            "currency": row.currency,
            "tags": list(row.tags),
            "reject_reason": row.reason,
            **row.own,
            "block": "lead",
            PLACE: ["lead", row.direction_id, row.stage],
            "contact": row.contact_id,
        }
        for row in _rows(conn, lead, ids)
    }


def _deals(conn: Connection, ids: Sequence[str]) -> dict[str, Flat]:
    rows = list(_rows(conn, deal, ids))
    leads = {row.id: _from_lead(row) for row in _rows(conn, lead, [row.lead_id for row in rows if row.lead_id])}
    return {
        row.id: {
            **leads.get(row.lead_id, {"hub_id": row.id, "created_at": _iso(row.opened_at)}),
            "title": row.title,
            "owner": row.owner_id,
            "amount": row.amount,
            "currency": row.currency,
            "tags": list(row.tags),
            "reject_reason": row.reason,
            **row.own,
            "block": "deal",
            PLACE: ["deal", row.direction_id, row.stage],
            "lead": row.lead_id,
            "contact": row.contact_id,
        }
        for row in rows
    }


def _iso(at: int | None) -> str:
    return instant(at).isoformat() if at else ""


LOADERS = {"company": _companies, "contact": _contacts, "lead": _leads, "deal": _deals}
