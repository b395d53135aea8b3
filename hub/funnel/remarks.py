"""Notes and next steps that people write here: a line of the journal, and a copy for every CRM that has the card.

Neither is evidence of work. The copies travel by `hub.sync.hung`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, or_, select, update

from hub.clock import MINUTE, Clock
from hub.funnel.moves import NotPossible
from hub.model import deal, hanging, journal, lead, link, task
from hub.store.many import add_many
from hub.store.notes import note

REMARK, PLANNED, DONE = "remark", "planned", "task_done"
NOTE, TASK = "note", "task"
LONGEST = 4000
LIVE = ("new", "sending", "uncertain", "linked", "held", "parked")


def remark(conn: Connection, clock: Clock, subject: str, subject_id: str, text: str, member_id: str) -> None:
    """A note on a lead or a deal; the same words within a minute are one. Raises `NotPossible` for an empty one."""
    said, actor = _said(text), f"member:{member_id}"
    same = (journal.c.subject_id == subject_id) & (journal.c.what == REMARK) & (journal.c.actor == actor)
    recent = conn.execute(select(journal.c.facts).where(same, journal.c.at >= clock.now() - MINUTE))
    if said in {one.facts.get("text") for one in recent}:
        return
    note(conn, clock, subject, subject_id, REMARK, actor, {"text": said})
    hang(conn, clock, NOTE, subject, subject_id, said, member_id)


def plan(conn: Connection, clock: Clock, subject: str, row: Any, text: str, until: int, member_id: str) -> None:
    """The next step of a lead or a deal, for its owner; the same one twice is one. Raises `NotPossible` for one
    without words or without a time that is still to come."""
    said = _said(text)
    if until <= clock.now():
        raise NotPossible("past", "Say until when: a time that is still to come")
    same = (task.c.subject_id == row.id) & (task.c.text == said) & task.c.done_at.is_(None) & (task.c.due_at == until)
    if conn.execute(select(task.c.id).where(same)).first() is not None:
        return
    made = {"id": clock.new_id(), "subject": subject, "subject_id": row.id, "member_id": row.owner_id, "text": said,
            "due_at": until, "by": f"member:{member_id}"}  # fmt: skip
    conn.execute(task.insert().values(**made, occasion=f"desk:{made['id']}"))
    if subject == "lead":
        mine = (lead.c.id == row.id) & (lead.c.state == "open")
        step = {"next_step": "follow_up", "next_step_at": until, "version": lead.c.version + 1}
        conn.execute(update(lead).where(mine).values(step))
    note(conn, clock, subject, row.id, PLANNED, f"member:{member_id}", {"text": said, "at": until})
    hang(conn, clock, TASK, subject, row.id, said, row.owner_id, until, str(made["id"]))


def _said(text: str) -> str:
    said = text.strip()[:LONGEST]
    if not said:
        raise NotPossible("empty", "The note is empty")
    return said


def hang(
    conn: Connection, clock: Clock, what: str, subject: str, subject_id: str, text: str, member_id: str,
    until: int | None = None, task_id: str | None = None,
) -> None:  # fmt: skip
    """A copy for each CRM that has this card or shall have it; a lead's card may be its deal's by now."""
    later = select(deal.c.id).where(deal.c.lead_id == subject_id, deal.c.state != "reverted")
    mine = or_(link.c.record_id == subject_id, link.c.record_id.in_(later)) & link.c.state.in_(LIVE)
    now = clock.now()
    rows = [
        {"id": clock.new_id(), "connection_id": one, "what": what, "subject": subject, "subject_id": subject_id,
         "text": text, "until_at": until, "member_id": member_id, "task_id": task_id, "state": "new", "due_at": now,
         "since": now}
        for one in conn.execute(select(link.c.connection_id).where(mine).distinct()).scalars()
    ]  # fmt: skip
    add_many(conn, hanging, rows)
