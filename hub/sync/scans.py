"""Where the scans of a connection's kinds stand: leased, moved page by page, given back.

A cursor is saved in the commit that applied its page, so a kill repeats a page and never skips one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, or_, select, update

from connectors.contract import Changes, Facts
from connectors.errors import ConnectorError
from hub.clock import MINUTE, SECOND, Clock, millis
from hub.model import pull_state
from hub.store.engine import Store, add_unless_there
from hub.sync.account import Account

EVERY = 30 * SECOND
LEASE = 3 * MINUTE

_SCAN = (pull_state.c.connection_id == bindparam("b_connection")) & (pull_state.c.kind == bindparam("b_kind"))
_FREE = or_(pull_state.c.lease == "", pull_state.c.lease_until <= bindparam("b_now"))
STANDS = select(pull_state.c.kind, pull_state.c.due_at).where(pull_state.c.connection_id == bindparam("b_connection"))
TAKEN = (
    update(pull_state)
    .where(_SCAN, pull_state.c.due_at <= bindparam("b_now"), _FREE)
    .values(lease=bindparam("lease"), lease_until=bindparam("lease_until"))
    .returning(pull_state.c.cursor)
)
_MINE = update(pull_state).where(_SCAN, pull_state.c.lease == bindparam("b_lease")).values(cursor=bindparam("cursor"))
PAGE_DONE = _MINE.values(lease_until=bindparam("lease_until"))
_WHOLE = func.coalesce(pull_state.c.whole_at, bindparam("b_now"))
SCAN_DONE = _MINE.values(
    lease="",
    lease_until=None,
    due_at=bindparam("due_at"),
    read_at=bindparam("read_at"),
    whole_at=_WHOLE,
    code="",
    why="",
)


class Scans:
    """Leases of one hub's scans. Any number of workers may ask."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def due(self, conn: Connection, account: Account, kinds: Iterable[str], patience: int = 0) -> list[str]:
        """Those of these kinds whose scan is due; with `patience` (ms) it is so much later, the first time too."""
        now = self._clock.now() - patience
        later = {row.kind for row in conn.execute(STANDS, {"b_connection": account.id}) if row.due_at > now}
        return [kind for kind in kinds if kind not in later]

    def take(self, account: Account, kind: str, lease: str, patience: int = 0) -> str | None:
        """Lease the scan and answer its cursor; None when it is not due, as `due` says, or another worker has it."""
        now = self._clock.now()
        place = {"b_connection": account.id, "b_kind": kind, "b_now": now - patience}
        mine = {**place, "lease": lease, "lease_until": now + LEASE}
        first = {"connection_id": account.id, "kind": kind, "cursor": "", "due_at": now, "lease": ""}
        with self._store.write() as conn:
            taken = conn.execute(TAKEN, mine).one_or_none()
            if taken is None and add_unless_there(conn, pull_state, {**first, "code": "", "why": ""}):
                taken = conn.execute(TAKEN, mine).one_or_none()
        return None if taken is None else str(taken.cursor or "")

    def move(self, conn: Connection, account: Account, kind: str, lease: str, page: Changes, every: int) -> bool:
        """A page was applied; False when somebody else took this scan over. The next scan is due `every` ms later."""
        now = self._clock.now()
        mine = {"b_connection": account.id, "b_kind": kind, "b_lease": lease, "cursor": page.cursor}
        if page.more:
            return bool(conn.execute(PAGE_DONE, {**mine, "lease_until": now + LEASE}).rowcount)
        read_at = now if page.at is None else millis(page.at)
        done = {**mine, "due_at": now + every, "read_at": read_at, "b_now": now}
        return bool(conn.execute(SCAN_DONE, done).rowcount)

    def give_back(self, account: Account, kind: str, lease: str, error: ConnectorError) -> None:
        """A scan that broke off goes on from its last page, as soon as the CRM allows."""
        mine = (pull_state.c.connection_id == account.id) & (pull_state.c.kind == kind) & (pull_state.c.lease == lease)
        due_at = self._clock.now() + max(EVERY, round((getattr(error, "after", None) or 0.0) * SECOND))
        values = {"lease": "", "lease_until": None, "due_at": due_at, "code": error.code, "why": str(error)}
        with self._store.write() as conn:
            conn.execute(update(pull_state).where(mine).values(values))


def every(account: Account) -> int:
    """Milliseconds between two looks at a kind that is kept in step."""
    return interval(account.live.row.config, account.crm.facts)


def interval(config: Mapping[str, Any], facts: Facts) -> int:
    """The same for a connection's config."""
    return round(float(config.get("poll_s", facts.poll_every)) * SECOND)
