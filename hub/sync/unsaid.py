"""Notes and tasks that a CRM did not take: what waits for a person, sent once more on their word, or left as it is.

Guarantees: what nobody knows to be there or not is sent again only by who says that they looked; the words themselves
stay in the timeline here, and either answer leaves a line there. A second press changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import Clock
from hub.model import hanging
from hub.model.links import REFUSED
from hub.store.notes import note

IN_DOUBT = "in_doubt"
"""The answer was lost, and the CRM cannot be asked whether the note is there."""
DOUBTS = (IN_DOUBT, "unknown_outcome")
WAITS = (hanging.c.state == "parked") & REFUSED
"""`REFUSED` in the words of the index; a note that was left has no cause any more."""


def waiting(conn: Connection, limit: int = 50) -> Sequence[Any]:
    """Rows of hanging that wait for a person, newest first."""
    newest = (hanging.c.since.desc(), hanging.c.id.desc())
    return list(conn.execute(select(hanging).where(WAITS).order_by(*newest).limit(limit)))


def how_many(conn: Connection) -> int:
    """How many notes and tasks wait for a person."""
    return int(conn.execute(select(func.count()).select_from(hanging).where(WAITS)).scalar() or 0)


def is_in_doubt(conn: Connection, hanging_id: str) -> bool:
    """Whether it may be over there already."""
    return conn.execute(select(hanging.c.code).where(WAITS, hanging.c.id == hanging_id)).scalar() in DOUBTS


def try_again(conn: Connection, clock: Clock, actor: str, hanging_id: str) -> int:
    """Send it to its CRM again; answers how many (0 when it no longer waits)."""
    return _answer(conn, clock, actor, hanging_id, "tried_again", state="new", due_at=clock.now(), attempts=0)


def leave(conn: Connection, clock: Clock, actor: str, hanging_id: str) -> int:
    """Leave it out of the CRM and do not ask again; answers how many."""
    return _answer(conn, clock, actor, hanging_id, "note_left")


def _answer(conn: Connection, clock: Clock, actor: str, hanging_id: str, what: str, **values: Any) -> int:
    row = conn.execute(select(hanging).where(WAITS, hanging.c.id == hanging_id).with_for_update()).one_or_none()
    if row is None:
        return 0
    settled = {"code": "", "why": "", "since": clock.now(), **values}
    conn.execute(update(hanging).where(hanging.c.id == hanging_id).values(settled))
    facts = {"connection": row.connection_id, "text": row.text}
    note(conn, clock, row.subject, row.subject_id, what, actor, facts)
    return 1
