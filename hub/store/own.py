"""Fields of a company's own (`x_budget`, see hub.funnel.own), written beside those that a record has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, select, update


def keep(conn: Connection, table: Table, record_id: str, told: Mapping[str, Any], *, over: bool = True) -> bool:
    """Write these values down; where the record has another one it goes, or with `over` false stays. Answers whether
    that changed anything. All fields share one column, so the row is held until the end of the transaction: two that
    write different fields at the same moment both find theirs."""
    if not told:
        return False
    mine = table.c.id == record_id
    held: dict[str, Any] = conn.execute(select(table.c.own).where(mine).with_for_update()).scalar_one()
    both = {**held, **told} if over else {**told, **held}
    if both != held:
        conn.execute(update(table).where(mine).values(own=both))
    return both != held
