"""Small writes that a change of a record brings with it: a line in the journal, a mark on its links, a hint to read its
card again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, update

from hub.clock import Clock
from hub.model import journal, link, look_again
from hub.store.engine import inserting

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


def point_at(conn: Connection, clock: Clock, asked: Mapping[tuple[str, str, str], int]) -> None:
    """Cards over there (connection, kind, id) that are to be read again soon, and how often each was pointed at. A hint
    that is being followed this moment stays."""
    rows = [
        {"connection_id": connection_id, "kind": kind, "remote_id": ref, "at": clock.now(), "times": times}
        for (connection_id, kind, ref), times in sorted(asked.items())
    ]
    if rows:
        again = inserting(conn, look_again)
        grown = {"times": look_again.c.times + again.excluded.times, "at": again.excluded.at}
        conn.execute(again.on_conflict_do_update(index_elements=list(look_again.primary_key), set_=grown), rows)
