"""What a head has to know: told once when it begins, once when it is over, however often it is noticed meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import Clock
from hub.model import signal
from hub.store.engine import add_unless_there

OPEN, OVER = "open", "over"


def tell(conn: Connection, clock: Clock, name: str, member_id: str, facts: Mapping[str, Any]) -> bool:
    """It is so; answers whether that is news."""
    row = {"id": clock.new_id(), "name": name, "member_id": member_id or None, "state": OPEN, "facts": dict(facts),
           "since": clock.now()}  # fmt: skip
    return add_unless_there(conn, signal, row)


def over(conn: Connection, clock: Clock, names: Sequence[str]) -> int:
    """It is so no more; answers how many of them were."""
    mine = signal.c.name.in_(list(names)) & (signal.c.state == OPEN)
    return conn.execute(update(signal).where(mine).values(state=OVER, over_at=clock.now())).rowcount if names else 0


def open_signals(conn: Connection, member_id: str = "") -> Sequence[Any]:
    """What is so now, newest first; for one member or for everybody."""
    mine = signal.c.state == OPEN
    if member_id:
        mine &= (signal.c.member_id == member_id) | signal.c.member_id.is_(None)
    return list(conn.execute(select(signal).where(mine).order_by(signal.c.since.desc(), signal.c.id).limit(200)))
