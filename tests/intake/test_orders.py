"""Any order of events through the whole of intake: inquiries of people who come again under other names and numbers,
replays, late bridges that merge, and everything that people, clocks and absences do to leads in between.

No committed state has an open lead without an owner and a next step; while shares stand everybody is within one lead of
them at every moment; the ledger played again gives the same owners. `make campaign` plays a hundred thousand orders.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as happening
from sqlalchemy import func, select

from connectors.contract import Raw
from hub.clock import instant
from hub.funnel.timers import Timers
from hub.intake.quarantine import replay, trust
from hub.model import contact, event_work, inquiry, lead, member, merge_log
from hub.model import event as stored
from hub.routing.ledger import deviations, read_ledger
from hub.routing.rotation import POOL
from tests.flow.crowd import LAST, NAMES
from tests.funnel.desk import Desk
from tests.funnel.test_orders import EVENTS, Play
from tests.whole import JSON, Whole, whole_hub

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SEEDS = range(10) if FULL else range(2)
ORDERS = int(os.environ.get("LEADHUB_ORDERS", 10_000 if FULL else 12))
PEOPLE = 60
NUMBERS = ("903", "905", "916", "925", "926", "985")


class Inquiries(Play):
    """The same play, with real inquiries for leads that are put there."""

    def __init__(self, whole: Whole, desk: Desk, seed: int) -> None:
        super().__init__(desk, seed)
        self.whole, self.live = whole, whole.connect("webhook", id_field="id")
        self.crowd = [self._person(number) for number in range(PEOPLE)]
        self.sent = 0
        self.known: set[str] = set()

    def _person(self, number: int) -> dict[str, str]:
        name = f"{NAMES[number % 10]} {LAST[(number // 10 + number) % 10]}"
        digits = f"{self.chance.randint(1_000_000, 9_999_999)}"
        return {
            "name": name, "phone": f"+7{NUMBERS[number % len(NUMBERS)]}{digits}",
            "email": f"{name.split()[1].lower()}{number}{digits[:2]}@mail-{number}.test",
        }  # fmt: skip

    def _say(self, **more: str) -> None:
        """Somebody writes, by phone, by mail or with both: who is known by one and by the other is one."""
        who = self.chance.choice(self.crowd)
        fields = self.chance.choice([("name", "phone"), ("name", "email"), ("name", "phone", "email")])
        self.sent += 1
        told = {name: who[name] for name in fields} | {"message": f"Window {self.sent}", "id": str(self.sent)} | more
        self._accept(told)

    def _accept(self, told: dict[str, str]) -> None:
        at = instant(self.desk.clock.now())
        raw = Raw(json.dumps(told).encode(), at, {"content-type": JSON})
        self.whole.hub.intake.accept(self.live, raw)

    def _flow(self) -> None:
        self.desk.clock.advance(0.001)
        self.whole.flow()
        with self.desk.store.read() as conn:
            ids = set(conn.execute(select(lead.c.id).where(lead.c.state == "open")).scalars())
        self.leads += sorted(ids - self.known)
        self.known |= ids

    def _close(self) -> None:
        """Before the order ends: whoever left has no open lead any more."""
        self.desk.timers.step()
        self.look()
        off = {row.id for row in self.desk.rows(member, member.c.active.is_(False))}
        assert not off & {row.owner_id for row in self.desk.rows(lead, lead.c.state == "open")}
        super()._close()

    def _open(self) -> None:
        for _one in range(self.chance.randint(1, 3)):
            self._say()
        self._flow()

    def _lead(self) -> str:
        return self.chance.choice(self.leads) if self.leads else "none"

    def _repeat(self) -> None:
        """The sender sends the same again, or corrects it."""
        self._say(id=str(max(1, self.sent - self.chance.randint(0, 3))))
        self._flow()

    def _set_apart(self) -> None:
        """Nothing is understood, until an admin vouches for it."""
        self._accept({"id": f"x{self.sent}-{self.chance.random()}"})
        self._flow()

    def _replay(self) -> None:
        waiting = self.desk.rows(event_work, event_work.c.state == "quarantined")
        if waiting:
            with self.desk.store.write() as conn:
                self.chance.choice([replay, trust])(conn, self.desk.clock, "member:x", waiting[-1].event_id)
            self._flow()


OURS: list[Callable[[Any], None]] = [
    *(one for one in EVENTS if one is not Play._open),
    Inquiries._open, Inquiries._open, Inquiries._repeat, Inquiries._set_apart, Inquiries._replay,
]  # fmt: skip
CALM = ("_leave", "_ill", "_shares", "_limits", "_wait", "_give", "_reopen", "_revert")


@contextmanager
def playing(folder: Path, seed: int) -> Iterator[Inquiries]:
    with whole_hub(folder) as whole:
        for engine in (whole.hub.store.hub, whole.hub.store.inbox):
            engine.dispose()
            happening.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
        whole.clock.randomness = random.Random(seed)  # the same ids, so the same order, wherever this runs
        store = whole.hub.store
        yield Inquiries(whole, Desk(store, whole.clock, Timers(store, whole.clock)), seed)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_no_order_of_events_leaves_a_lead_to_nobody(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.funnel.test_orders.EVENTS", OURS)
    with playing(tmp_path, seed) as play:
        for _number in range(ORDERS):
            play.one()
        play.desk.timers.step()
        same_again(play.desk)
        nothing_is_lost(play)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_while_shares_stand_everybody_is_within_one_lead(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = [one for one in OURS if one.__name__ not in CALM]
    monkeypatch.setattr("tests.funnel.test_orders.EVENTS", calm)
    with playing(tmp_path, seed) as play:
        for _number in range(ORDERS // 2):
            play.one()
        within_one_lead(play.desk)
        same_again(play.desk)


def same_again(desk: Desk) -> None:
    with desk.store.read() as conn:
        turns, lines = read_ledger(conn)
        assert deviations(turns, lines) == []
    mine = [row["turn"] for row in turns if row["pool"] == POOL]
    assert mine == list(range(1, 1 + len(mine)))
    assert mine


def nothing_is_lost(play: Inquiries) -> None:
    """Every message is settled or waits for a person, every lead came of an inquiry."""
    work = play.desk.rows(event_work)
    assert len(work) == play.whole.count(stored)
    assert {row.state for row in work} <= {"done", "quarantined"}
    with play.desk.store.read() as conn:
        opened = conn.execute(select(func.count()).where(inquiry.c.decision == "new_lead")).scalar()
    assert opened == play.whole.count(lead) > 0
    if ORDERS > 100:
        assert play.whole.count(merge_log) > 0
    assert play.whole.count(contact) > 3


def within_one_lead(desk: Desk) -> None:
    with desk.store.read() as conn:
        turns, lines = read_ledger(conn)
    assert len({row["lineup_id"] for row in turns if row["lineup_id"]}) == 1
    shares = dict(lines[turns[0]["lineup_id"]])
    apart = dict.fromkeys(shares, Fraction(0))
    for row in turns:
        for who, share in shares.items():
            apart[who] += Fraction(share, sum(shares.values()))
        apart[row["member_id"]] -= 1
        assert max(map(abs, apart.values())) < 1
