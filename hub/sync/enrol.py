"""Records that were there before a CRM was: each gets its link, so that the CRM hears of it.

Guarantees: a record is enrolled once per connection, however often this runs; only what is open goes, history stays
in the hub.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Select, exists, select

from hub.clock import Clock
from hub.model import deal, lead, link
from hub.store.engine import Store
from hub.store.notes import REST

BATCH = 500


def enrol(store: Store, clock: Clock, connection_id: str) -> int:
    """Link open leads and deals with their contacts to this connection; answers how many leads and deals."""
    total = 0
    for role, table in (("lead", lead), ("deal", deal)):
        while rows := _batch(store, clock, connection_id, role, table):
            total += rows
    return total


def _batch(store: Store, clock: Clock, connection_id: str, role: str, table: Any) -> int:
    with store.write() as conn:
        rows = list(conn.execute(_missing(connection_id, role, table).limit(BATCH)))
        contacts = _unlinked_contacts(conn, connection_id, {row.contact_id for row in rows})
        links = [new_link(clock, connection_id, "contact", one) for one in sorted(contacts)]
        links += [new_link(clock, connection_id, role, row.id) for row in rows]
        if links:
            conn.execute(link.insert(), links)
    return len(rows)


def _missing(connection_id: str, role: str, table: Any) -> Select[Any]:
    """Open records without a link (a conversion hands the link of its lead over)."""
    mine = (link.c.connection_id == connection_id) & (link.c.record_id == table.c.id) & (link.c.role == role)
    return select(table.c.id, table.c.contact_id).where(table.c.state == "open", ~exists().where(mine))


def _unlinked_contacts(conn: Connection, connection_id: str, contacts: Iterable[str]) -> set[str]:
    wanted = set(contacts)
    known = select(link.c.record_id).where(
        link.c.connection_id == connection_id, link.c.role == "contact", link.c.record_id.in_(wanted)
    )
    return wanted - set(conn.execute(known).scalars())


def new_link(clock: Clock, connection_id: str, role: str, record_id: str) -> dict[str, Any]:
    """The row of a record that the CRM has to be told of."""
    now = clock.now()
    return {
        "id": clock.new_id(), "connection_id": connection_id, "role": role, "record_id": record_id, "remote_kind": "",
        "remote_id": None, "state": "new", "base": {}, "raw": {}, "sent": {}, "remote_version": "",
        "mapping_version": "", "dirty": 1, "lane": REST, "due_at": now, "lease": "", "attempts": 0, "lookups": 0,
        "code": "", "why": "", "since": now,
    }  # fmt: skip
