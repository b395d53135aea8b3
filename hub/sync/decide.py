"""What a person decides when the sync asks: who wins a field, whether records are really gone, what to do with another
account. Each answer is one transaction and leaves a line in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import Clock
from hub.model import connection, link, look_again, mirror, mirror_company, mirror_key, pull_state
from hub.store.notes import PERSON, note
from hub.sync.fight import FIGHT, SETTLED
from hub.sync.plan import ASKED


@dataclass(frozen=True, slots=True)
class Asked:
    """A field that both sides changed and that a person decides. `since` in ms."""

    link_id: str
    connection_id: str
    role: str
    record_id: str
    field: str
    here: Any
    there: Any
    since: int


def asked(conn: Connection, limit: int) -> list[Asked]:
    """What waits for a decision, the oldest first."""
    open_ = (
        select(link)
        .where(link.c.code.in_(("conflict", "fight")), link.c.state == "linked")
        .order_by(link.c.since)
        .limit(limit)
    )
    return [
        Asked(row.id, row.connection_id, row.role, row.record_id, field, here, there, row.since)
        for row in conn.execute(open_)
        for field, (here, there) in sorted(row.base.get(ASKED, {}).items())
    ]


def settle(conn: Connection, clock: Clock, actor: str, link_id: str, field: str, side: str) -> bool:
    """The value of "hub" or "crm" is right for this field; False when it was not asked any more.

    The other side then counts as unchanged since both agreed, so the next look carries the winner over.
    """
    row = conn.execute(select(link).where(link.c.id == link_id).with_for_update()).one_or_none()
    asked = dict(row.base.get(ASKED, {})) if row is not None else {}
    if row is None or field not in asked or side not in ("hub", "crm"):
        return False
    ours, theirs = asked.pop(field)
    base = {**row.base, ASKED: asked, field: theirs if side == "hub" else ours}
    raw = row.raw
    if field in row.base.get(FIGHT, ()):
        base, raw = _peace(base, field, clock.now()), {}  # what stands there is looked at as if for the first time
    again = {"dirty": link.c.dirty + 1, "lane": PERSON, "due_at": clock.now()}
    conn.execute(update(link).where(link.c.id == link_id).values(base=base, raw=raw, **again))
    note(conn, clock, row.role, row.record_id, "settled", actor, {"field": field, "winner": side})
    return True


def _peace(base: dict[str, Any], field: str, now: int) -> dict[str, Any]:
    """The field is kept in step again, and its rounds are counted anew."""
    left = [name for name in base.pop(FIGHT) if name != field]
    return {**base, SETTLED: now, **({FIGHT: left} if left else {})}


def believe_gone(conn: Connection, clock: Clock, actor: str, connection_id: str) -> int:
    """The records that vanished in a mass are gone indeed; answers how many. They stay here and are not made again."""
    mine = (link.c.connection_id == connection_id) & (link.c.state == "held") & (link.c.code == "vanished")
    why = "The record was deleted in the CRM; it stays here and is not made again"
    values = {"state": "tombstoned", "code": "deleted_in_crm", "why": why, "since": clock.now(), "dirty": 0}
    count = conn.execute(update(link).where(mine).values(values)).rowcount
    if count:
        note(conn, clock, "connection", connection_id, "gone_confirmed", actor, {"count": count})
    return count


def begin_anew(conn: Connection, clock: Clock, actor: str, connection_id: str) -> int:
    """The credentials are another account's, and its records are new ones: every link is forgotten, the account has to
    be set up. Answers how many links there were."""
    count = conn.execute(delete(link).where(link.c.connection_id == connection_id)).rowcount
    _other_account(conn, connection_id)
    note(conn, clock, "connection", connection_id, "begun_anew", actor, {"links": count})
    return count


def migrate(conn: Connection, clock: Clock, actor: str, connection_id: str) -> int:
    """The credentials are another account's, and our records moved there: once it is set up, each is looked for by its
    marker and only made when it is not there. Answers how many."""
    mine = (link.c.connection_id == connection_id) & link.c.state.in_(
        ("linked", "sending", "uncertain", "parked", "held")
    )
    moved: dict[str, Any] = {
        "state": "uncertain", "remote_id": None, "base": {}, "raw": {}, "sent": {}, "dirty": 1, "due_at": clock.now(),
        "lease": "", "lease_until": None, "attempts": 0, "lookups": 0, "code": "", "why": "", "since": clock.now(),
    }  # fmt: skip
    count = conn.execute(update(link).where(mine).values(moved)).rowcount
    gone = link.c.state.in_(("tombstoned", "history"))
    conn.execute(update(link).where(link.c.connection_id == connection_id, gone).values(remote_id=None))
    _other_account(conn, connection_id)
    note(conn, clock, "connection", connection_id, "migrated", actor, {"links": count})
    return count


def _other_account(conn: Connection, connection_id: str) -> None:
    """Nothing that was known of the old account holds."""
    config = dict(conn.execute(select(connection.c.config).where(connection.c.id == connection_id)).scalar_one())
    for name in ("placement", "checked", "without", "tables", "users", "owner_there"):
        config.pop(name, None)
    values = {"config": config, "fingerprint": "", "state": "active", "why": ""}
    conn.execute(update(connection).where(connection.c.id == connection_id).values(values))
    for table in (pull_state, look_again, mirror, mirror_key, mirror_company):
        conn.execute(delete(table).where(table.c.connection_id == connection_id))
