"""I13, I12: looks at every write of a link while it happens. A worker writes rows that it holds a lease on, or takes
them while they are free; what a list showed is written to no row that somebody holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from greenlet import getcurrent, greenlet
from sqlalchemy import Connection

from hub.clock import FixedClock
from hub.sync.ledger import ABOUT_TO_SEND, NEXT_DUE, SETTLED
from hub.sync.pull import SEEN


class Fence:
    """One world's watch. `wrong` has a line for every write that was not the writer's to do."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._leases: dict[greenlet, set[str]] = defaultdict(set)
        self._transaction: Any = None
        self._taking = False
        self._before: dict[str, tuple[str, int | None]] = {}
        self.wrong: list[str] = []

    def __call__(self, conn: Connection, statement: Any, many: Sequence[dict[str, Any]]) -> None:
        if conn.get_transaction() is not self._transaction:
            self._transaction, self._taking = conn.get_transaction(), False
            raw: Any = conn.connection.dbapi_connection
            rows = raw.execute("SELECT id, lease, lease_until FROM link WHERE lease <> ''")
            self._before = {row[0]: (row[1], row[2]) for row in rows}
        if statement is NEXT_DUE:
            self._taking = True
        elif statement in (ABOUT_TO_SEND, SETTLED):
            self._worker(many)
        elif statement is SEEN:
            held = [one["b_id"] for one in many if self._held(one["b_id"])]
            self.wrong += [f"I12 link {one} was written from a list while a worker held it" for one in held]

    def _worker(self, many: Sequence[dict[str, Any]]) -> None:
        """What counts is who held the row when the transaction began."""
        mine = self._leases[getcurrent()]
        for link_id in (one["b_id"] for one in many):
            right = not self._held(link_id) if self._taking else self._before.get(link_id, ("", None))[0] in mine
            if not right:
                self.wrong.append(f"I13 link {link_id} was written by a worker whose lease is gone")
        mine |= {one["lease"] for one in many if one["lease"]}

    def _held(self, link_id: str) -> bool:
        lease, until = self._before.get(link_id, ("", None))
        return bool(lease) and until is not None and until > self._clock.now()
