"""The inquiries that opened leads, read again from what is stored, with the facts that routing rules may look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from hub.funnel.policy import Decision
from hub.identity.phones import phones
from hub.model import connection, inquiry, lead
from hub.routing.rules import OWN

PORTION = 1000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One inquiry that opened a lead: when, whose, from where, and how the lead stands today."""

    lead_id: str
    contact_id: str
    at: int
    facts: Mapping[str, str]
    owner: str
    direction_id: str
    closed_at: int | None


def read_traffic(conn: Connection, since: int, until: int) -> Iterator[Arrival]:
    """Arrivals of a span in the order in which they came."""
    places = {row.id: row for row in conn.execute(select(connection.c.id, connection.c.connector, connection.c.name,
                                                         connection.c.region))}  # fmt: skip
    columns = (lead.c.owner_id, lead.c.direction_id, lead.c.closed_at, lead.c.source)
    joined = inquiry.join(lead, lead.c.id == inquiry.c.lead_id)
    mine = (inquiry.c.decision == Decision.NEW_LEAD.value) & (lead.c.opened_at >= since) & (lead.c.opened_at < until)
    query = select(inquiry, *columns).select_from(joined).where(mine).order_by(inquiry.c.received_at, inquiry.c.id)
    for row in conn.execute(query.execution_options(yield_per=PORTION)):
        facts = facts_of(row, places.get(row.connection_id))
        yield Arrival(row.lead_id, row.contact_id, row.received_at, facts, row.owner_id or "", row.direction_id,
                      row.closed_at)  # fmt: skip


def facts_of(row: Any, place: Any) -> Mapping[str, str]:
    """What rules may look at, from a stored inquiry; the same as intake saw."""
    person, touch = row.person, row.touch
    facts = {
        "source": place.connector if place else row.source,
        "connection": place.name if place else "",
        "form": row.form,
        "region": _region(tuple(person.get("phones") or ()), place.region if place else ""),
        "language": person.get("language") or "",
        "page": touch.get("page") or "",
        "referrer": touch.get("referrer") or "",
        "text": row.text,
        "subject": row.subject,
        "company": person.get("company") or "",
    }
    facts |= {f"utm.{name}": str(value) for name, value in (touch.get("utm") or {}).items()}
    return facts | {f"{OWN}{name}": str(value) for name, value in row.fields.items()}


@lru_cache(maxsize=4096)
def _region(told: Sequence[str], region: str) -> str:
    """Country of the first number that is one."""
    return next((one.region for text in told for one in phones(text, region)), "")
