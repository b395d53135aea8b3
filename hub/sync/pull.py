"""What people and robots did in a CRM comes back: hooks say "look again", polling misses nothing.

A poll reads changed records page by page; a cursor is saved in the commit that applied its page, so a kill
repeats a page and never skips one. Hooks are only hints: the record is read, never the hook's content.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from connectors.contract import Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import MINUTE, SECOND, Clock
from hub.model import link, look_again, pull_state
from hub.store.engine import Store, add_unless_there
from hub.sync.account import Account, Accounts
from hub.sync.observe import Observer, Sighting

log = logging.getLogger("leadhub.pull")

EVERY = 30 * SECOND
LEASE = 3 * MINUTE
HINTS = 200
LINKED = ("linked",)


class Puller:
    """Brings one hub its CRMs' changes. Any number may run; each kind of a connection is leased."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, ring: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._store, self._clock, self._accounts, self._ring = store, clock, accounts, ring
        self._observer = Observer(clock)

    def step(self, connection_id: str) -> int:
        """Look at everything hooks pointed at, then at every kind that is due; answers records looked at."""
        account = self._accounts.get(connection_id)
        if account is None:
            return 0
        try:
            looked = self._hints(account)
            for kind in account.kinds:
                looked += self._poll(account, kind)
        except Pause as error:
            log.warning("connection paused connection=%s code=%s", connection_id, error.code)
            self._accounts.pause(connection_id, error)
            return 0
        except Retry as error:
            log.info("pull postponed connection=%s: %s", connection_id, error)
            return 0
        if looked:
            self._ring("push")
        return looked

    # ── hooks ────────────────────────────────────────────────────────────────────────────────────

    def _hints(self, account: Account) -> int:
        mine = look_again.c.connection_id == account.id
        with self._store.read() as conn:
            rows = list(conn.execute(select(look_again).where(mine).order_by(look_again.c.at).limit(HINTS)))
        for kind in dict.fromkeys(row.kind for row in rows):
            asked = [row for row in rows if row.kind == kind]
            refs = [row.remote_id for row in asked]
            read = account.crm.get(kind, refs)
            found = {ref: record for ref, record in zip(refs, read, strict=True)}
            with self._store.write() as conn:
                self._apply(conn, account, kind, found)
                self._forget(conn, asked)
        return len(rows)

    @staticmethod
    def _forget(conn: Connection, rows: Sequence[Any]) -> None:
        """Hints that were answered; one that was given again meanwhile stays."""
        place = (
            (look_again.c.connection_id == bindparam("b_connection"))
            & (look_again.c.kind == bindparam("b_kind"))
            & (look_again.c.remote_id == bindparam("b_ref"))
            & (look_again.c.times == bindparam("b_times"))
        )
        conn.execute(
            look_again.delete().where(place),
            [
                {"b_connection": r.connection_id, "b_kind": r.kind, "b_ref": r.remote_id, "b_times": r.times}
                for r in rows
            ],
        )

    # ── polling ──────────────────────────────────────────────────────────────────────────────────

    def _poll(self, account: Account, kind: str) -> int:
        """One scan of a kind, if it is due: page by page until the CRM says there is no more."""
        lease = self._clock.new_id()
        cursor = self._take(account, kind, lease)
        if cursor is None:
            return 0
        try:
            return self._scan(account, kind, lease, cursor)
        except ConnectorError as error:
            self._give_back(account, kind, lease, getattr(error, "after", None) or 0.0)
            raise

    def _scan(self, account: Account, kind: str, lease: str, cursor: str) -> int:
        looked = 0
        while True:
            page = account.crm.changes(kind, cursor)
            cursor = page.cursor
            looked += len(page.records)
            with self._store.write() as conn:
                if not self._move(conn, account, kind, lease, cursor, page.more):
                    return looked  # somebody else took this scan over
                self._apply(conn, account, kind, {record.ref: record for record in page.records})
            if not page.more:
                return looked

    def _give_back(self, account: Account, kind: str, lease: str, after: float) -> None:
        """A scan that broke off goes on from its last page, as soon as the CRM allows."""
        mine = (pull_state.c.connection_id == account.id) & (pull_state.c.kind == kind) & (pull_state.c.lease == lease)
        due_at = self._clock.now() + max(EVERY, round(after * SECOND))
        with self._store.write() as conn:
            conn.execute(update(pull_state).where(mine).values(lease="", lease_until=None, due_at=due_at))

    def _take(self, account: Account, kind: str, lease: str) -> str | None:
        """Lease the scan and answer its cursor; None when it is not due or another worker has it."""
        now = self._clock.now()
        place = (pull_state.c.connection_id == account.id) & (pull_state.c.kind == kind)
        due = place & (pull_state.c.due_at <= now) & or_(pull_state.c.lease == "", pull_state.c.lease_until <= now)
        with self._store.read() as conn:
            row = conn.execute(select(pull_state).where(place)).one_or_none()
        if row is not None and row.due_at > now:
            return None
        with self._store.write() as conn:
            if row is None:
                start = {"connection_id": account.id, "kind": kind, "cursor": "", "due_at": now, "lease": ""}
                add_unless_there(conn, pull_state, {**start, "code": "", "why": ""})
            taken = conn.execute(update(pull_state).where(due).values(lease=lease, lease_until=now + LEASE))
            if not taken.rowcount:
                return None
            return str(conn.execute(select(pull_state.c.cursor).where(place)).scalar() or "")

    def _move(self, conn: Connection, account: Account, kind: str, lease: str, cursor: str, more: bool) -> bool:
        now = self._clock.now()
        mine = (pull_state.c.connection_id == account.id) & (pull_state.c.kind == kind) & (pull_state.c.lease == lease)
        every = round(float(account.live.row.config.get("poll_s", EVERY / SECOND)) * SECOND)
        values = {"lease_until": now + LEASE} if more else {"lease": "", "lease_until": None, "due_at": now + every}
        return bool(conn.execute(update(pull_state).where(mine).values(cursor=cursor, **values)).rowcount)

    # ── applying ─────────────────────────────────────────────────────────────────────────────────

    def _apply(self, conn: Connection, account: Account, kind: str, found: dict[str, Record | None]) -> None:
        """Records by their id; those without a link here are none of ours yet."""
        refs = list(found)
        for start in range(0, len(refs), 400):
            mine = (link.c.connection_id == account.id) & (link.c.remote_kind == kind)
            rows = list(
                conn.execute(
                    select(link)
                    .where(mine, link.c.remote_id.in_(refs[start : start + 400]), link.c.state.in_(LINKED))
                    .with_for_update()
                )
            )
            rows = self._not_on_the_way(conn, rows)
            sightings = self._observer.see(conn, account, [(row, found[row.remote_id]) for row in rows])
            self._save(conn, rows, sightings)

    def _not_on_the_way(self, conn: Connection, rows: list[Any]) -> list[Any]:
        """A record that is being written this moment is read again afterwards instead."""
        now = self._clock.now()
        leased = [row.id for row in rows if row.lease and row.lease_until and row.lease_until > now]
        if leased:
            again = update(link).where(link.c.id.in_(leased)).values(dirty=link.c.dirty + 1)
            conn.execute(again)
        return [row for row in rows if row.id not in set(leased)]

    def _save(self, conn: Connection, rows: Sequence[Any], sightings: dict[str, Sighting]) -> None:
        """Memory of what was seen; what the CRM still has to be told makes the link dirty."""
        now = self._clock.now()
        values = []
        for row in rows:
            seen = sightings[row.id]
            news = seen.base != row.base or seen.raw != row.raw or seen.state != row.state or seen.push
            if news:
                values.append(
                    {
                        "b_id": row.id, "state": seen.state, "base": seen.base, "raw": seen.raw, "code": seen.code,
                        "why": seen.why, "b_more": 1 if seen.push else 0, "due_at": now if seen.push else row.due_at,
                    }
                )  # fmt: skip
        if values:
            grown = {"dirty": link.c.dirty + bindparam("b_more")}
            conn.execute(update(link).where(link.c.id == bindparam("b_id")).values(grown), values)
