"""Compares everything with a CRM, page by page, and repairs what differs: the net under hooks and polls.

A full list per kind, then one read by id of what the list left out: that is all it costs. A step does a few pages,
so that a large account is gone through between the day's other work. What it finds is written down as a run. Hooks
that end after some days are renewed on the way, and the choices of selections read anew.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select, update

from connectors.contract import Record, Step
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import DAY, MINUTE, Clock
from hub.intake.connections import mapping_of
from hub.model import audit_run, link, sync_write
from hub.store.engine import Store
from hub.sync import choices
from hub.sync.account import Account, Accounts
from hub.sync.foreign import guarded
from hub.sync.observe import is_gone
from hub.sync.pull import Puller
from hub.sync.reading import absence_in_doubt, read_each

PAGES = 20
"""Pages of one step."""
KEPT = 30 * DAY
"""As long can a sync run be undone."""
BY_ID = 200


@dataclass
class _Round:
    """One comparison under way."""

    id: str
    at: int
    kinds: list[str]
    cursor: str = ""
    seen: set[str] = field(default_factory=set)
    markers: Counter[str] = field(default_factory=Counter)
    records: int = 0
    differences: int = 0
    repaired: int = 0
    missing: int = 0
    strangers: int = 0
    doubled: int = 0

    @property
    def sentence(self) -> str:
        told = f"{self.differences} differences on {self.records} records"
        told += f", {self.strangers} only in the CRM" if self.strangers else ""
        return told + (f", {self.doubled} made twice: merge them there" if self.doubled else "")


class Auditor:
    """Compares the connections of one hub. What was begun is begun anew after a restart."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts, puller: Puller) -> None:
        self._store, self._clock, self._accounts, self._puller = store, clock, accounts, puller
        self._rounds: dict[str, _Round] = {}

    def run(self, connection_id: str) -> str:
        """The whole comparison now; answers its sentence. Raises `Pause` and `Retry` of the account."""
        account = self._accounts.get(connection_id)
        if account is None:
            return "This connection is off, paused or not set up"
        made = self._begin(account)
        while not self._go_on(account, made, PAGES):
            pass
        return made.sentence

    def step(self, connection_id: str) -> int:
        """Some pages of the nightly comparison when it is due; answers how many records were compared."""
        account = self._accounts.get(connection_id)
        if account is None or not self._due(account):
            return 0
        made = self._rounds.setdefault(account.id, self._begin(account))
        before = made.records
        try:
            if self._go_on(account, made, PAGES):
                del self._rounds[account.id]
        except (Pause, Retry):
            raise
        except ConnectorError as error:
            del self._rounds[account.id]
            self._end(account, made, str(error))
        return made.records - before

    def _due(self, account: Account) -> bool:
        """A day after the last one began (`audit_s` seconds; 0 = never)."""
        every = round(float(account.live.row.config.get("audit_s", DAY / 1000)) * 1000)
        if account.id in self._rounds or not every:
            return bool(every)
        with self._store.read() as conn:
            mine = audit_run.c.connection_id == account.id
            last = conn.execute(select(func.max(audit_run.c.at)).where(mine)).scalar()
        first = (account.live.row.created_at or 0) if last is None else last
        return self._clock.now() >= first + every

    def _begin(self, account: Account) -> _Round:
        if account.id in self._rounds:
            return self._rounds[account.id]
        made = _Round(self._clock.new_id(), self._clock.now(), list(account.kinds))
        row = {"id": made.id, "connection_id": account.id, "at": made.at}
        with self._store.write() as conn:
            conn.execute(audit_run.insert().values(row))
        return made

    def _go_on(self, account: Account, made: _Round, pages: int) -> bool:
        """Some pages more; answers whether that was all."""
        for _page in range(pages):
            if not made.kinds:
                self._renew(account)
                self._end(account, made)
                return True
            kind = made.kinds[0]
            asked_at = self._clock.now()
            page = guarded(account.crm.changes, kind, made.cursor)
            made.cursor = page.cursor
            self._compare(account, made, kind, page.records, asked_at)
            if not page.more:
                self._left_out(account, made, kind)
                made.kinds.pop(0)
                made.cursor, made.seen = "", set()
        return False

    def _compare(self, account: Account, made: _Round, kind: str, records: tuple[Record, ...], asked_at: int) -> None:
        fresh = [one for one in records if one.ref not in made.seen]
        made.seen.update(one.ref for one in fresh)
        made.records += len(fresh)
        marker = account.crm.facts.marker_field
        alive = [one for one in fresh if not is_gone(one) and not one.merged_into]
        marks = Counter(f"{kind}/{one.values[marker]}" for one in alive if marker and one.values.get(marker))
        made.markers.update(marks)
        made.doubled += sum(made.markers[mark] > 1 for mark in marks)
        found, strangers = self._puller.compare(account, kind, {one.ref: one for one in fresh}, asked_at)
        made.differences += found
        made.repaired += found
        made.strangers += strangers

    def _left_out(self, account: Account, made: _Round, kind: str) -> None:
        """Links to records that no page showed are read by id: only that says whether they are there."""
        mine = (link.c.connection_id == account.id) & (link.c.remote_kind == kind) & (link.c.state == "linked")
        settled = link.c.since < made.at - round(account.lag * 1000) - MINUTE
        with self._store.read() as conn:
            refs = [str(ref) for ref in conn.execute(select(link.c.remote_id).where(mine, settled)).scalars()]
        missing = [ref for ref in refs if ref not in made.seen]
        for start in range(0, len(missing), BY_ID):
            part, asked_at = missing[start : start + BY_ID], self._clock.now()
            read = read_each(account, kind, part)
            doubt = absence_in_doubt(self._store, account, kind, part, read)
            found: dict[str, Any] = {
                ref: one for ref, one in zip(part, read, strict=True) if not isinstance(one, ConnectorError)
            }
            made.missing += sum(one is None for one in found.values())
            repaired, _strangers = self._puller.compare(account, kind, found, asked_at, doubt)
            made.differences += repaired
            made.repaired += repaired

    def _renew(self, account: Account) -> None:
        """Each night hooks of ours that end by themselves are asked for again, and choices that people added are
        learnt."""
        text = mapping_of(account.live.row)
        if not account.crm.facts.hooks_end and not choices.empty(text):
            return
        schema = guarded(account.crm.describe)
        ours = [one for one in schema.hooks if account.live.row.token in one and account.crm.facts.hooks_end]
        if ours:
            guarded(account.crm.provision, [Step("hook", "create", {"address": one}) for one in ours])
        with self._store.write() as conn:
            found = choices.offered(account.crm, text, schema)
            if not choices.learn(conn, self._clock, account.id, found):
                return
        self._accounts.forget()

    def _end(self, account: Account, made: _Round, why: str = "") -> None:
        now = self._clock.now()
        counts = {name: getattr(made, name) for name in ("records", "differences", "repaired", "missing", "strangers")}
        told = {"ended_at": now, "why": why or ("" if not made.doubled else made.sentence), **counts}
        old = (sync_write.c.connection_id == account.id) & (sync_write.c.at < now - KEPT)
        with self._store.write() as conn:
            conn.execute(update(audit_run).where(audit_run.c.id == made.id).values(told))
            conn.execute(delete(sync_write).where(old))
