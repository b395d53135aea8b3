"""Tags of leads and deals: short words that people put on, here or in a CRM."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

from hub.clock import Clock
from hub.funnel.moves import NotPossible
from hub.funnel.sets import merged
from hub.model import deal, lead
from hub.store.notes import mark_dirty, note

TAGGED = "tagged"
LONGEST, MOST = 50, 30
"""Signs of a tag, and tags of a record: what the CRMs that have tags take."""
ROOM = MOST * (LONGEST + 2)
"""Signs of all of them as people type them."""


def retag(
    conn: Connection, clock: Clock, subject: str, row: Any, typed: str, actor: str, shown: str | None = None
) -> None:
    """These tags, parted by commas, where `shown` stood (None: those it has now): what somebody else put on or took off
    meanwhile stays so. Two that differ in capitals or spaces are one. Raises `NotPossible` for too long ones or too
    many."""
    tags = merged(row.tags if shown is None else _parted(shown), _parted(typed), row.tags)
    if len(tags) > MOST or any(len(one) > LONGEST for one in tags):
        raise NotPossible("tags", f"A tag has {LONGEST} signs at most, a card {MOST} tags")
    if tags == list(row.tags):
        return
    table = lead if subject == "lead" else deal
    conn.execute(update(table).where(table.c.id == row.id).values(tags=tags, version=table.c.version + 1))
    note(conn, clock, subject, row.id, TAGGED, actor, {"from": list(row.tags), "to": tags})
    mark_dirty(conn, clock, [row.id])


def _parted(typed: str) -> list[str]:
    wanted: dict[str, str] = {}
    for one in (" ".join(part.split()) for part in typed.split(",")):
        wanted.setdefault(one.casefold(), one)
    return [one for one in wanted.values() if one]
