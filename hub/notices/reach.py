"""Where a member is told of their leads. An address counts only once its owner has shown that it is theirs.

A messenger account is linked by a code from the member's own page, which is good once and for a quarter of an hour; a
mail address by a link that was sent there. One account belongs to one member.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import MINUTE, Clock
from hub.model import member, reach
from hub.store.engine import add_unless_there
from hub.store.notes import note

MAIL, MESSENGER = "email", "messenger"
PREFIX = "link-"
"""How a code begins, so that a link for clients (`/start <campaign>`) is never taken for one."""
CODE_LASTS = 15 * MINUTE


@dataclass(frozen=True, slots=True)
class Reach:
    """One place where one active member is told. `via` is the connection it leaves through, "" for any."""

    member_id: str
    channel: str
    via: str
    address: str
    locale: str
    name: str


def reaches(conn: Connection, member_ids: Sequence[str]) -> Mapping[str, list[Reach]]:
    """Where these members are told, by member."""
    place = reach.join(member, member.c.id == reach.c.member_id)
    mine = reach.c.member_id.in_(sorted(set(member_ids))) & (reach.c.address != "") & member.c.active
    found: dict[str, list[Reach]] = {}
    for row in conn.execute(select(reach, member.c.locale, member.c.name).select_from(place).where(mine)):
        one = Reach(row.member_id, row.channel, row.connection_id, row.address, row.locale, row.name)
        found.setdefault(row.member_id, []).append(one)
    return found


def whose(conn: Connection, channel: str, via: str, address: str) -> Any:
    """The member (a row, switched off or not) behind an address; None when it is nobody's."""
    place = (reach.c.channel == channel) & (reach.c.connection_id == via) & (reach.c.address == address)
    joined = reach.join(member, member.c.id == reach.c.member_id)
    return conn.execute(select(member).select_from(joined).where(place, reach.c.address != "")).one_or_none()


def new_code(conn: Connection, clock: Clock, member_id: str, via: str) -> str:
    """A code that links one account of this bot to the member; only its digest is kept. An older one stops working."""
    code = PREFIX + secrets.token_urlsafe(18)
    values = {"code": _digest(code), "code_until": clock.now() + CODE_LASTS}
    row = _row(clock, member_id, MESSENGER, via)
    if not add_unless_there(conn, reach, {**row, **values}):
        mine = (reach.c.member_id == member_id) & (reach.c.channel == MESSENGER) & (reach.c.connection_id == via)
        conn.execute(update(reach).where(mine).values(values))
    return code


def use_code(conn: Connection, clock: Clock, via: str, code: str, address: str) -> str:
    """Link the account that sent this code; answers the member's id, "" when the code is none (any more)."""
    held = (reach.c.code == _digest(code)) & (reach.c.connection_id == via) & (reach.c.code_until >= clock.now())
    row = conn.execute(select(reach).where(held).with_for_update()).one_or_none()
    if row is None:
        return ""
    _let_go(conn, row.channel, via, address, row.id)
    conn.execute(update(reach).where(reach.c.id == row.id).values(address=address, code="", at=clock.now()))
    note(conn, clock, "member", row.member_id, "linked", f"member:{row.member_id}", {"channel": row.channel})
    return str(row.member_id)


def link_mail(conn: Connection, clock: Clock, member_id: str, address: str) -> None:
    """This mail address is the member's: they opened the link that was sent there."""
    row = _row(clock, member_id, MAIL, "")
    _let_go(conn, MAIL, "", address)
    if not add_unless_there(conn, reach, {**row, "address": address}):
        mine = (reach.c.member_id == member_id) & (reach.c.channel == MAIL)
        conn.execute(update(reach).where(mine).values(address=address, at=clock.now()))
    note(conn, clock, "member", member_id, "linked", f"member:{member_id}", {"channel": MAIL})


def unlink(conn: Connection, clock: Clock, member_id: str, channel: str, via: str) -> bool:
    """The member is told there no more."""
    mine = (reach.c.member_id == member_id) & (reach.c.channel == channel) & (reach.c.connection_id == via)
    gone = bool(conn.execute(delete(reach).where(mine)).rowcount)
    if gone:
        note(conn, clock, "member", member_id, "unlinked", f"member:{member_id}", {"channel": channel})
    return gone


def _let_go(conn: Connection, channel: str, via: str, address: str, but: str = "") -> None:
    """Whoever had this address before has it no more."""
    mine = (reach.c.channel == channel) & (reach.c.connection_id == via) & (reach.c.address == address)
    conn.execute(update(reach).where(mine, reach.c.id != but).values(address=""))


def _row(clock: Clock, member_id: str, channel: str, via: str) -> dict[str, Any]:
    return {"id": clock.new_id(), "member_id": member_id, "channel": channel, "connection_id": via, "address": "",
            "code": "", "at": clock.now()}  # fmt: skip


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
