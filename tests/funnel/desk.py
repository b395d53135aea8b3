"""A desk with people, pools and leads for the tests of this folder, with the steps that intake and the pages take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, event, insert, select, update

from hub.clock import HOUR, FixedClock
from hub.funnel.timers import Timers
from hub.model import assignment, contact, direction, journal, lead, member, pool, rotation
from hub.routing.ledger import record
from hub.routing.reading import own_owners, read_floor
from hub.routing.rotation import POOL
from hub.store.engine import Store
from hub.store.notes import note
from tests.whole import whole_hub

MINUTES = 60.0


@dataclass
class Desk:
    """Olga (the first admin, so the last resort) and Ivan share the pool; more people come with `hire`."""

    store: Store
    clock: FixedClock
    timers: Timers

    def hire(self, name: str, weight: int = 1, role: str = "lead_desk") -> str:
        """One more person with a share of the pool."""
        member_id = self.clock.new_id()
        row = {"id": member_id, "login": f"{name}-{member_id[-6:]}", "name": name, "password_hash": "", "role": role,
               "locale": "en", "active": True, "created_at": self.clock.now()}  # fmt: skip
        with self.store.write() as conn:
            conn.execute(insert(member).values(row))
            conn.execute(insert(rotation).values(pool=POOL, member_id=member_id, weight=weight, credit=0, given=0))
        return member_id

    def id_of(self, name: str) -> str:
        return str(self.rows(member, member.c.name == name)[0].id)

    def contact(self, **values: Any) -> str:
        contact_id = self.clock.new_id()
        with self.store.write() as conn:
            at = self.clock.now()
            conn.execute(insert(contact).values(id=contact_id, created_at=at, updated_at=at, **values))
        return contact_id

    def open(self, contact_id: str = "", pool_name: str = POOL, **values: Any) -> str:
        """A lead comes in, as intake will open it: assigned, recorded, written and noted in one commit."""
        who = contact_id or self.contact()
        self.clock.advance(0.001)
        with self.store.write() as conn:
            return open_lead(conn, self.clock, who, pool_name, **values)

    def lead(self, lead_id: str) -> Any:
        return self.rows(lead, lead.c.id == lead_id)[0]

    def do(self, act: Any, *told: Any, **more: Any) -> Any:
        """One move in a transaction of its own, and what the timers make of it."""
        self.clock.advance(0.001)
        with self.store.write() as conn:
            found = act(conn, self.clock, *told, **more)
        self.timers.step()
        return found

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.timers.step()

    def rows(self, table: Table, *where: Any) -> Sequence[Any]:
        with self.store.read() as conn:
            return list(conn.execute(select(table).where(*where).order_by(next(iter(table.c)))))

    def told(self, lead_id: str) -> list[str]:
        """What the journal says of a lead, oldest first."""
        return [row.what for row in self.rows(journal, journal.c.subject_id == lead_id)]

    def pool(self, name: str = POOL, **values: Any) -> None:
        """Other settings of a pool."""
        with self.store.write() as conn:
            if not conn.execute(update(pool).where(pool.c.name == name).values(**values)).rowcount:
                conn.execute(insert(pool).values(name=name, **values))


def open_lead(conn: Connection, clock: FixedClock, contact_id: str, pool_name: str, **values: Any) -> str:
    return open_leads(conn, clock, [contact_id], pool_name, **values)[0]


def open_leads(
    conn: Connection, clock: FixedClock, contact_ids: Sequence[str], pool_name: str, **values: Any
) -> list[str]:
    """One batch on one floor, as intake opens them."""
    floor, own = read_floor(conn, clock.now()), own_owners(conn, contact_ids)
    main = conn.execute(select(direction.c.id)).scalars().first()
    given = []
    for contact_id in contact_ids:
        found = floor.assign(pool_name, {}, own.get(contact_id, ""), clock.now())
        row = {
            "id": clock.new_id(), "contact_id": contact_id, "direction_id": main, "stage": "new", "state": "open",
            "owner_id": found.owner, "next_step": "first_touch", "next_step_at": found.opens_at + HOUR, "title": "T",
            "source": "webhook", "opened_at": clock.now(), "active_at": clock.now(), **values,
        }  # fmt: skip
        conn.execute(insert(lead).values(row))
        given.append((str(row["id"]), found))
    record(conn, clock, floor, given)
    for lead_id, found in given:
        note(conn, clock, "lead", lead_id, "opened", "source:x", {"route": {**found.why, "owner": found.owner}})
    return [lead_id for lead_id, _found in given]


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """Commits do not wait for the disk: no power fails in these tests."""
    with whole_hub(folder) as whole:
        whole.hub.store.hub.dispose()
        event.listen(whole.hub.store.hub, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
        yield Desk(whole.hub.store, whole.clock, Timers(whole.hub.store, whole.clock))


def ledger_of(desk: Desk, lead_id: str) -> list[str]:
    """How a lead got its owners."""
    return [row.by for row in desk.rows(assignment, assignment.c.lead_id == lead_id)]
