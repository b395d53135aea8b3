"""A deal for a client who has no lead, from the contact or one of their company: by way of a lead, or alone.

With a lead it counts like every other conversion. A deal alone (a repeat order, the offline base) needs a reason, which
is recorded and counts as accepted: it is no stray.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hub.clock import HOUR, Clock
from hub.funnel.border import cross
from hub.funnel.moves import NotPossible, first_stage_of
from hub.model import connection, contact, deal, lead, link
from hub.store.notes import FRESH, note

WITH_LEAD, ALONE = "lead", "deal"


def people_of(conn: Connection, company_id: str) -> list[Any]:
    """Contacts of a company, who may be asked for by name."""
    mine = (contact.c.company_id == company_id) & contact.c.merged_into.is_(None)
    return list(conn.execute(select(contact).where(mine).order_by(contact.c.name, contact.c.id)))


def open_deal(
    conn: Connection, clock: Clock, contact_id: str, direction_id: str, owner_id: str, how: str, reason: str, actor: str
) -> str:
    """Answers the deal's id. `how` is "lead" (the client's open lead in this direction, or a new one, is converted;
    what it lacks is forced with the reason) or "deal" (without a lead; needs the reason)."""
    person = conn.execute(select(contact).where(contact.c.id == contact_id).with_for_update()).one_or_none()
    if person is None or person.merged_into:
        raise NotPossible("missing", "There is no such contact")
    reason = reason.strip()
    if how == ALONE and not reason:
        raise NotPossible("needs_why", "Say why this deal has no lead")
    busy = (lead.c.contact_id == contact_id) & (lead.c.direction_id == direction_id) & (lead.c.state == "open")
    running = conn.execute(select(lead.c.id).where(busy)).scalar()
    if how == ALONE and running:
        raise NotPossible("has_open_lead", "This person has an open lead in this direction: convert that one")
    if how == ALONE:
        return _alone(conn, clock, person, direction_id, owner_id, reason, actor)
    lead_id = str(running or _lead(conn, clock, person, direction_id, owner_id, actor))
    return cross(conn, clock, lead_id, actor, force=reason)


def _lead(conn: Connection, clock: Clock, person: Any, direction_id: str, owner_id: str, actor: str) -> str:
    lead_id, now = clock.new_id(), clock.now()
    made = {
        "id": lead_id,
        "contact_id": person.id,
        "direction_id": direction_id,
        "owner_id": owner_id,
        "title": person.name,
    }
    step = {"next_step": "qualify", "next_step_at": now + HOUR, "opened_at": now, "active_at": now, "source": "desk"}
    place = first_stage_of(conn, direction_id, "lead")
    conn.execute(lead.insert().values(**made, **step, stage=place, state="open"))
    note(conn, clock, "lead", lead_id, "opened", actor, {"route": {"by": "person", "owner": owner_id}})
    _tell_crms(conn, clock, "lead", lead_id)
    return lead_id


def _alone(
    conn: Connection, clock: Clock, person: Any, direction_id: str, owner_id: str, reason: str, actor: str
) -> str:
    deal_id, now = clock.new_id(), clock.now()
    made = {
        "id": deal_id,
        "contact_id": person.id,
        "direction_id": direction_id,
        "owner_id": owner_id,
        "title": person.name,
    }
    place = first_stage_of(conn, direction_id, "deal")
    conn.execute(deal.insert().values(**made, stage=place, state="open", opened_at=now, active_at=now))
    note(conn, clock, "deal", deal_id, "opened", actor, {"lead": "", "reason": reason})
    note(conn, clock, "deal", deal_id, "accepted", actor, {"reason": reason})
    _tell_crms(conn, clock, "deal", deal_id)
    return deal_id


def _tell_crms(conn: Connection, clock: Clock, role: str, record_id: str) -> None:
    """The card still has to be made in every CRM."""
    now = clock.now()
    for one in conn.execute(select(connection.c.id).where(connection.c.kind == "crm")).scalars():
        made = {"id": clock.new_id(), "connection_id": one, "role": role, "record_id": record_id, "state": "new"}
        conn.execute(link.insert().values(**made, dirty=1, lane=FRESH, due_at=now, since=now))
