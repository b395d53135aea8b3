"""Many random orders of events at once on one desk. An order is what one lead lives through from its opening to its
end: `STEPS` random events of its own, between the events of all the others and what happens to everybody (people leave,
are ill, shares and limits change, time goes by). Every commit is looked at before it is one, and so is what the timers
leave behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event as happening
from sqlalchemy import func, select, update

from hub.clock import DAY, HOUR
from hub.funnel.absences import is_away
from hub.funnel.evidence import show
from hub.funnel.moves import (
    NotPossible,
    convert_lead,
    give_lead,
    move_lead,
    reject_lead,
    reopen_lead,
    revert_conversion,
    take_lead,
)
from hub.model import deal, lead, lineup, member, rotation
from hub.routing.ledger import deviations, read_ledger
from hub.routing.rotation import POOL
from hub.store.engine import WRITES
from tests.funnel.desk import Desk, open_lead, open_leads

STEPS = 8
LANES = 64
"""Orders that run at the same time."""

NOBODYS = """SELECT lead.id FROM lead LEFT JOIN member ON member.id = lead.owner_id WHERE lead.state = 'open' AND
(member.id IS NULL OR lead.next_step IS NULL OR lead.next_step = '' OR lead.next_step_at IS NULL) LIMIT 1"""
LEFT_BEHIND = """SELECT lead.id FROM lead JOIN member ON member.id = lead.owner_id
WHERE lead.state = 'open' AND NOT member.active LIMIT 1"""


@dataclass
class Lane:
    """One order: its lead, who wrote, and how many events are left."""

    lead: str
    contact: str
    left: int = STEPS


class Play:
    """One desk on which events happen in random order; every commit is looked at."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.people = [desk.hire(f"m{n}", weight=self.chance.randint(1, 4)) for n in range(5)]
        self.people += [row.id for row in desk.rows(member) if row.id not in self.people]
        self.lanes: list[Lane] = []
        self.gone: list[str] = []
        self.events: Sequence[Callable[[Any, Lane], None]] = EVENTS
        self.world: Sequence[Callable[[Any], None]] = WORLD
        self.looks = 0

    def play(self, orders: int) -> None:
        """That many orders, as many at once as there are lanes."""
        with self.watched():
            begun = 0
            while begun < orders or self.lanes:
                fresh = min(LANES // STEPS, orders - begun)
                begun += fresh
                self.round(fresh)
        assert self.looks > orders

    def round(self, fresh: int) -> None:
        """Some orders begin, every order goes on by one event, something happens to everybody, some orders end."""
        self.begin(fresh)
        self.chance.shuffle(self.lanes)
        for lane in self.lanes:
            with suppress(NotPossible):
                self.chance.choice(self.events)(self, lane)
            lane.left -= 1
        self.chance.choice(self.world)(self)
        if self.chance.random() < 0.5:
            self.step()
        self.end([lane for lane in self.lanes if not lane.left])

    def begin(self, fresh: int) -> None:
        """New leads in one commit, as intake opens them; every other one is of somebody who was here before."""
        self.desk.clock.advance(0.001)
        known = [self.gone.pop(self.chance.randrange(len(self.gone))) for _ in range(min(len(self.gone), fresh // 2))]
        who = [*dict.fromkeys(known), *(self.desk.contact() for _ in range(fresh - len(known)))]
        with self.desk.store.write() as conn:
            opened = open_leads(conn, self.desk.clock, who, POOL) if who else []
        self.lanes += [Lane(lead_id, one) for lead_id, one in zip(opened, who, strict=True)]

    def step(self) -> None:
        """Time does its work; afterwards nobody who was switched off has an open lead."""
        self.desk.timers.step()
        with self.desk.store.read() as conn:
            assert not list(conn.exec_driver_sql(LEFT_BEHIND))

    def end(self, lanes: Sequence[Lane]) -> None:
        """What these orders opened is closed."""
        self.lanes = [lane for lane in self.lanes if lane.left]
        for lane in lanes:
            with suppress(NotPossible):
                self.act(reject_lead, lane.lead, "end of the order", "member:x")
        self.gone = (self.gone + [lane.contact for lane in lanes])[-LANES:]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What must never be, asked by other words than the database's own rule before each commit."""
        engine = self.desk.store.hub

        def look(conn: Any) -> None:
            if conn.connection.info[WRITES]:
                assert not conn.connection.dbapi_connection.execute(NOBODYS).fetchall()
                self.looks += 1

        happening.listen(engine, "commit", look)
        try:
            yield
        finally:
            happening.remove(engine, "commit", look)

    # ── events of one lead ───────────────────────────────────────────────────────────────────────

    def who(self) -> str:
        return self.chance.choice(self.people)

    def act(self, act: Callable[..., object], *told: object) -> None:
        with self.desk.store.write() as conn:
            act(conn, self.desk.clock, *told)

    def again(self, lane: Lane) -> None:
        """The same person comes again: the lead that was closed is followed by another."""
        with self.desk.store.write() as conn:
            mine = select(lead.c.id).where(lead.c.contact_id == lane.contact, lead.c.state == "open")
            if not conn.execute(mine).first():
                lane.lead = open_lead(conn, self.desk.clock, lane.contact, POOL)

    def take(self, lane: Lane) -> None:
        self.act(take_lead, lane.lead, self.who())

    def give(self, lane: Lane) -> None:
        self.act(give_lead, lane.lead, self.who(), f"member:{self.who()}")

    def move(self, lane: Lane) -> None:
        self.act(move_lead, lane.lead, self.chance.choice(["new", "warm", "hot", "nowhere"]), "crm:x")

    def reject(self, lane: Lane) -> None:
        self.act(reject_lead, lane.lead, "no", f"member:{self.who()}")

    def reopen(self, lane: Lane) -> None:
        self.act(reopen_lead, lane.lead, "new", "member:x")

    def convert(self, lane: Lane) -> None:
        self.act(convert_lead, lane.lead, "crm:x")

    def revert(self, lane: Lane) -> None:
        deals = self.desk.rows(deal, deal.c.lead_id == lane.lead, deal.c.state == "open")
        if deals:
            self.act(revert_conversion, deals[-1].id, "new", "crm:x")

    def touch(self, lane: Lane) -> None:
        kind, way = self.chance.choice(["call", "mail", "message"]), self.chance.choice(["in", "out"])
        self.act(show, lane.lead, kind, f"member:{self.who()}", way)

    # ── events of everybody ──────────────────────────────────────────────────────────────────────

    def leave(self) -> None:
        """Somebody is switched off or on; one person always stays."""
        who = self.chance.choice(self.people[1:])
        with self.desk.store.write() as conn:
            conn.execute(update(member).where(member.c.id == who).values(active=~member.c.active))

    def ill(self) -> None:
        now = self.desk.clock.now()
        span = now, now + self.chance.choice([HOUR, DAY])
        self.act(is_away, self.who(), *span, "member:x", self.chance.choice(["", self.who()]))

    def shares(self) -> None:
        with self.desk.store.write() as conn:
            mine = rotation.c.member_id == self.who()
            conn.execute(update(rotation).where(mine).values(weight=self.chance.randint(0, 4)))

    def limits(self) -> None:
        limit = self.chance.choice([0, 0, 1, 3, LANES // 8])
        self.desk.pool(open_limit=limit, offer=self.chance.random() < 0.3)

    def wait(self) -> None:
        self.desk.clock.advance(self.chance.choice([1, 300, 1200, 7200, 90_000]))


EVENTS: list[Callable[[Play, Lane], None]] = [
    Play.again, Play.again, Play.take, Play.give, Play.move, Play.reject, Play.reopen, Play.convert, Play.revert,
    Play.touch, Play.touch,
]  # fmt: skip
WORLD: list[Callable[[Play], None]] = [Play.leave, Play.ill, Play.shares, Play.limits, Play.wait, Play.wait]


def same_again(desk: Desk) -> None:
    """The ledger played again gives the same owners, and no turn is missing in it."""
    with desk.store.read() as conn:
        turns, lines = read_ledger(conn)
        assert deviations(turns, lines) == []
        numbers = [row["turn"] for row in turns if row["pool"] == POOL]
        assert numbers == list(range(1, 1 + len(numbers)))
        assert numbers
        assert conn.execute(select(func.count()).select_from(lineup)).scalar()
