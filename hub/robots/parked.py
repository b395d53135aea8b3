"""Letters that wait for a person: refused, perhaps sent, or without a way out. Nothing of it leaves by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from hub.clock import MINUTE, Clock
from hub.model import letter
from hub.robots.outbox import NEW, REFUSED, UNKNOWN
from hub.store.notes import note

DISMISSED = "dismissed"
STUCK = (REFUSED, UNKNOWN)
PATIENCE = 10 * MINUTE


def _waits(now: int) -> Any:
    """Answers to buttons are of no use later: they are left out."""
    overdue = (letter.c.state == NEW) & (letter.c.due_at <= now - PATIENCE)
    return or_(letter.c.state.in_(STUCK), overdue) & letter.c.occasion.not_like("notice:press:%")


def parked(conn: Connection, now: int, most: int = 50) -> Sequence[Any]:
    """What waits, newest first."""
    return list(conn.execute(select(letter).where(_waits(now)).order_by(letter.c.at.desc(), letter.c.id).limit(most)))


def how_many(conn: Connection, now: int) -> int:
    """How many there are."""
    return int(conn.execute(select(func.count()).select_from(letter).where(_waits(now))).scalar() or 0)


def state_of(conn: Connection, letter_id: str) -> str:
    """The state of a letter, "" where there is none."""
    return str(conn.execute(select(letter.c.state).where(letter.c.id == letter_id)).scalar() or "")


def send_again(conn: Connection, clock: Clock, actor: str, letter_id: str) -> int:
    """It leaves once more, on somebody's word: who sends an unknown one again says that it did not arrive."""
    values = {"state": NEW, "attempts": 0, "due_at": clock.now(), "lease": "", "lease_until": None, "at": clock.now()}
    return _settle(conn, clock, actor, letter_id, "sent_on_word", values)


def dismiss(conn: Connection, clock: Clock, actor: str, letter_id: str) -> int:
    """It stays where it is, and on no list."""
    return _settle(conn, clock, actor, letter_id, "dismissed", {"state": DISMISSED, "at": clock.now()})


def _settle(conn: Connection, clock: Clock, actor: str, letter_id: str, what: str, values: dict[str, Any]) -> int:
    mine = (letter.c.id == letter_id) & letter.c.state.in_((*STUCK, NEW))
    changed = conn.execute(update(letter).where(mine).values(values)).rowcount
    if changed:
        note(conn, clock, "letter", letter_id, what, actor)
    return changed
