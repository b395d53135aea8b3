"""The one decision about a lead: a deal, the contact only, later (until when, why), or rejected with a reason.

A lead's state is that decision: the database takes no closed lead without one, no rejection and no "later" without a
reason, no "later" without a day. Deals are made and leads rejected in `hub.funnel.moves`; here is the rest. A lead that
was put off returns by itself, once: at the client's next word or visit, at anybody's touch, or on its day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import DAY, Clock
from hub.funnel.evidence import is_said, is_work
from hub.funnel.hands import ACTOR, lock_leads, pools_of
from hub.funnel.moves import (
    NEXT_STEP,
    NotPossible,
    closing_stage,
    first_stage,
    open_lead,
    other_open_lead,
    save_lead,
)
from hub.model import lead
from hub.routing.floor import NobodyThere
from hub.routing.giving import Giving
from hub.routing.rules import Route
from hub.store.notes import note

VISIT = "visited"
"""The journal's word for a client seen on the site again; a line of the lead or of its contact."""
LONGEST = 2 * 366 * DAY
TRY_AGAIN = DAY // 24
PORTION = 100
ELSEWHERE = "Goes on in another lead"


def keep_contact(conn: Connection, clock: Clock, lead_id: str, reason: str, actor: str) -> None:
    """Nothing to sell and nobody to turn away: the contact stays, the lead is closed without a deal."""
    row = open_lead(conn, lead_id)
    final = closing_stage(conn, row.direction_id, "lead", "rejected")
    _close_as_contact(conn, clock, row, final or row.stage, reason.strip(), actor)


def _close_as_contact(conn: Connection, clock: Clock, row: Any, stage: str, reason: str, actor: str) -> None:
    closed: dict[str, Any] = {"reason": reason or "Contact only", "closed_at": clock.now(), "return_at": None}
    save_lead(conn, clock, row, state="contact", stage=stage, **closed)
    note(conn, clock, "lead", row.id, "contact_only", actor, {"reason": reason, "from": row.stage})


def put_off(conn: Connection, clock: Clock, lead_id: str, until: int, why: str, actor: str) -> None:
    """Later: the lead rests on its stage until that moment (milliseconds) or the client's next word."""
    why = why.strip()
    if not why:
        raise NotPossible("needs_why", "Say why this lead is put off")
    if not clock.now() < until <= clock.now() + LONGEST:
        raise NotPossible("bad_day", "Say a day in the future, within two years")
    row = open_lead(conn, lead_id)
    save_lead(conn, clock, row, state="nurture", reason=why, return_at=until, closed_at=clock.now())
    note(conn, clock, "lead", row.id, "put_off", actor, {"until": until, "why": why})


# ── the way back ─────────────────────────────────────────────────────────────────────────────────


def follow_returns(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Listener of `hub.funnel.timers`: who was put off and gives a sign of life is somebody's work again."""
    signs = [line for line in lines if _is_sign(line)]
    if not signs:
        return
    direct = {line.subject_id: line for line in signs if line.subject == "lead"}
    people = {line.subject_id: line for line in signs if line.subject == "contact"}
    resting = select(lead.c.id, lead.c.contact_id).where(
        lead.c.state == "nurture", lead.c.id.in_(sorted(direct)) | lead.c.contact_id.in_(sorted(people))
    )
    found = {row.id: direct.get(row.id) or people[row.contact_id] for row in conn.execute(resting)}
    for row in lock_leads(conn, found).values():
        if row.state == "nurture" and found[row.id].at >= row.closed_at:
            bring_back(conn, clock, row, found[row.id].what)


def _is_sign(line: Any) -> bool:
    if line.subject not in ("lead", "contact"):
        return False
    return line.what == VISIT or (line.subject == "lead" and (is_said(line) or is_work(line)))


def anything_to_return(conn: Connection, now: int) -> bool:
    """A look without a writing transaction."""
    due = (lead.c.state == "nurture") & (lead.c.return_at <= now)
    return conn.execute(select(lead.c.id).where(due).limit(1)).first() is not None


def return_due(conn: Connection, clock: Clock) -> int:
    """Leads whose day has come; answers how many were looked at."""
    due = (lead.c.state == "nurture") & (lead.c.return_at <= clock.now())
    ids = conn.execute(select(lead.c.id).where(due).order_by(lead.c.return_at).limit(PORTION)).scalars()
    rows = [row for row in lock_leads(conn, ids).values() if row.state == "nurture" and row.return_at <= clock.now()]
    for row in rows:
        bring_back(conn, clock, row, "day")
    return len(rows)


def bring_back(conn: Connection, clock: Clock, row: Any, why: str) -> None:
    """A locked lead that was put off is open again, with an owner by routing and a next step. One whose person has
    another open lead by now goes on there."""
    if other_open_lead(conn, row):
        _close_as_contact(conn, clock, row, row.stage, ELSEWHERE, ACTOR)
        return
    pool, now = pools_of(conn, [row.id])[row.id], clock.now()
    giving = Giving(conn, now, [row.contact_id])
    try:
        one = giving.give(row.id, Route(row.direction_id, pool, {}), {}, row.contact_id, now)
    except NobodyThere:
        save_lead(conn, clock, row, return_at=now + TRY_AGAIN)
        return
    due = giving.due(one, now, NEXT_STEP["call_back"])
    back: dict[str, Any] = {"closed_at": None, "return_at": None, "reason": "", "taken_by": None, "taken_at": None}
    stage = row.stage or first_stage(conn, row.id)
    save_lead(
        conn, clock, row, state="open", stage=stage, owner_id=one.owner, next_step="call_back", next_step_at=due, **back
    )
    giving.write(clock)
    route = {**one.why, "pool": one.pool, "owner": one.owner}
    note(conn, clock, "lead", row.id, "returned", ACTOR, {"why": why, "owner": one.owner, "route": route})
