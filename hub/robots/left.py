"""What is written down of a letter that left, in the commit that says so: the touch on the client's timeline, and the
conversation that a reply to a mail continues.

A robot's letter is a touch, and no work of anybody: it stops no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.funnel.evidence import MAIL, MESSAGE, show
from hub.model import deal, lead, robot_run, thread
from hub.store.engine import add_unless_there

KINDS: Mapping[str, str] = {"email": MAIL, "sms": MESSAGE, "messenger": MESSAGE}


def remember(conn: Connection, clock: Clock, row: Any, provider_id: str) -> None:
    """For `hub.robots.outbox.Outbox(sent=remember)`. Only letters of robots to clients are touches."""
    run = conn.execute(select(robot_run).where(robot_run.c.id == row.run_id)).one_or_none() if row.run_id else None
    lead_id = _lead_of(conn, run) if run is not None and row.channel in KINDS else ""
    if run is None or not lead_id:
        return
    facts = {"channel": row.channel, "letter": row.id, "text": str(row.body.get("text") or "")}
    show(conn, clock, lead_id, KINDS[row.channel], f"robot:{run.robot_id}", **facts)
    if row.channel == "email":
        _await_reply(conn, clock, lead_id, provider_id)


def _lead_of(conn: Connection, run: Any) -> str:
    if run.subject == "lead":
        return str(run.subject_id)
    return str(conn.execute(select(deal.c.lead_id).where(deal.c.id == run.subject_id)).scalar() or "")


def _await_reply(conn: Connection, clock: Clock, lead_id: str, message_id: str) -> None:
    """Mails name what they answer by Message-ID; the mailbox source calls such a conversation `mail:<id>`."""
    who = conn.execute(select(lead.c.contact_id).where(lead.c.id == lead_id)).scalar_one()
    place = {"id": f"mail:{message_id.strip('<>')}", "contact_id": who, "lead_id": lead_id, "seen_at": clock.now()}
    add_unless_there(conn, thread, place)
