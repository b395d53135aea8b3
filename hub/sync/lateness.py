"""Up to when a CRM has been read, and from when on that is late.

A scan that came to its end has shown everything the CRM knew by what its own clock said then. A scan that is on its
way, broke off or is not begun leaves that time where it was. Late is what is old by the CRM's clock and overdue by
ours, or broken off: two clocks that differ make no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from connectors import registry
from connectors.errors import Unsupported
from hub.clock import MINUTE
from hub.model import pull_state
from hub.sync.account import kind_of
from hub.sync.scans import interval

LATE = 5 * MINUTE
ROLES = ("contact", "lead", "deal")
"""Companies are read rarely where nobody needs them, and calls as long as a clock runs: neither says how late people
and their cards are."""


@dataclass(frozen=True, slots=True)
class ReadUpTo:
    """One connection, in ms. `at`: everything up to then has been read; None before the first scan of each kind came to
    its end. `late_from`: the time from which on that is late; None where nobody reads."""

    at: int | None = None
    late_from: int | None = None

    def is_late(self, now: int) -> bool:
        """Whether what people do over there takes too long to be seen here."""
        return self.late_from is not None and now > self.late_from


def read_up_to(conn: Connection, row: Any) -> ReadUpTo:
    """The kind that is furthest behind speaks for the connection of this row."""
    placement = row.config.get("placement")
    try:
        crm = registry.crm(row.connector)
    except Unsupported:
        return ReadUpTo()
    kinds = {kind_of(crm, placement["strategy"], role) for role in ROLES} - {""} if placement else set()  # type: ignore[arg-type]
    mine = (pull_state.c.connection_id == row.id) & pull_state.c.kind.in_(kinds)
    scans = list(conn.execute(select(pull_state).where(mine)))
    known = [one for one in scans if one.read_at is not None]
    if not kinds or len(known) < len(kinds):
        return ReadUpTo()
    every = interval(row.config, crm.facts)
    late_from = min(max(one.read_at + every, 0 if one.code else one.due_at) for one in known) + LATE
    return ReadUpTo(min(one.read_at for one in known), late_from if row.state == "active" else None)
