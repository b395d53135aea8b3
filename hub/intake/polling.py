"""Asks the channels that do not call us: one worker per connection at a time, cursor and messages in one commit."""

from __future__ import annotations

from sqlalchemy import or_, select, update

from connectors.errors import ConnectorError
from hub.clock import MINUTE, SECOND, Clock
from hub.intake.accept import Intake
from hub.intake.connections import Connections, Live
from hub.model import poll_cursor, pull_state
from hub.store.engine import Store, add_unless_there

KIND = "messages"
LEASE = 3 * MINUTE
AFTER_ERROR = 30 * SECOND


class Poller:
    """Polls one connection at a time; leased, so that two workers never compete for one mailbox or bot."""

    def __init__(self, store: Store, clock: Clock, connections: Connections, intake: Intake) -> None:
        self._store, self._clock, self._connections, self._intake = store, clock, connections, intake

    def drain(self, connection_id: str, wait_s: float = 0.0) -> int:
        """Store everything there is; answers how many messages were new. Waits up to `wait_s` for more if it can.

        Raises the source's ConnectorError after giving the lease back.
        """
        live = self._connections.by_id(connection_id)
        lease = self._clock.new_id()
        if live is None or not self._take(connection_id, lease):
            return 0
        every = float(live.row.settings.get("poll_s") or live.row.config.get("poll_s") or 5)
        again = round(every * SECOND)
        try:
            stored = self._all(live, lease)
            if wait_s and live.source.wait(self._cursor(connection_id), wait_s):
                again = 0
            return stored
        except ConnectorError:
            again = AFTER_ERROR
            raise
        finally:
            self._give_back(connection_id, lease, again)

    def _all(self, live: Live, lease: str) -> int:
        stored, cursor = 0, self._cursor(live.id)
        while True:
            polled = live.source.poll(cursor)
            if polled.messages or polled.cursor != cursor:
                stored += sum(one.first for one in self._intake.store_polled(live, polled))
            cursor = polled.cursor
            if not polled.more or not self._extend(live.id, lease):
                return stored

    def _cursor(self, connection_id: str) -> str:
        with self._store.read_inbox() as conn:
            found = conn.execute(select(poll_cursor.c.cursor).where(poll_cursor.c.connection_id == connection_id))
            return str(found.scalar() or "")

    def _take(self, connection_id: str, lease: str) -> bool:
        now = self._clock.now()
        place = (pull_state.c.connection_id == connection_id) & (pull_state.c.kind == KIND)
        free = place & (pull_state.c.due_at <= now) & or_(pull_state.c.lease == "", pull_state.c.lease_until <= now)
        with self._store.read() as conn:
            row = conn.execute(select(pull_state).where(place)).one_or_none()
            if row is not None and conn.execute(select(pull_state.c.kind).where(free)).first() is None:
                return False
        with self._store.write() as conn:
            if row is None:
                start = {"connection_id": connection_id, "kind": KIND, "cursor": "", "due_at": now, "lease": ""}
                add_unless_there(conn, pull_state, {**start, "code": "", "why": ""})
            return bool(
                conn.execute(update(pull_state).where(free).values(lease=lease, lease_until=now + LEASE)).rowcount
            )

    def _extend(self, connection_id: str, lease: str) -> bool:
        return self._set(connection_id, lease, lease_until=self._clock.now() + LEASE)

    def _give_back(self, connection_id: str, lease: str, again: int) -> None:
        self._set(connection_id, lease, lease="", lease_until=None, due_at=self._clock.now() + again)

    def _set(self, connection_id: str, held: str, **values: object) -> bool:
        mine = (pull_state.c.connection_id == connection_id) & (pull_state.c.kind == KIND)
        with self._store.write() as conn:
            done = conn.execute(update(pull_state).where(mine, pull_state.c.lease == held).values(**values))
        return bool(done.rowcount)
