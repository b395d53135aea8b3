"""Two programs that undo each other's value: found, stopped, and shown to a person.

A field of one record that we have told a CRM three times within an hour is told no fourth time: some robot over there,
or another CRM, has turned it back each time. The field stays as it is on both sides until a person says which value is
right; the rest of the record, and everybody else, goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import HOUR
from hub.model import sync_write
from hub.sync.apply import Sighting

ROUNDS = 3
FIGHT = "@fight"
"""Under this name a base lists the fields that are held."""
SETTLED = "@settled"
"""Under this name a base says since when rounds are counted anew (ms), because a person has decided."""


def stop(conn: Connection, now: int, seen: Sequence[tuple[Any, Sighting]]) -> None:
    """Takes fields that were told too often out of what is about to be said. `seen`: link rows with their sightings.
    While the answer to a call is missing nobody has turned anything back: it may never have arrived."""
    answered = [(row, sighting) for row, sighting in seen if not row.sent]
    talking = [(row, sighting) for row, sighting in answered if sighting.push and sighting.state == "linked"]
    if not talking:
        return
    told = _told(conn, now - HOUR, talking)
    for row, sighting in talking:
        held = sorted(name for name in sighting.push if told[row.id, name] >= ROUNDS)
        if held:
            _hold(sighting, row, held)


def _told(conn: Connection, since: int, talking: Sequence[tuple[Any, Sighting]]) -> Counter[tuple[str, str]]:
    """How often each field of each record was told this CRM since then, by link and field."""
    rows = {(row.role, row.record_id): row for row, _sighting in talking}
    mine = (sync_write.c.connection_id == talking[0][0].connection_id) & (sync_write.c.at > since)
    columns = (sync_write.c.role, sync_write.c.record_id, sync_write.c.at, sync_write.c.after)
    found: Counter[tuple[str, str]] = Counter()
    for one in conn.execute(select(*columns).where(mine, sync_write.c.side == "crm")):
        row = rows.get((one.role, one.record_id))
        if row is not None and one.at > row.base.get(SETTLED, 0):
            found.update((row.id, name) for name in one.after)
    return found


def _hold(sighting: Sighting, row: Any, held: Sequence[str]) -> None:
    sighting.push = {name: value for name, value in sighting.push.items() if name not in held}
    sighting.base[FIGHT] = sorted({*row.base.get(FIGHT, ()), *held})
    sighting.code, sighting.why = "fight", cause(sighting.base[FIGHT])
    sighting.again = True  # both values are shown to whoever decides


def cause(fields: Sequence[str]) -> str:
    """What is shown."""
    return (
        f"Changed back and forth more than {ROUNDS} times within an hour: {', '.join(fields)}. A robot there undoes "
        "what is written: switch it off, or decide which value is right"
    )
