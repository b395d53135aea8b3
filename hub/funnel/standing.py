"""What the hub knows of leads for score, temperature and border, read for many at once, and what follows from it.

A client's state moves by evidence: the temperature of a lead, and its stage as long as that is one of the states.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import Clock
from hub.funnel.evidence import KINDS, SAID
from hub.funnel.hands import ACTOR, lock_leads
from hub.funnel.moves import move_lead
from hub.funnel.questions import answers_of, questions_of
from hub.funnel.warmth import STATES, Known, temperature
from hub.model import contact, contact_point, journal, lead, stage
from hub.store.notes import REST, mark_dirty, note

TOUCHES = (*KINDS, *SAID)
MOVING = (*TOUCHES, "answered")


def read_known(conn: Connection, leads: Mapping[str, Any]) -> dict[str, Known]:
    """Everything about these leads, by lead id."""
    people = {row.contact_id for row in leads.values()}
    points, firms = _people(conn, sorted(people))
    lines: dict[str, list[Any]] = defaultdict(list)
    mine = journal.c.subject_id.in_(sorted(leads)) & journal.c.what.in_(TOUCHES)
    for line in conn.execute(select(journal).where(mine).order_by(journal.c.at, journal.c.id)):
        lines[line.subject_id].append(line)
    asked = {one: questions_of(conn, one) for one in {row.direction_id for row in leads.values()}}
    return {
        row.id: Known(
            points[row.contact_id], firms.get(row.contact_id, ""), row.inquiries, bool((row.touch or {}).get("utm")),
            lines[row.id], asked[row.direction_id], answers_of(conn, row.id),
        )
        for row in leads.values()
    }  # fmt: skip


def _people(conn: Connection, ids: Sequence[str]) -> tuple[dict[str, list[tuple[str, Sequence[str]]]], dict[str, str]]:
    points: dict[str, list[tuple[str, Sequence[str]]]] = defaultdict(list)
    for row in conn.execute(select(contact_point).where(contact_point.c.contact_id.in_(ids))):
        points[row.contact_id].append((row.kind, row.flags))
    firms = conn.execute(select(contact.c.id, contact.c.company).where(contact.c.id.in_(ids)))
    return points, {row.id: row.company for row in firms}


def follow_warmth(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Leads that were touched or learnt something: their temperature, and the stage that goes with it."""
    ids = {line.subject_id for line in lines if line.subject == "lead" and line.what in MOVING}
    leads = {key: row for key, row in lock_leads(conn, ids).items() if row.state == "open"} if ids else {}
    for lead_id, known in read_known(conn, leads).items() if leads else ():
        warm, why = temperature(known)
        if warm and warm != leads[lead_id].temperature:
            _warm(conn, clock, leads[lead_id], warm, why)


def _warm(conn: Connection, clock: Clock, row: Any, warm: str, why: str) -> None:
    conn.execute(update(lead).where(lead.c.id == row.id).values(temperature=warm, version=lead.c.version + 1))
    mark_dirty(conn, clock, [row.id], REST)
    note(conn, clock, "lead", row.id, "warmth", ACTOR, {"from": row.temperature, "to": warm, "why": why})
    place = (stage.c.direction_id == row.direction_id) & (stage.c.block == "lead") & (stage.c.key == warm)
    if row.stage in STATES and conn.execute(select(stage.c.key).where(place, stage.c.final == "")).first():
        move_lead(conn, clock, row.id, warm, ACTOR)
