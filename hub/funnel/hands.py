"""Leads change hands, many at once: owner, journal, ledger and links in the caller's transaction.

What `hub.funnel.moves.give_lead` is for one lead and a person's wish, this is for deadlines, absences and people who
left. A lead that is no longer open, or no longer with whom it was taken from, stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hub.clock import Clock
from hub.model import assignment, journal, lead, rule
from hub.routing.floor import Assignment, Floor
from hub.routing.ledger import record
from hub.store.lists import among
from hub.store.notes import REST, mark_dirty

ACTOR = "hub"
PORTION = 400
LOCKED = select(lead).where(among(lead.c.id)).order_by(lead.c.id).with_for_update()


@dataclass(frozen=True, slots=True)
class Change:
    """A lead, whose it was, whose it becomes and why. `cause` is deadline, gone, away or back."""

    lead_id: str
    before: str
    after: Assignment
    cause: str


def lock_leads(conn: Connection, ids: Iterable[str]) -> dict[str, Any]:
    """These leads, ours until the end of the transaction, locked in one order everywhere."""
    ordered = sorted(set(ids))
    return {row.id: row for row in conn.execute(LOCKED, {"wanted": ordered})} if ordered else {}


def change_hands(conn: Connection, clock: Clock, floor: Floor, changes: Sequence[Change]) -> None:
    """All of them. The leads are locked and open."""
    if not changes:
        return
    now = clock.now()
    moved = [
        {"b_id": one.lead_id, "b_owner": one.after.owner, "b_at": now}
        for one in changes
        if one.before != one.after.owner
    ]
    if moved:
        taken_back = {"owner_id": bindparam("b_owner"), "taken_by": None, "taken_at": None,
                      "version": lead.c.version + 1, "active_at": bindparam("b_at")}  # fmt: skip
        conn.execute(update(lead).where(lead.c.id == bindparam("b_id")).values(**taken_back), moved)
        conn.execute(journal.insert(), [_line(clock, one) for one in changes if one.before != one.after.owner])
    for start in range(0, len(moved), PORTION):
        mark_dirty(conn, clock, [str(row["b_id"]) for row in moved[start : start + PORTION]], REST)
    given = [(one.lead_id, replace(one.after, why={**one.after.why, "cause": one.cause})) for one in changes]
    record(conn, clock, floor, given, {one.lead_id: one.before for one in changes})


def _line(clock: Clock, one: Change) -> dict[str, Any]:
    why = {**one.after.why, "cause": one.cause, "pool": one.after.pool, "owner": one.after.owner}
    facts = {"from": one.before, "owner": one.after.owner, "route": why}
    return {"id": clock.new_id(), "at": clock.now(), "subject": "lead", "subject_id": one.lead_id, "what": "given",
            "actor": ACTOR, "facts": facts}  # fmt: skip


def pools_of(conn: Connection, ids: Sequence[str]) -> Mapping[str, str]:
    """The pool each of these leads came through, else that of the rule that takes everything."""
    last = select(rule.c.pool).where(rule.c.active).order_by(rule.c.position.desc(), rule.c.id.desc()).limit(1)
    usual = str(conn.execute(last).scalar() or "")
    found = dict.fromkeys(ids, usual)
    for start in range(0, len(ids), PORTION):
        some = (assignment.c.lead_id.in_(ids[start : start + PORTION])) & (assignment.c.pool != "")
        rows = conn.execute(select(assignment.c.lead_id, assignment.c.pool).where(some).order_by(assignment.c.id))
        found |= {str(row.lead_id): str(row.pool) for row in rows}
    return found
