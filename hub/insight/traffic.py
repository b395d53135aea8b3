"""The inquiries that opened leads, read again from what is stored, with the facts that routing rules may look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, select

from connectors.contract import Draft, DraftKind, Handle, Person
from hub.funnel.policy import Decision
from hub.identity.normalize import Known
from hub.intake import asked
from hub.intake.drafts import known_of
from hub.model import connection, inquiry, lead

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
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in row.person.items()}
    told["handles"] = tuple((one["kind"], one["id"]) for one in told.get("handles") or ())
    person, known = _known(tuple(sorted(told.items())), row.text, DraftKind(row.kind), place.region if place else "")
    source, name = (place.connector, place.name) if place else (row.source, "")
    return asked.facts_of(
        asked.Asked(source, name, known, person, row.form, row.subject, row.text, row.touch, row.fields, row.why)
    )


@lru_cache(maxsize=4096)
def _known(told: Sequence[tuple[str, Any]], text: str, kind: DraftKind, region: str) -> tuple[Person, Known]:
    """A stored person, normalised as intake does it; people who come again are read once."""
    values = dict(told)
    values["handles"] = tuple(Handle(*one) for one in values["handles"])
    person = Person(**values)
    return person, known_of(Draft(kind=kind, person=person, text=text), region)
