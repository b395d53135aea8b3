"""What a CRM did not take of a record: kept with the value and the CRM's words, to be listed and not to be said twice.

Guarantees: the rest of the record goes; another value is tried, and the same one when somebody says so or applies the
set-up again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import Clock
from hub.model import link
from hub.store.notes import REST
from hub.sync.account import Account
from hub.sync.apply import Sighting
from hub.sync.plan import REFUSED, Agreed

ANY = "@any"
"""Stands for the refused value where nobody wrote it down."""


def refused(base: Mapping[str, Any]) -> dict[str, Any]:
    """What the CRM did not take of this record, by its field: the value, and why."""
    kept = base.get(REFUSED, {})
    return dict(kept) if isinstance(kept, dict) else {name: [ANY, ""] for name in kept}


def left_out(base: Mapping[str, Any]) -> tuple[str, str]:
    """The cause that is shown for it, two blanks when everything was taken."""
    never = refused(base)
    told = "; ".join(f"{name}: {why}" if why else name for name, (_value, why) in sorted(never.items()))
    return ("left_out", f"The CRM did not take these values, the rest is there. {told}") if never else ("", "")


def tell_refused(account: Account, row: Any, agreed: Agreed, sighting: Sighting) -> None:
    """What the CRM refused and does not show in the meantime stays listed."""
    if REFUSED not in row.base:
        return
    slots, marker = {slot.crm: slot for slot in account.faces[row.role].slots}, account.crm.facts.marker_field
    flat, raw = sighting.flat, agreed.raw
    sighting.base[REFUSED] = {
        name: told
        for name, told in refused(row.base).items()
        if (name == marker and sighting.stray)
        or (name in slots and not slots[name].same(flat.get(slots[name].hub), slots[name].into(raw.get(name))))
    }
    if not sighting.code:
        sighting.code, sighting.why = left_out(sighting.base)


def say_again(conn: Connection, clock: Clock, connection_id: str) -> int:
    """What the CRM did not take may have been mended over there: it is told once more. Answers of how many records."""
    mine = (link.c.connection_id == connection_id) & (link.c.state == "linked") & (link.c.code == "left_out")
    rows = conn.execute(select(link.c.id, link.c.base).where(mine)).all()
    for row in rows:
        base = {name: value for name, value in row.base.items() if name != REFUSED}
        again = {"base": base, "dirty": link.c.dirty + 1, "lane": REST, "due_at": clock.now()}
        conn.execute(update(link).where(link.c.id == row.id).values(again))
    return len(rows)
