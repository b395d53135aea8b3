"""Evidence of work: calls, messages, mails and meetings, on whatever channel, as lines of the journal.

Only this stops a clock. That somebody accepted a lead, moved its card or changed a field says nothing about whether the
client heard from anybody; and a robot's letter says nothing about whether anybody works.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.funnel.moves import NotPossible
from hub.model import presence
from hub.store.engine import inserting
from hub.store.notes import note

CALL, MESSAGE, MAIL, MEETING = "call", "message", "mail", "meeting"
KINDS = (CALL, MESSAGE, MAIL, MEETING)
OUT, IN = "out", "in"
SAID = ("joined", "noted", "sent_again")
"""Lines that intake writes when the client writes."""


def show(conn: Connection, clock: Clock, lead_id: str, kind: str, actor: str, way: str = OUT, **facts: Any) -> None:
    """One touch of a lead. `way` is out (from us) or in (from the client); facts may hold `channel`, `ms` (how long it
    lasted), `answered` (of a call), `text`."""
    note(conn, clock, "lead", lead_id, kind, actor, touch(kind, way, **facts))


def touch(kind: str, way: str = OUT, **facts: Any) -> dict[str, Any]:
    """The facts of such a line, for whoever writes lines in batches. Raises `NotPossible` for what is no touch."""
    if kind not in KINDS or way not in (OUT, IN):
        raise NotPossible("no_evidence", f"“{kind} {way}” is no touch: {', '.join(KINDS)}, out or in")
    return {"way": way, **facts}


def is_work(line: Any) -> bool:
    """Whether this journal line shows that one of us dealt with the client."""
    if line.what not in KINDS or str(line.actor).startswith("robot:"):
        return False
    return line.facts.get("way", OUT) == OUT or (line.what in (CALL, MEETING) and bool(line.facts.get("answered")))


def is_said(line: Any) -> bool:
    """Whether the client said something."""
    return line.what in SAID or (line.what in KINDS and line.facts.get("way") == IN)


def seen(conn: Connection, member_id: str, at: int, by: str) -> None:
    """A member touched something, somewhere: they are there."""
    before = conn.execute(select(presence.c.seen_at).where(presence.c.member_id == member_id)).scalar()
    if before is not None and before >= at:
        return
    row = inserting(conn, presence).values(member_id=member_id, seen_at=at, by=by)
    newer = {"seen_at": row.excluded.seen_at, "by": row.excluded.by}
    conn.execute(row.on_conflict_do_update(index_elements=["member_id"], set_=newer))
