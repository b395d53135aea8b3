"""What people do in a CRM: calls, messages, mails, meetings, notes and finished tasks, as lines of our timelines.

Each is told once. What we wrote ourselves is known and no news. Looked at every minute while a deadline runs here,
else rarely: nobody's clock waits for it then. Only calls, messages, mails and meetings are evidence of work; which of
them stop a clock is for `hub.funnel.evidence` to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import Activity, Changes, Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import MINUTE, SECOND, Clock
from hub.funnel import evidence
from hub.funnel.remarks import DONE, NOTE, REMARK, TASK
from hub.model import deadline, hanging, lead, link, task
from hub.store.engine import Store
from hub.store.many import add_many
from hub.store.notes import note
from hub.sync import owners
from hub.sync.account import Account, Accounts
from hub.sync.foreign import guarded
from hub.sync.hung import plain
from hub.sync.scans import Scans

log = logging.getLogger("leadhub.heard")

IDLE = 9 * MINUTE
"""So much later than every minute while no deadline runs."""
WIDE = 2 * MINUTE
"""Clocks of two sides differ by less."""
Place = tuple[str, str]
"""A record of ours: what it is and its id."""


@dataclass(frozen=True, slots=True)
class _Heard:
    record: Record
    activity: Activity


class Heard:
    """Brings one hub what people did over there. Any number may run; each kind of a connection is leased."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts) -> None:
        self._store, self._clock, self._accounts = store, clock, accounts
        self._scans = Scans(store, clock)

    def step(self, connection_id: str) -> int:
        """Every kind that is due; answers lines looked at. Raises Pause and Retry of the account."""
        account = self._accounts.get(connection_id)
        if account is None or not account.crm.activity_kinds:
            return 0
        with self._store.read() as conn:
            waits = conn.execute(select(deadline.c.id).where(deadline.c.state.in_(("running", "late"))).limit(1))
            patience = 0 if waits.first() is not None else IDLE
            due = self._scans.due(conn, account, account.crm.activity_kinds, patience)
        return sum(self._listen(account, kind, patience) for kind in due)

    def _listen(self, account: Account, kind: str, patience: int) -> int:
        lease = self._clock.new_id()
        cursor = self._scans.take(account, kind, lease, patience)
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
        looked, every = 0, max(MINUTE, round(account.crm.facts.poll_every * SECOND))
        while True:
            page: Changes = guarded(account.crm.changes, kind, cursor)
            cursor = page.cursor
            looked += len(page.records)
            with self._store.write() as conn:
                if not self._scans.move(conn, account, kind, lease, page, every):
                    return looked  # somebody else took this scan over
                self._apply(conn, account, _read(account, page.records))
            if not page.more:
                return looked

    # ── telling ──────────────────────────────────────────────────────────────────────────────────

    def _apply(self, conn: Connection, account: Account, heard: Sequence[_Heard]) -> None:
        if not heard:
            return
        known = _known(conn, account, heard)
        places, ours = _places(conn, account, heard), _on_their_way(conn, account)
        rows = []
        for one in heard:
            before = known.get((one.record.kind, one.record.ref))
            if before is not None:
                self._finished(conn, account, before, one.activity)
            elif not one.activity.open and (one.activity.what, plain(one.activity.text)) not in ours:
                told = [place for place in places(one) if self._tell(conn, account, place, one.activity)]
                rows += [self._row(account, one, place) for place in told[:1]]
        add_many(conn, hanging, rows, unless_there=True)

    def _finished(self, conn: Connection, account: Account, before: Any, activity: Activity) -> None:
        """A task of ours that somebody did over there."""
        if before.what != TASK or before.state != "there" or activity.open:
            return
        conn.execute(update(hanging).where(hanging.c.id == before.id).values(state="done", since=self._clock.now()))
        conn.execute(update(task).where(task.c.id == before.task_id).values(done_at=self._clock.now()))
        self._tell(conn, account, (before.subject, before.subject_id), activity)

    def _tell(self, conn: Connection, account: Account, place: Place, activity: Activity) -> bool:
        """One line; False for what was done before there was this lead."""
        subject, key = place
        at = round(activity.at.timestamp() * SECOND) if activity.at else self._clock.now()
        if subject == "lead":
            opened = conn.execute(select(lead.c.opened_at).where(lead.c.id == key)).scalar()
            if opened is not None and at < opened - WIDE:
                return False
        who = {theirs: mine for mine, theirs in owners.known(account.live.row.config).items()}.get(activity.by)
        facts: dict[str, Any] = {"text": activity.text[:4000], "when": at, "connection": account.id}
        what = {NOTE: REMARK, TASK: DONE}.get(activity.what, activity.what)
        if what in evidence.KINDS:
            facts = evidence.touch(what, activity.way, answered=activity.answered, **facts)
        actor = f"member:{who}" if who and activity.way == evidence.OUT else f"crm:{account.id}"
        note(conn, self._clock, subject, key, what, actor, facts)
        if who and activity.way == evidence.OUT:
            evidence.seen(conn, who, min(at, self._clock.now()), f"crm:{account.id}")
        return True

    def _row(self, account: Account, one: _Heard, place: Place) -> dict[str, Any]:
        return {
            "id": self._clock.new_id(), "connection_id": account.id, "what": one.activity.what, "subject": place[0],
            "subject_id": place[1], "state": "theirs", "remote_kind": one.record.kind, "remote_id": one.record.ref,
            "since": self._clock.now(),
        }  # fmt: skip


def _read(account: Account, records: Sequence[Record]) -> list[_Heard]:
    """What can be read; one that breaks its reader is nobody's evidence. Of one id the last counts."""
    found: dict[str, _Heard] = {}
    for record in records:
        try:
            told = None if record.deleted else guarded(account.crm.activity, record)
        except ConnectorError as error:
            log.warning("activity not read connection=%s kind=%s code=%s", account.id, record.kind, error.code)
            continue
        if told is not None:
            found[record.ref] = _Heard(record, told)
    return list(found.values())


def _known(conn: Connection, account: Account, heard: Sequence[_Heard]) -> dict[tuple[str, str], Any]:
    """What was told already, or was ours."""
    mine = (hanging.c.connection_id == account.id) & hanging.c.remote_kind.in_({one.record.kind for one in heard})
    asked = select(hanging).where(mine, hanging.c.remote_id.in_([one.record.ref for one in heard]))
    return {(row.remote_kind, row.remote_id): row for row in conn.execute(asked)}


def _on_their_way(conn: Connection, account: Account) -> set[tuple[str, str]]:
    """Notes of ours that may be there already, though nobody has told us."""
    mine = (hanging.c.connection_id == account.id) & hanging.c.state.in_(("sending", "uncertain"))
    return {(row.what, plain(row.text)) for row in conn.execute(select(hanging.c.what, hanging.c.text).where(mine))}


def _places(conn: Connection, account: Account, heard: Sequence[_Heard]) -> Callable[[_Heard], list[Place]]:
    """Whose timeline each belongs to: the lead or deal it hangs on, else the open leads of its contact."""
    refs = {ref for one in heard for some in one.record.links.values() for ref in some}
    mine = (link.c.connection_id == account.id) & link.c.state.in_(("linked", "history"))
    asked = select(link.c.remote_kind, link.c.remote_id, link.c.role, link.c.record_id, link.c.state)
    cards: dict[tuple[str, str], list[Any]] = {}
    for row in conn.execute(asked.where(mine, link.c.remote_id.in_(refs)).order_by(link.c.state.desc())):
        cards.setdefault((row.remote_kind, row.remote_id), []).append(row)
    people = [row.record_id for rows in cards.values() for row in rows if row.role == "contact"]
    leads: dict[str, list[str]] = {}
    opened = select(lead.c.contact_id, lead.c.id).where(lead.c.contact_id.in_(people), lead.c.state == "open")
    for one in conn.execute(opened) if people else ():
        leads.setdefault(one.contact_id, []).append(one.id)

    def places(one: _Heard) -> list[Place]:
        return _mine([row for kind, some in one.record.links.items() for ref in some
                      for row in cards.get((kind, ref), ())], leads)  # fmt: skip

    return places


def _mine(rows: Sequence[Any], leads: Mapping[str, Sequence[str]]) -> list[Place]:
    live = [(row.role, row.record_id) for row in rows if row.role in ("lead", "deal") and row.state == "linked"]
    if live:
        return list(dict.fromkeys(live))
    people = list(dict.fromkeys(row.record_id for row in rows if row.role == "contact"))
    found = [("lead", key) for who in people for key in leads.get(who, ())]
    return found or [("contact", who) for who in people]
