"""Any order of events, at any moment of it: no committed state has an open lead without an owner and a next step, turns
are fair, and the ledger played again gives the same owners. `make campaign` plays a hundred thousand orders."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
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
from hub.model import assignment, deal, lead, lineup, member, rotation
from hub.routing.ledger import deviations, read_ledger
from hub.routing.rotation import POOL
from tests.funnel.desk import Desk, open_desk

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SEEDS, ORDERS = (range(10), 10_000) if FULL else (range(2), 25)
STEPS = 8


class Play:
    """One desk on which events happen in random order; every commit is looked at."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.chance = desk, random.Random(seed)
        self.people = [desk.hire(f"m{n}", weight=self.chance.randint(1, 4)) for n in range(5)]
        self.people += [row.id for row in desk.rows(member) if row.id not in self.people]
        self.leads: list[str] = []
        self.contacts = [desk.contact() for _ in range(3)]

    def one(self) -> None:
        """One order of events, then what it opened is closed."""
        self.leads, self.contacts = [], [self.desk.contact(), *self.contacts[:2]]
        self._open()
        for _step in range(STEPS):
            with suppress(NotPossible):
                self.chance.choice(EVENTS)(self)
            self.look()
            if self.chance.random() < 0.5:
                self.desk.timers.step()
                self.look()
        self._close()

    def look(self) -> None:
        """What must never be: checked on what is committed, by other words than the database's own rule."""
        with self.desk.store.read() as conn:
            rows = list(conn.execute(select(lead).where(lead.c.state == "open")))
            known = {row.id for row in conn.execute(select(member.c.id))}
        for row in rows:
            assert row.owner_id in known
            assert row.next_step
            assert row.next_step_at is not None

    def _close(self) -> None:
        for lead_id in self.leads:
            with suppress(NotPossible):
                self.desk.do(reject_lead, lead_id, "end of the order", "member:x")

    # ── events ───────────────────────────────────────────────────────────────────────────────────

    def _who(self) -> str:
        return self.chance.choice(self.people)

    def _lead(self) -> str:
        return self.chance.choice(self.leads)

    def _open(self) -> None:
        who = self.chance.choice(self.contacts)
        with self.desk.store.read() as conn:
            busy = conn.execute(select(lead.c.id).where(lead.c.contact_id == who, lead.c.state == "open")).first()
        if not busy:
            self.leads.append(self.desk.open(who))

    def _act(self, act: Callable[..., object], *told: object) -> None:
        with self.desk.store.write() as conn:
            act(conn, self.desk.clock, *told)

    def _take(self) -> None:
        self._act(take_lead, self._lead(), self._who())

    def _give(self) -> None:
        self._act(give_lead, self._lead(), self._who(), f"member:{self._who()}")

    def _move(self) -> None:
        self._act(move_lead, self._lead(), self.chance.choice(["new", "warm", "hot", "nowhere"]), "crm:x")

    def _reject(self) -> None:
        self._act(reject_lead, self._lead(), "no", f"member:{self._who()}")

    def _reopen(self) -> None:
        self._act(reopen_lead, self._lead(), "new", "member:x")

    def _convert(self) -> None:
        self._act(convert_lead, self._lead(), "crm:x")

    def _revert(self) -> None:
        deals = self.desk.rows(deal, deal.c.lead_id == self._lead(), deal.c.state == "open")
        if deals:
            self._act(revert_conversion, deals[-1].id, "new", "crm:x")

    def _touch(self) -> None:
        kind, way = self.chance.choice(["call", "mail", "message"]), self.chance.choice(["in", "out"])
        self._act(show, self._lead(), kind, f"member:{self._who()}", way)

    def _leave(self) -> None:
        """Somebody is switched off or on; one person always stays."""
        who = self.chance.choice(self.people[1:])
        with self.desk.store.write() as conn:
            conn.execute(update(member).where(member.c.id == who).values(active=~member.c.active))

    def _ill(self) -> None:
        now = self.desk.clock.now()
        self._act(is_away, self._who(), now, now + self.chance.choice([HOUR, DAY]), "member:x",
                  self.chance.choice(["", self._who()]))  # fmt: skip

    def _shares(self) -> None:
        with self.desk.store.write() as conn:
            mine = rotation.c.member_id == self._who()
            conn.execute(update(rotation).where(mine).values(weight=self.chance.randint(0, 4)))

    def _limits(self) -> None:
        self.desk.pool(open_limit=self.chance.choice([0, 0, 1, 3]), offer=self.chance.random() < 0.3)

    def _wait(self) -> None:
        self.desk.clock.advance(self.chance.choice([1, 300, 1200, 7200, 90_000]))


EVENTS: list[Callable[[Play], None]] = [
    Play._open, Play._open, Play._take, Play._give, Play._move, Play._reject, Play._reopen, Play._convert,
    Play._revert, Play._touch, Play._touch, Play._leave, Play._ill, Play._shares, Play._limits, Play._wait, Play._wait,
]  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_nobodys_lead_is_nobodys(tmp_path: Path, seed: int) -> None:
    with open_desk(tmp_path) as desk:
        play = Play(desk, seed)
        for number in range(ORDERS):
            play.one()
            if number % 1000 == 10:
                check_the_ledger(desk)
        desk.timers.step()
        check_the_ledger(desk)
        with desk.store.read() as conn:
            off = select(member.c.id).where(member.c.active.is_(False))
            left = select(func.count()).select_from(lead).where(lead.c.state == "open", lead.c.owner_id.in_(off))
            assert conn.execute(left).scalar() == 0


def check_the_ledger(desk: Desk) -> None:
    with desk.store.read() as conn:
        turns, lines = read_ledger(conn)
        assert deviations(turns, lines) == []
        owners = {row.id: row.owner_id for row in conn.execute(select(lead.c.id, lead.c.owner_id))}
    assert owners
    assert [row["turn"] for row in turns if row["pool"] == POOL] == list(
        range(1, 1 + sum(row["pool"] == POOL for row in turns))
    )


def test_every_day_ends_within_one_lead_of_the_shares(desk: Desk) -> None:
    """A week of a few dozen leads a day: at every moment, so at the end of every day too."""
    chance = random.Random(3)
    for n in range(4):
        desk.hire(f"m{n}", weight=chance.randint(1, 9))
    for _day in range(7):
        for _lead in range(chance.randint(5, 30)):
            desk.open()
        desk.clock.advance(24 * 3600)
    turns = sorted(desk.rows(assignment), key=lambda row: row.turn)
    [line] = desk.rows(lineup)
    shares = dict(line.members)
    apart = dict.fromkeys(shares, Fraction(0))
    for row in turns:
        for who, share in shares.items():
            apart[who] += Fraction(share, sum(shares.values()))
        apart[row.member_id] -= 1
        assert max(map(abs, apart.values())) < 1
    assert len(turns) > 70
