"""Two small writes that every change of a record brings with it: a line in the journal, a mark on its links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, update

from hub.clock import Clock
from hub.model import journal, link

FRESH, PERSON, REST = 0, 1, 2
"""Lanes of the work that goes to CRMs: a fresh lead overtakes a person's edit, which overtakes the rest."""


def note(
    conn: Connection,
    clock: Clock,
    subject: str,
    subject_id: str,
    what: str,
    actor: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """One line of a record's timeline, in facts."""
    conn.execute(
        journal.insert().values(
            id=clock.new_id(), at=clock.now(), subject=subject, subject_id=subject_id, what=what, actor=actor,
            facts=dict(facts or {}),
        )
    )  # fmt: skip


def mark_dirty(conn: Connection, clock: Clock, record_ids: Sequence[str], lane: int = PERSON) -> None:
    """The links of these records have something to say to their CRMs."""
    live = link.c.state.in_(("new", "sending", "uncertain", "linked"))
    conn.execute(
        update(link)
        .where(link.c.record_id.in_(list(record_ids)), live)
        .values(
            dirty=link.c.dirty + 1,
            lane=case((link.c.lane < lane, link.c.lane), else_=lane),
            due_at=case((link.c.state == "linked", clock.now()), else_=link.c.due_at),
        )
    )
