"""Contacts that were perhaps merged over there, where the CRM shows no more than that one is gone.

amoCRM and Bitrix24 show the loser of a merge as deleted, and the survivor with its numbers. That is no proof: people
also delete one of two. So a person is asked whether the two are one.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.identity.merging import ask, pair_of
from hub.identity.rules import VERSION
from hub.model import contact, contact_point, link
from hub.sync.account import Account

WHY = {
    "result": "gone_in_crm",
    "en": "The CRM has one of the two no more, and the other has its contact data: probably merged there",
    "ru": "В CRM одного из двух больше нет, а у другого его данные: вероятно, их там объединили",
}
SCORE = 9.0


def suspect(conn: Connection, clock: Clock, account: Account, contact_id: str, others: Iterable[str]) -> None:
    """Ask about those of the others of whom one has a card in this CRM and the other has none any more."""
    for other in dict.fromkeys(others):
        states = {one: _state(conn, account, one) for one in (contact_id, other)}
        if sorted(states.values()) == ["gone", "there"]:
            first, second = pair_of(contact_id, other)
            row = {"id": clock.new_id(), "first_id": first, "second_id": second, "at": clock.now(), "score": SCORE}
            ask(conn, [{**row, "why": [WHY], "rules": VERSION, "event_id": "", "state": "open", "answered_by": ""}])


def sharers(conn: Connection, contact_id: str) -> list[str]:
    """Living contacts with a number or an address of this one."""
    theirs = contact_point.alias("theirs")
    same = (theirs.c.kind == contact_point.c.kind) & (theirs.c.value == contact_point.c.value)
    alive = (contact.c.id == theirs.c.contact_id) & contact.c.merged_into.is_(None)
    found = select(theirs.c.contact_id).select_from(contact_point.join(theirs, same).join(contact, alive))
    mine = (contact_point.c.contact_id == contact_id) & (theirs.c.contact_id != contact_id)
    return list(conn.execute(found.where(mine).distinct().limit(5)).scalars())


def _state(conn: Connection, account: Account, contact_id: str) -> str:
    mine = (link.c.connection_id == account.id) & (link.c.role == "contact") & (link.c.record_id == contact_id)
    row = conn.execute(select(link.c.state, link.c.code).where(mine)).first()
    if row is None:
        return ""
    return "gone" if row.code == "deleted_in_crm" else "there" if row.state == "linked" else ""
