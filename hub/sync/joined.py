"""Two contacts of the CRM became one over there, or two of ours have a card each: what that means here.

A merge that a person made in the CRM is made here too, undoable like any other, unless somebody said that these are
two people: then it is only shown. A second card (see `hub.identity.cards`) is read for what people enter there: it is
said of the contact as long as the two are one, and of whose card it is when they are two again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import Record
from connectors.errors import Unreadable
from hub.clock import Clock
from hub.identity import cards
from hub.identity.merging import CannotMerge, Merge
from hub.identity.review import join
from hub.identity.shown import enter, redecide
from hub.model import link
from hub.store.notes import REST, mark_dirty, note
from hub.sync.account import Account
from hub.sync.apply import LISTS, Applier, Sighting
from hub.sync.foreign import guarded
from hub.sync.holder import living, wake
from hub.sync.plan import Memory, reconcile
from hub.told import kept

Pair = tuple[Any, Record | None]
IN_CRM = {"result": "merged_in_crm", "en": "Merged in the CRM by a person", "ru": "Объединены в CRM человеком"}


def where_to(row: Any, record: Record | None) -> str:
    """The record into which this one was merged over there, "" when it was not."""
    if record is None or (record.deleted and not record.merged_into):
        return ""
    return record.merged_into or (record.ref if record.ref != row.remote_id else "")


@dataclass
class Followed:
    """What the merges of one reading mean: ids of links that gave their record to the contact's own link (its own card
    was merged into its second one), and by role and new id the link that goes on where several went into a new one."""

    given: set[str] = field(default_factory=set)
    heirs: dict[tuple[str, str], Any] = field(default_factory=dict)

    def other(self, conn: Connection, account: Account, row: Any, into: str) -> Any:
        """Another link here that stands for the record into which this one's was merged; None when there is none."""
        heir = self.heirs.get((row.role, into))
        return into_link(conn, account, row, into) or (heir if heir is not None and heir.id != row.id else None)


def follow(conn: Connection, clock: Clock, account: Account, pairs: Sequence[Pair]) -> Followed:
    """Merge the contacts whose records were merged over there."""
    done = Followed()
    for row, record in sorted(pairs, key=lambda pair: (pair[0].state != "linked", pair[0].record_id)):
        into = where_to(row, record)
        if into or record is None:
            _unblock(conn, clock, account, row)
        if not into:
            continue
        other = done.other(conn, account, row, into)
        if other is None:
            done.heirs[row.role, into] = row
        elif row.role == "contact":
            _follow(conn, clock, account, row, other, done)
    return done


def _unblock(conn: Connection, clock: Clock, account: Account, row: Any) -> None:
    """With a second card gone the contact's own may take what the CRM refused it (an e-mail that only one may have)."""
    owner = living(conn, row.record_id) if row.role == "contact" else row.record_id
    if owner != row.record_id:
        mine = (link.c.connection_id == account.id) & (link.c.role == "contact") & (link.c.record_id == owner)
        again = {"state": "linked", "dirty": link.c.dirty + 1, "due_at": clock.now(), "attempts": 0}
        conn.execute(update(link).where(mine, link.c.state == "parked", link.c.remote_id.is_not(None)).values(again))


def _follow(conn: Connection, clock: Clock, account: Account, row: Any, other: Any, done: Followed) -> None:
    loser, winner = living(conn, row.record_id), living(conn, other.record_id)
    if loser != winner:
        unify(conn, clock, account, winner, loser)
        wake(conn, account.id, [winner], clock.now())  # cards hang on the one that is left, and no change time says so
    elif other.record_id != winner and row.record_id == winner:
        gone = {"remote_id": None, "state": cards.RESTS, "code": cards.THERE, "why": "", "since": clock.now()}
        conn.execute(update(link).where(link.c.id == other.id).values(gone))
        done.given.add(other.id)


def into_link(conn: Connection, account: Account, row: Any, into: str) -> Any:
    """Another link here to the record into which this one's was merged, those in step first."""
    place = (link.c.connection_id == account.id) & (link.c.remote_kind == row.remote_kind)
    there = place & (link.c.remote_id == into) & (link.c.id != row.id)
    return conn.execute(select(link).where(there).order_by(link.c.state != "linked")).first()


def unify(conn: Connection, clock: Clock, account: Account, winner: str, loser: str) -> None:
    """What is one person over there is one here, unless somebody said that they are two."""
    one = Merge(clock.new_id(), winner, loser, clock.now(), f"crm:{account.id}", (IN_CRM,))
    try:
        join(conn, one)
    except CannotMerge as error:
        facts = {"into": winner, "why": kept(error.why)}
        note(conn, clock, "contact", loser, "merge_refused", f"crm:{account.id}", facts)


# ── second cards ─────────────────────────────────────────────────────────────────────────────────


def read_second(
    conn: Connection, clock: Clock, account: Account, row: Any, record: Record, flat: Mapping[str, Any]
) -> Sighting:
    """What people changed on a second card since it was last read. Nothing is ever written to it."""
    code, why = (row.code, row.why) if row.code in cards.SECONDS else (cards.SECOND, cards.WHY)
    try:
        seen = guarded(account.seen, record, "contact")
        memory = Memory(row.base, row.raw, {})
        agreed = guarded(reconcile, account.faces["contact"].slots, memory, dict(row.base), seen)
    except Unreadable:
        return Sighting("history", dict(flat), dict(row.base), dict(row.raw), code=code, why=why)
    _said(conn, clock, account, row, agreed.hub)
    return Sighting("history", dict(flat), agreed.base, agreed.raw, code=code, why=why, version=record.version)


def _said(conn: Connection, clock: Clock, account: Account, row: Any, news: Mapping[str, Any]) -> None:
    """What people entered counts for the contact; nothing that they emptied does, and nothing is taken from it."""
    owner, actor = living(conn, row.record_id), f"crm:{account.id}"
    added = {name: _besides(news[name], row.base.get(name)) for name in LISTS if news.get(name)}
    grown = _add(conn, clock, account, owner, added)
    told = {name: value for name, value in news.items() if name not in LISTS} if row.raw else {}
    enter(conn, row.record_id, {name: str(value or "") for name, value in told.items()}, actor, clock.now())
    if grown or redecide(conn, [owner] if told else (), clock.now()):
        mark_dirty(conn, clock, [owner], REST)
    values = told | {name: some for name, some in added.items() if some}
    gone = {name: some for name in LISTS if name in news and (some := _besides(row.base.get(name), news[name]))}
    facts = {"ref": row.remote_id, "values": values, **({"gone": gone} if gone else {})}
    for subject in dict.fromkeys((owner, row.record_id)) if values or gone else ():
        note(conn, clock, "contact", subject, cards.SECOND, actor, facts)


def _besides(some: Sequence[Any] | None, others: Sequence[Any] | None) -> list[str]:
    return [str(one) for one in some or () if one not in (others or ())]


def _add(conn: Connection, clock: Clock, account: Account, owner: str, added: Mapping[str, Sequence[str]]) -> bool:
    """Numbers and addresses that the contact has not; the card that is kept in step gets them too."""
    applier = Applier(clock)
    return any([applier.add_new(conn, account, owner, LISTS[name], values) for name, values in added.items()])
