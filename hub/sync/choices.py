"""Value tables that a mapping leaves empty: filled with what the CRM's own selection offers, name → id.

A CRM says "loss reason 9001"; here it is "Too expensive", as people read it over there. Read when the CRM is set up and
each night, because people add choices. A table with entries in the mapping is the admin's alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import CRM, Schema
from hub.clock import SECOND, Clock
from hub.intake.connections import FRESH_S, mapping_of
from hub.model import connection, link
from hub.store.notes import REST
from hub.sync.owners import OWNER
from mappings import BadMapping, Line, load

Choices = Mapping[str, Mapping[str, str]]


def empty(text: str) -> list[Line]:
    """Lines of a mapping whose value table has no entries. Who is who (owners) is asked of the admin."""
    lines = load(text).lines
    return [line for line in lines if line.hub != OWNER and getattr(line.codec, "writes", None) == {}]


def offered(crm: CRM, text: str, schema: Schema) -> dict[str, dict[str, str]]:
    """What the account offers for these lines, by table. Of two with one name the first counts."""
    kinds = {"contact": crm.contact_kind, "company": crm.company_kind, "lead": crm.lead_kind, "deal": crm.deal_kind}
    found: dict[str, dict[str, str]] = {}
    for line in empty(text):
        shown = (one for one in schema.fields.get(kinds[line.kind], ()) if one.name == line.crm)
        for ref, name in (choice for one in shown for choice in one.options if choice[1]):
            found.setdefault(getattr(line.codec, "table", ""), {}).setdefault(name, ref)
    return found


def reasons(conn: Connection) -> list[str]:
    """Why a card may be closed in the CRMs that let people choose: said in these words it arrives there."""
    found: dict[str, None] = {}
    for row in conn.execute(select(connection).where(connection.c.kind == "crm", connection.c.state == "active")):
        try:
            lines = load(mapping_of(row), row.config.get("tables")).lines
        except BadMapping:  # its connection is paused with that cause
            continue
        for line in lines:
            found |= dict.fromkeys(getattr(line.codec, "writes", ()) if line.hub == "reject_reason" else ())
    return list(found)


def learn(conn: Connection, clock: Clock, connection_id: str, news: Choices) -> bool:
    """Keep these tables; cards that show a choice nobody knew are looked at as if it were news. Answers whether there
    was any."""
    row = conn.execute(select(connection).where(connection.c.id == connection_id).with_for_update()).one()
    tables: dict[str, Any] = row.config.get("tables", {})
    if {**tables, **news} == tables:
        return False
    config = {**row.config, "tables": {**tables, **news}}
    conn.execute(update(connection).where(connection.c.id == connection_id).values(config=config))
    fields = {line.crm for line in empty(mapping_of(row))}
    due = clock.now() + round(2 * FRESH_S * SECOND)  # by then every process reads the new tables
    again = {"dirty": link.c.dirty + 1, "lane": REST, "due_at": due}
    unknown = (link.c.connection_id == connection_id) & (link.c.state == "linked") & (link.c.code == "unmapped")
    for one in conn.execute(select(link.c.id, link.c.raw).where(unknown)).all():
        raw = {name: value for name, value in one.raw.items() if name not in fields}
        conn.execute(update(link).where(link.c.id == one.id).values(raw=raw, **again))
    return True
