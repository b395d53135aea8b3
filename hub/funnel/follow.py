"""Reads the journal as it grows: whoever follows it sees every line once, and what they did stands in the same commit.

Ids begin with the time they were made, but a slow transaction commits lines older than some that are already there
(PostgreSQL; SQLite has one writer). So a follower looks back as far as transactions last, and remembers what of that it
has handled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, select, update

from hub.clock import MINUTE, SECOND, Clock, as_id
from hub.model import follower, journal
from hub.store.engine import add_unless_there

LOOK_BACK = {"sqlite": 2 * SECOND, "postgresql": 20 * SECOND}
BEGIN_BEFORE = 10 * MINUTE
"""A new follower does not act on what is older than that."""
PORTION = 1000

MINE = select(follower).where(follower.c.name == bindparam("b_name"))
MINE_ALONE = MINE.with_for_update(skip_locked=True)
NEWER = select(journal.c.id).where(journal.c.id > bindparam("b_last")).limit(1)
BEHIND = select(journal.c.id).where(journal.c.id > bindparam("b_since"), journal.c.id <= bindparam("b_last"))


def first_id(at: int) -> str:
    """The smallest id that `Clock.new_id` makes at this time."""
    return as_id(max(0, at).to_bytes(6, "big") + bytes(10))


def made_at(row_id: str) -> int:
    """The time in an id, to 8 milliseconds: nine of its characters."""
    return int(row_id[:9], 32) << 3


def unread(conn: Connection, clock: Clock, name: str, most: int = PORTION) -> Sequence[Any]:
    """The next lines for this follower, oldest first; they count as read once the caller commits. Nothing while
    another process reads under the same name."""
    place = _place(conn, clock, name)
    if place is None:
        return []
    late = _late(conn, place)[:most]
    found = _lines(conn, journal.c.id.in_(late), most) if late else []
    rows = [*found, *_lines(conn, journal.c.id > place.line_id, most - len(found))]
    if rows:
        _moved(conn, name, place, rows)
    return rows


def _lines(conn: Connection, which: ColumnElement[bool], most: int) -> list[Any]:
    return list(conn.execute(select(journal).where(which).order_by(journal.c.id).limit(most))) if most > 0 else []


def _late(conn: Connection, place: Any) -> list[str]:
    """Ids of lines that a slow transaction brought behind the follower's back: it is looked for by ids alone, because
    under load a look back holds many times more lines than there are new ones."""
    since = first_id(made_at(place.line_id) - LOOK_BACK[conn.dialect.name])
    near = set(place.near)
    behind = conn.scalars(BEHIND, {"b_since": since, "b_last": place.line_id})
    return sorted(one for one in behind if one not in near)


def _place(conn: Connection, clock: Clock, name: str) -> Any:
    if conn.execute(MINE, {"b_name": name}).first() is None:
        begin = {"name": name, "line_id": first_id(clock.now() - BEGIN_BEFORE), "near": []}
        add_unless_there(conn, follower, begin)
    return conn.execute(MINE_ALONE, {"b_name": name}).one_or_none()


def _moved(conn: Connection, name: str, place: Any, rows: Sequence[Any]) -> None:
    last = max(place.line_id, rows[-1].id)
    since = first_id(made_at(last) - LOOK_BACK[conn.dialect.name])
    near = [one for one in (*place.near, *(row.id for row in rows)) if one > since]
    conn.execute(update(follower).where(follower.c.name == name).values(line_id=last, near=near))


def anything_unread(conn: Connection, name: str) -> bool:
    """A look without a writing transaction. May say yes for nothing, never no for something."""
    place = conn.execute(MINE, {"b_name": name}).one_or_none()
    last = "" if place is None else place.line_id
    newer = conn.execute(NEWER, {"b_last": last}).first() is not None
    return newer or (place is not None and bool(_late(conn, place)))
