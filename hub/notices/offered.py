"""Leads that are offered to everybody who takes part in a turn: whom they are offered to, as the ledger says.

The one whose turn it is owns such a lead until somebody takes it. Whoever takes it first has it; a lead that was given
to somebody else meanwhile is offered no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from hub.model import assignment, lineup
from hub.routing.ledger import TAKEN
from hub.store.lists import among

DECIDED = (
    select(assignment.c.lead_id, assignment.c.member_id, assignment.c.why, lineup.c.members)
    .select_from(assignment.outerjoin(lineup, lineup.c.id == assignment.c.lineup_id))
    .where(among(assignment.c.lead_id), assignment.c.by != TAKEN)
    .order_by(assignment.c.at, assignment.c.id)
)


def offered_to(conn: Connection, leads: Sequence[Any]) -> dict[str, frozenset[str]]:
    """Members by lead (rows of `lead`), for those that were offered, also when somebody has taken one by now."""
    newest = {row.lead_id: row for row in conn.execute(DECIDED, {"wanted": [row.id for row in leads]})}
    found = {}
    for row in leads:
        last = newest.get(row.id)
        if last is not None and last.why.get("offered") and (row.taken_by or row.owner_id == last.member_id):
            without = last.why.get("without")
            found[row.id] = frozenset(str(one) for one, share in last.members or () if share and one != without)
    return found
