"""Second cards merged over there: where the policy says so, or a person asked for it. And what such a merge needs when
it is taken back.

The connection's config says under `merge_in_crm` what happens to the second card of a merged contact: `on` merges it in
the CRM, `ask` waits for a person, `off` leaves it. Without a word it is `ask`, and `off` where the vendor has no call
for it. The values of a card stand in the timeline before it goes: no vendor brings it back.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from connectors.contract import Done, Failed, Op, Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import Clock
from hub.identity import cards
from hub.model import deal, lead, link
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync.account import Account
from hub.sync.foreign import guarded
from hub.sync.holder import living
from hub.sync.joined import where_to
from hub.sync.observe import is_gone

log = logging.getLogger("leadhub.joiner")

ON, ASK, OFF = "on", "ask", "off"
PORTION = 20
_ASKED = (cards.DUE, cards.SECOND, cards.REHANG)
ANY_ASKED = (
    select(link.c.id)
    .where(link.c.connection_id == bindparam("b_connection"), cards.CODED, link.c.code.in_(_ASKED))
    .limit(1)
)


def policy(account: Account) -> str:
    """What happens to second cards over there."""
    said = account.live.row.config.get("merge_in_crm")
    if not account.crm.facts.merge:
        return OFF
    return said if said in (ON, ASK, OFF) else ASK


_PERSON = link.alias("person")
_OWNER = func.coalesce(lead.c.contact_id, deal.c.contact_id)
_ALIVE = (_PERSON.c.role == "contact") & (_PERSON.c.state == "linked") & _PERSON.c.remote_id.is_not(None)
_HANGING = (
    link.outerjoin(lead, lead.c.id == link.c.record_id)
    .outerjoin(deal, deal.c.id == link.c.record_id)
    .join(_PERSON, (_PERSON.c.record_id == _OWNER) & (_PERSON.c.connection_id == link.c.connection_id) & _ALIVE)
)
REHUNG = (
    select(
        link.c.id, link.c.role, link.c.record_id, link.c.remote_kind, link.c.remote_id,
        _PERSON.c.remote_id.label("person"),
    )
    .select_from(_HANGING)
    .where(
        link.c.connection_id == bindparam("b_connection"), cards.CODED, link.c.code == cards.REHANG,
        link.c.state == "linked",
    )
    .limit(PORTION)
)  # fmt: skip
"""Leads and deals that shall hang on a card which is there by now; with that card's id."""


class Joiner:
    """Carries merges of second cards out, one call each. Raises `Pause` and `Retry`, which concern the account."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def step(self, account: Account) -> int:
        """Some of what is due; answers how many were looked at."""
        codes = (cards.DUE, cards.SECOND) if policy(account) == ON else (cards.DUE,)
        with self._store.read() as conn:
            if conn.execute(ANY_ASKED, {"b_connection": account.id}).first() is None:
                return 0
            due = cards.seconds(conn, account.id, codes, PORTION)
            waiting = list(conn.execute(REHUNG, {"b_connection": account.id}))
        for row in due:
            self._one(account, row)
        for row in waiting:
            self._rehang(account, row)
        return len(due) + len(waiting)

    def _rehang(self, account: Account, row: Any) -> None:
        """A lead or a deal hangs on the card that was made anew for its contact."""
        wish = Op(row.remote_kind, {}, row.remote_id, links={account.crm.contact_kind: (row.person,)})
        [told] = guarded(account.crm.write, [wish])
        if isinstance(told, Done) or (isinstance(told, Failed) and not isinstance(told.error, Retry)):
            why = str(told.error) if isinstance(told, Failed) else ""
            with self._store.write() as conn:
                mine = (link.c.id == row.id) & (link.c.code == cards.REHANG)
                conn.execute(update(link).where(mine).values(code="", why=""))
                facts = {"ref": row.remote_id, "person": row.person, "why": why}
                note(conn, self._clock, row.role, row.record_id, "rehung", "hub", facts)

    def _one(self, account: Account, row: Any) -> None:
        with self._store.read() as conn:
            first = primary(conn, row)
        if first is None:
            return
        [second, into] = guarded(account.crm.get, row.remote_kind, [row.remote_id, first.remote_id])
        if is_gone(second) or where_to(row, second):
            self._settle(row, "tombstoned", cards.THERE, "The CRM has one card of this person by now")
        elif second is not None and into is not None and not is_gone(into) and not where_to(first, into):
            self._merge(account, row, first, second)

    def _merge(self, account: Account, row: Any, first: Any, second: Record) -> None:
        image = {"ref": row.remote_id, "into": first.remote_id, "values": account.seen(second, "contact")}
        with self._store.write() as conn:
            note(conn, self._clock, "contact", row.record_id, "card_before_merge", f"crm:{account.id}", image)
            conn.execute(update(link).where(link.c.id == row.id).values(code=cards.DUE))
        try:
            guarded(account.crm.merge, row.remote_kind, first.remote_id, row.remote_id)
        except (Pause, Retry):
            raise  # it is looked at again: what was merged is not merged twice
        except ConnectorError as error:
            log.info("not merged over there connection=%s code=%s", account.id, error.code)
            self._settle(row, "history", cards.BY_HAND, str(error))
        else:
            self._settle(row, "tombstoned", cards.THERE, f"Merged in the CRM into {first.remote_id}")

    def _settle(self, row: Any, state: str, code: str, why: str) -> None:
        now = self._clock.now()
        with self._store.write() as conn:
            mine = (link.c.id == row.id) & link.c.code.in_(cards.SECONDS)
            known = {"state": state, "code": code, "why": why, "since": now}
            if not conn.execute(update(link).where(mine).values(known)).rowcount:
                return
            first = primary(conn, row)
            if first is not None:  # the survivor holds the values of both, and may have a new id
                again = {"state": "linked", "dirty": link.c.dirty + 1, "due_at": now, "attempts": 0}
                conn.execute(update(link).where(link.c.id == first.id).values(again))
            if code == cards.THERE:
                note(conn, self._clock, "contact", row.record_id, "merged_there", "hub", {"ref": row.remote_id})


def primary(conn: Connection, row: Any) -> Any:
    """The link that is kept in step of the contact whose second card this is; parked where the CRM does not let two
    cards have one e-mail."""
    owner = living(conn, row.record_id)
    mine = (link.c.connection_id == row.connection_id) & (link.c.role == "contact") & (link.c.record_id == owner)
    there = link.c.state.in_(("linked", "parked")) & link.c.remote_id.is_not(None)
    return conn.execute(select(link).where(mine, there)).one_or_none()


# ── what a person answers ────────────────────────────────────────────────────────────────────────


def merge_there(conn: Connection, clock: Clock, actor: str, link_id: str) -> bool:
    """Merge this second card into the contact's own over there, soon; False when it is none any more."""
    return _answer(conn, clock, actor, link_id, cards.DUE)


def leave(conn: Connection, clock: Clock, actor: str, link_id: str) -> bool:
    """Leave the second card as it is: it goes on being read, and is not asked about again."""
    return _answer(conn, clock, actor, link_id, cards.KEPT)


def _answer(conn: Connection, clock: Clock, actor: str, link_id: str, code: str) -> bool:
    other = [one for one in cards.SECONDS if one != code]
    mine = (link.c.id == link_id) & (link.c.state == "history") & link.c.code.in_(other)
    row = conn.execute(select(link).where(mine).with_for_update()).one_or_none()
    if row is None:
        return False
    conn.execute(update(link).where(link.c.id == link_id).values(code=code, since=clock.now()))
    note(conn, clock, "contact", row.record_id, code, actor, {"connection": row.connection_id, "ref": row.remote_id})
    return True
