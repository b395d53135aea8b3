"""How a connection is: how many records are in step, on their way, left out, or in trouble, and why.

Every trouble has a cause, the time since when, the next try if there is one, and a word for what a person can do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from hub.model import audit_run, connection, hanging, journal, link, pull_state
from hub.sync import owners
from hub.sync.lateness import ReadUpTo, read_up_to

MOVING = ("new", "sending", "uncertain")
SETTLED = ("deleted_in_crm", "undone", "merged_here", "merged_there", "second_card_left", "merge_due", "rehang")
LEFT_OUT = ("tombstoned", "history")
ACTIONS = {
    "conflict": "decide", "vanished": "confirm", "ambiguous": "merge", "same_remote": "merge", "second_deal": "merge",
    "merged_in_crm": "merge", "not_placed": "set_up", "unmapped": "map", "unreadable": "map", "refuse": "correct",
    "owner_not_there": "map", "owner_not_here": "map",
    "left_out": "correct", "fight": "decide", "refuse_together": "wait",
    "second_card": "merge", "in_doubt": "confirm", "merge_by_hand": "merge", "make_again": "confirm",
    "deleted_in_crm": "none", "undone": "none", "unknown_outcome": "wait", "retry": "wait",
    "stays_here": "none",
}  # fmt: skip
"""By cause: what a person can do. A cause that is not here is tried again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Records of one connection that are not in step for one cause. Times in ms; `next_at` None: not by itself."""

    connection_id: str
    code: str
    count: int
    since: int
    next_at: int | None
    action: str
    why: str


@dataclass(frozen=True, slots=True)
class Health:
    """One connection."""

    connection_id: str
    name: str
    in_sync: int
    moving: int
    excluded: int
    troubles: tuple[Trouble, ...]
    audited_at: int | None
    differences: int
    read: ReadUpTo


def health(conn: Connection) -> list[Health]:
    """All CRM connections, those in trouble first."""
    rows = list(conn.execute(select(connection).where(connection.c.kind == "crm").order_by(connection.c.name)))
    return sorted((_one(conn, row) for row in rows), key=lambda one: -len(one.troubles))


def _one(conn: Connection, row: Any) -> Health:
    mine = link.c.connection_id == row.id
    counted = select(link.c.state, func.count().label("n")).where(mine).group_by(link.c.state)
    states = {line.state: int(line.n) for line in conn.execute(counted)}
    stuck = [*_stuck(conn, row.id), *_unsaid(conn, row.id)]
    troubles = [*_paused(conn, row), *_unread(conn, row.id), *stuck, *_nameless(conn, row)]
    in_trouble = sum(one.count for one in troubles if one.code in ("conflict", "unmapped", "unreadable"))
    last = select(audit_run).where(audit_run.c.connection_id == row.id, audit_run.c.ended_at.is_not(None))
    audit = conn.execute(last.order_by(audit_run.c.at.desc()).limit(1)).one_or_none()
    return Health(
        row.id, row.name, max(0, states.get("linked", 0) - in_trouble), sum(states.get(one, 0) for one in MOVING),
        sum(states.get(one, 0) for one in LEFT_OUT), tuple(troubles), audit.ended_at if audit else None,
        audit.differences if audit else 0, read_up_to(conn, row),
    )  # fmt: skip


def _paused(conn: Connection, row: Any) -> Sequence[Trouble]:
    """A connection that stands still is one trouble, whatever waits behind it."""
    if row.state == "active":
        return ()
    stopped = select(func.max(journal.c.at)).where(journal.c.subject_id == row.id, journal.c.what == row.state)
    since = conn.execute(stopped).scalar() or row.created_at
    return (Trouble(row.id, row.state, 1, since, None, "switch_on", row.why),)


def _unread(conn: Connection, connection_id: str) -> list[Trouble]:
    """Kinds whose list cannot be read."""
    rows = conn.execute(select(pull_state).where(pull_state.c.connection_id == connection_id, pull_state.c.code != ""))
    return [
        Trouble(connection_id, row.code, 1, row.due_at, row.due_at, "wait", f"{row.kind}: {row.why}") for row in rows
    ]


def _unsaid(conn: Connection, connection_id: str) -> list[Trouble]:
    """Notes and tasks that did not arrive, by cause."""
    waits = func.min(hanging.c.due_at).filter(hanging.c.state.in_(MOVING))
    query = (
        select(
            hanging.c.code, func.count().label("n"), func.min(hanging.c.since).label("since"), waits.label("next_at"),
            func.max(hanging.c.why).label("why"),
        )
        .where(hanging.c.connection_id == connection_id, hanging.c.code != "")
        .group_by(hanging.c.code)
    )  # fmt: skip
    return [
        Trouble(connection_id, row.code, row.n, row.since, row.next_at, ACTIONS.get(row.code, "wait"), row.why)
        for row in conn.execute(query)
    ]


def _nameless(conn: Connection, row: Any) -> list[Trouble]:
    """People of one side whom the other does not know, each once."""
    return [
        Trouble(row.id, one.code, one.count, one.since, None, "map", owners.sentence(one, row.config))
        for one in owners.nameless(conn, row)
    ]


def _stuck(conn: Connection, connection_id: str) -> list[Trouble]:
    """Records by cause, the most first. What was deleted there or undone here is no trouble."""
    moving = func.min(link.c.due_at).filter(link.c.state.in_((*MOVING, "linked")), link.c.dirty > 0)
    query = (
        select(
            link.c.code, func.count().label("n"), func.min(link.c.since).label("since"), moving.label("next_at"),
            func.max(link.c.why).label("why"),
        )
        .where(link.c.connection_id == connection_id, link.c.code != "", link.c.code.not_in(SETTLED))
        .group_by(link.c.code)
    )  # fmt: skip
    rows = conn.execute(query)
    return [
        Trouble(connection_id, row.code, row.n, row.since, row.next_at, ACTIONS.get(row.code, "try_again"), row.why)
        for row in sorted(rows, key=lambda row: -row.n)
    ]
