"""What people and robots did in a CRM comes back: hooks say "look again", polling misses nothing.

A poll reads changed records page by page; a cursor is saved in the commit that applied its page, so a kill
repeats a page and never skips one. Hooks are only hints: the record is read, never the hook's content. A page or
a record that cannot be read stops neither the other kinds nor the hints.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from connectors.contract import Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import Clock
from hub.identity.cards import SECONDS
from hub.model import link, look_again
from hub.store.engine import Store
from hub.store.lists import among
from hub.store.many import run_many
from hub.sync import companies, employer, holder
from hub.sync.account import Account, Accounts
from hub.sync.apply import Sighting
from hub.sync.foreign import guarded
from hub.sync.joiner import Joiner
from hub.sync.known import remember
from hub.sync.observe import Observer, is_gone
from hub.sync.overlap import Overlap
from hub.sync.plan import OLDER
from hub.sync.reading import absence_in_doubt, read_each
from hub.sync.scans import Scans, every
from hub.sync.strangers import Strangers

log = logging.getLogger("leadhub.pull")

HINTS = 200
STUMBLES = 12
"""After so many failures in a row a hint is dropped: polling and the audit see the record all the same."""

LOOKED_AT = (
    select(link)
    .where(link.c.connection_id == bindparam("b_connection"), link.c.remote_kind == bindparam("b_kind"))
    .where(or_(link.c.state == "linked", (link.c.state == "history") & link.c.code.in_(SECONDS)))
    .where(among(link.c.remote_id))
    .with_for_update()
)
"""Links whose records are looked at: those in step, and second cards of merged contacts."""
SEEN = (
    update(link)
    .where(link.c.id == bindparam("b_id"))
    .values(
        {"dirty": link.c.dirty + bindparam("b_more")}
        | {
            name: bindparam(name)
            for name in ("state", "base", "raw", "sent", "code", "why", "due_at", "since", "remote_id", "seen_at")
        }
    )
)


GIVEN = (
    select(look_again)
    .where(look_again.c.connection_id == bindparam("b_connection"))
    .order_by(look_again.c.at)
    .limit(HINTS)
)


class Puller:
    """Brings one hub its CRMs' changes. Any number may run; each kind of a connection is leased."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        ring: Callable[[str], None] = lambda _name: None,
        nightly: Callable[[str], int] = lambda _connection_id: 0,
    ) -> None:
        self._store, self._clock, self._accounts, self._ring, self._nightly = store, clock, accounts, ring, nightly
        self._observer = Observer(clock)
        self._strangers = Strangers(store, clock, self._observer)
        self._joiner = Joiner(store, clock)
        self._overlap = Overlap()
        self._scans = Scans(store, clock)

    def step(self, connection_id: str) -> int:
        """Look at everything hooks pointed at, then at every kind that is due, then at some pages of the nightly
        comparison when it is; answers records looked at."""
        account = self._accounts.get(connection_id)
        if account is None:
            return 0
        try:
            looked = self._hints(account)
            for kind in self._wanted(account):
                looked += self._poll(account, kind)
            looked += self._nightly(connection_id)
            looked += self._joiner.step(account)
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

    def _wanted(self, account: Account) -> list[str]:
        """Kinds whose list is due. Companies are listed rarely before one of ours goes there."""
        with self._store.read() as conn:
            without = "" if companies.are_listed(conn, account, self._clock.now()) else account.kind("company")
            return self._scans.due(conn, account, [kind for kind in account.kinds if kind != without])

    # ── hooks ────────────────────────────────────────────────────────────────────────────────────

    def _hints(self, account: Account) -> int:
        with self._store.read() as conn:
            rows = list(conn.execute(GIVEN, {"b_connection": account.id}))
        looked = 0
        for kind in dict.fromkeys(row.kind for row in rows):
            asked = [row for row in rows if row.kind == kind]
            looked += self._look(account, kind, asked) if kind in account.kinds else 0
            if kind not in account.kinds:
                with self._store.write() as conn:
                    self._forget(conn, asked)
        return looked

    def _look(self, account: Account, kind: str, asked: Sequence[Any]) -> int:
        refs, asked_at = [row.remote_id for row in asked], self._clock.now()
        read = read_each(account, kind, refs)
        doubt = absence_in_doubt(self._store, account, kind, refs, read)
        found = {ref: one for ref, one in zip(refs, read, strict=True) if not isinstance(one, ConnectorError)}
        unknown = self._strangers.meet(account, kind, [one for one in found.values() if one is not None])
        with self._store.write() as conn:
            self.apply(conn, account, kind, found, asked_at, doubt)
            self._forget(conn, [row for row in asked if row.remote_id in found or row.times > STUMBLES])
            self._count(conn, [row for row in asked if row.remote_id not in found])
            self._strangers.welcome(conn, account, unknown, self._clock.new_id())
        return len(found)

    @staticmethod
    def _count(conn: Connection, rows: Sequence[Any]) -> None:
        """One more try for hints whose record could not be read."""
        for row in rows:
            place = [look_again.c[name] == getattr(row, name) for name in ("connection_id", "kind", "remote_id")]
            conn.execute(update(look_again).where(*place).values(times=look_again.c.times + 1))

    @staticmethod
    def _forget(conn: Connection, rows: Sequence[Any]) -> None:
        """Hints that were answered; one that was given again meanwhile stays."""
        place = (
            (look_again.c.connection_id == bindparam("b_connection"))
            & (look_again.c.kind == bindparam("b_kind"))
            & (look_again.c.remote_id == bindparam("b_ref"))
            & (look_again.c.times == bindparam("b_times"))
        )
        if rows:
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
        cursor = self._scans.take(account, kind, lease)
        if cursor is None:
            return 0
        try:
            return self._scan(account, kind, lease, cursor)
        except (Pause, Retry) as error:
            self._scans.give_back(account, kind, lease, error)
            raise
        except ConnectorError as error:
            log.warning("page not read connection=%s kind=%s code=%s", account.id, kind, error.code)
            self._scans.give_back(account, kind, lease, error)
            return 0

    def _scan(self, account: Account, kind: str, lease: str, cursor: str) -> int:
        looked = 0
        while True:
            asked_at = self._clock.now()
            page = guarded(account.crm.changes, kind, cursor)
            took = self._clock.now() - asked_at
            cursor = page.cursor
            looked += len(page.records)
            news = self._overlap.news(account, kind, page)
            unknown = self._strangers.meet(account, kind, news)
            settled: set[str] = set()
            with self._store.write() as conn:
                awaited = kind == account.kind("company") and companies.is_awaited(conn, account, asked_at)
                if not self._scans.move(conn, account, kind, lease, page, every(account)):
                    return looked  # somebody else took this scan over
                self.apply(conn, account, kind, {record.ref: record for record in news}, asked_at, settled=settled)
                self._strangers.welcome(conn, account, unknown, lease)
                if awaited and not page.more:
                    companies.wake(conn, account, asked_at)
            self._overlap.applied(account, kind, page, settled, took)
            if not page.more:
                return looked

    def compare(
        self, account: Account, kind: str, found: Mapping[str, Record | None], asked_at: int, doubt: str = ""
    ) -> tuple[int, int]:
        """Records held against everything that is known of them, also when they look as remembered; answers how many
        differed without anybody knowing, and how many have no record here."""
        unknown = self._strangers.meet(account, kind, [one for one in found.values() if one is not None], True)
        with self._store.write() as conn:
            differing = self.apply(conn, account, kind, found, asked_at, doubt, thorough=True)
            mine = self._strangers.in_scope(conn, account, unknown)
            self._strangers.welcome(conn, account, mine, self._clock.new_id())
        return differing, len(mine.records)

    # ── applying ─────────────────────────────────────────────────────────────────────────────────

    def apply(
        self,
        conn: Connection,
        account: Account,
        kind: str,
        found: Mapping[str, Record | None],
        asked_at: int,
        doubt: str = "",
        thorough: bool = False,
        settled: set[str] | None = None,
    ) -> int:
        """Records by their id, asked for at `asked_at`; those without a link here are none of ours yet. Answers how
        many were news. `thorough` looks at the hub's side too where theirs is as it was. `settled` gets the ids of
        those that stand here as shown, with nothing of ours on its way. Contacts that only the CRM has are kept in
        the mirror."""
        refs, news = list(found), 0
        for start in range(0, len(refs), 400):
            asked = {"b_connection": account.id, "b_kind": kind, "wanted": refs[start : start + 400]}
            rows = list(conn.execute(LOOKED_AT, asked))
            same = {row.id for row in rows if not thorough and _as_remembered(account, row, found[row.remote_id])}
            looked = self._not_stale(conn, [row for row in rows if row.id not in same], asked_at)
            if settled is not None:
                still = same | {row.id for row in looked if _is_quiet(account, row, found[row.remote_id])}
                settled |= {row.remote_id for row in rows} - {row.remote_id for row in rows if row.id not in still}
            rows = looked
            pairs = [(row, found[row.remote_id]) for row in rows]
            sightings = self._observer.see(conn, account, pairs, self._clock.new_id(), doubt)
            news += self._save(conn, rows, sightings, asked_at, account)
        remember(conn, account, kind, found, asked_at)
        companies.remember(conn, account, kind, found)
        return news

    def _not_stale(self, conn: Connection, rows: list[Any], asked_at: int) -> list[Any]:
        """A record that is being written this moment, or was since it was asked for, is read again instead."""
        now = self._clock.now()
        doubted = {
            row.id
            for row in rows
            if (row.lease and row.lease_until and row.lease_until > now) or (row.seen_at or 0) >= asked_at
        }
        if doubted:
            again = update(link).where(link.c.id.in_(doubted)).values(dirty=link.c.dirty + 1)
            conn.execute(again)
        return [row for row in rows if row.id not in doubted]

    def _save(
        self, conn: Connection, rows: Sequence[Any], sightings: Mapping[str, Sighting], asked_at: int, account: Account
    ) -> int:
        """Memory of what was seen; what the CRM still has to be told makes the link dirty."""
        now = self._clock.now()
        fresh = [row for row in rows if _is_news(row, sightings[row.id])]
        rest = [row for row in rows if row.sent and row not in fresh]
        values = [{**_row(row, sightings[row.id], now), "seen_at": asked_at} for row in (*fresh, *rest)]
        if values:
            run_many(conn, SEEN, values)
            holder.pass_on(conn, account, [(row, sightings[row.id]) for row in fresh], now)
        return len(fresh)


def _is_quiet(account: Account, row: Any, record: Record | None) -> bool:
    """Whether nothing of ours is on its way to this record, and nothing has become of it."""
    if record is None or is_gone(record) or record.merged_into or record.ref != row.remote_id:
        return False
    if row.sent.keys() - {OLDER}:
        return False
    return not (account.native and row.role == "lead" and record.links.get(account.crm.deal_kind))


def _as_remembered(account: Account, row: Any, record: Record | None) -> bool:
    """Whether the CRM shows exactly what it showed last (mostly our own write, in the overlap of two scans)."""
    if record is None or not _is_quiet(account, row, record):
        return False
    try:
        seen = guarded(account.seen, record, row.role)
        seen = holder.agreed(seen, row.raw, record.links.get(account.crm.contact_kind, ()))
        return bool(employer.remembered(seen, row) == row.raw)
    except ConnectorError:
        return False


def _is_news(row: Any, seen: Sighting) -> bool:
    """Whether anything is to be written down. Blanks that are shown where nothing is known are none."""
    if seen.push or seen.again or (seen.state, seen.code) != (row.state, row.code):
        return True
    forgotten = row.base.keys() - seen.base.keys()
    return bool(forgotten) or _grown(row.base, seen.base) or _grown(row.raw, seen.raw)


def _grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return any(
        value != before[name] if name in before else value not in (None, "", [], {}) for name, value in now.items()
    )


def _row(row: Any, seen: Sighting, now: int) -> dict[str, Any]:
    more = 1 if seen.push or seen.again else 0
    settled = bool(row.code) and not seen.code  # what it waited for, if it did, is over
    unconfirmed = {OLDER: kept} if (kept := [one for one in row.sent.get(OLDER, ()) if one[0] > now]) else {}
    return {
        "b_id": row.id, "state": seen.state, "base": seen.base, "raw": seen.raw, "code": seen.code, "why": seen.why,
        "sent": {**{k: v for k, v in row.sent.items() if k != OLDER}, **unconfirmed},
        "remote_id": (row.remote_id if seen.remote_id is None else seen.remote_id) or None,
        "b_more": more, "due_at": now if more or settled else row.due_at,
        "since": row.since if (seen.state, seen.code) == (row.state, row.code) else now,
    }  # fmt: skip
