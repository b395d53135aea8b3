"""Any order of events through the whole of intake: inquiries of people who come again under other names and numbers,
replays, late bridges that merge, and everything that people, clocks and absences do to leads in between.

No committed state has an open lead without an owner and a next step; while shares stand everybody is within one lead of
them at every moment; the ledger played again gives the same owners. `make campaign` plays 30,000 of the hundred
thousand orders here, the others in tests/funnel/test_orders.py.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
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
from hub.model import contact, event_work, inquiry, lead, merge_log
from hub.model import event as stored
from hub.routing.ledger import read_ledger
from tests.flow.crowd import LAST, NAMES
from tests.funnel.desk import Desk
from tests.funnel.orders import EVENTS, LANES, Lane, Play, same_again
from tests.whole import JSON, Whole, whole_hub

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SEEDS, ORDERS, CALM_ORDERS = (range(10), 2250, 750) if FULL else (range(1), 48, 24)
PEOPLE = 4 * LANES
NUMBERS = ("903", "905", "916", "925", "926", "985")


class Inquiries(Play):
    """The same play, with real inquiries for leads that are put there: what was said in a round is taken in at once."""

    def __init__(self, whole: Whole, desk: Desk, seed: int) -> None:
        super().__init__(desk, seed)
        self.whole, self.live = whole, whole.connect("webhook", id_field="id")
        self.crowd = [self._person(number) for number in range(PEOPLE)]
        self.sent, self.last = 0, ""
        self.events = OURS

    def _person(self, number: int) -> dict[str, str]:
        name = f"{NAMES[number % 10]} {LAST[(number // 10 + number) % 10]}"
        digits = f"{self.chance.randint(1_000_000, 9_999_999)}"
        return {
            "name": name, "phone": f"+7{NUMBERS[number % len(NUMBERS)]}{digits}",
            "email": f"{name.split()[1].lower()}{number}{digits[:2]}@mail-{number}.test",
        }  # fmt: skip

    def begin(self, fresh: int) -> None:
        """Somebody writes once or more; the order is of a lead that this opens or joins."""
        for _order in range(fresh):
            for _one in range(self.chance.choice([1, 1, 2])):
                self._say(self.chance.choice(self.crowd))
        opened = self._flow()
        running = opened or [lane.lead for lane in self.lanes] or [self.last]
        for n in range(fresh):
            self.lanes.append(Lane(running[n % len(running)], ""))
        for lead_id in opened[fresh:]:
            self.chance.choice(self.lanes).lead = lead_id

    def _say(self, who: dict[str, str], **more: str) -> None:
        """By phone, by mail or with both: who is known by one and by the other is one."""
        fields = self.chance.choice([("name", "phone"), ("name", "email"), ("name", "phone", "email")])
        self.sent += 1
        told = {name: who[name] for name in fields} | {"message": f"Window {self.sent}", "id": str(self.sent)} | more
        self._accept(told)

    def _accept(self, told: dict[str, str]) -> None:
        at = instant(self.desk.clock.now())
        raw = Raw(json.dumps(told).encode(), at, {"content-type": JSON})
        self.whole.hub.intake.accept(self.live, raw)

    def _flow(self) -> list[str]:
        """Everything that was said is taken in; answers the leads it opened."""
        self.desk.clock.advance(0.001)
        self.whole.flow()
        with self.desk.store.read() as conn:
            opened = list(conn.execute(select(lead.c.id).where(lead.c.id > self.last).order_by(lead.c.id)).scalars())
        self.last = opened[-1] if opened else self.last
        return opened

    def again(self, _lane: Lane) -> None:
        self._say(self.chance.choice(self.crowd))

    def repeat(self, _lane: Lane) -> None:
        """The sender sends the same again, or corrects it."""
        self._say(self.chance.choice(self.crowd), id=str(max(1, self.sent - self.chance.randint(0, 3))))

    def set_apart(self, _lane: Lane) -> None:
        """Nothing is understood, until an admin vouches for it."""
        self._accept({"id": f"x{self.sent}-{self.chance.random()}"})

    def replay(self, _lane: Lane) -> None:
        with self.desk.store.write() as conn:
            apart = select(event_work.c.event_id).where(event_work.c.state == "quarantined")
            waiting = conn.execute(apart.order_by(event_work.c.event_id.desc()).limit(1)).scalar()
            if waiting:
                self.chance.choice([replay, trust])(conn, self.desk.clock, "member:x", waiting)


OURS: Sequence[Callable[[Any, Lane], None]] = [
    *(one for one in EVENTS if one is not Play.again),
    Inquiries.again, Inquiries.again, Inquiries.repeat, Inquiries.set_apart, Inquiries.replay,
]  # fmt: skip
DISTURBING = ("give", "reopen", "revert")


@contextmanager
def playing(folder: Path, seed: int) -> Iterator[Inquiries]:
    with whole_hub(folder) as whole:
        for engine in (whole.hub.store.hub, whole.hub.store.inbox):
            engine.dispose()
            happening.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA synchronous=OFF"))
        whole.clock.randomness = random.Random(f"ids {seed}")  # the same ids, so the same order, wherever this runs
        store = whole.hub.store
        yield Inquiries(whole, Desk(store, whole.clock, Timers(store, whole.clock)), seed)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_no_order_of_events_leaves_a_lead_to_nobody(tmp_path: Path, seed: int) -> None:
    with playing(tmp_path, seed) as play:
        play.play(ORDERS)
        play.whole.flow()
        play.step()
        same_again(play.desk)
        nothing_is_lost(play)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_while_shares_stand_everybody_is_within_one_lead(tmp_path: Path, seed: int) -> None:
    with playing(tmp_path, seed) as play:
        play.events = [one for one in OURS if one.__name__ not in DISTURBING]
        play.world = [lambda _play: None]
        play.play(CALM_ORDERS)
        within_one_lead(play.desk)
        same_again(play.desk)


def nothing_is_lost(play: Inquiries) -> None:
    """Every message is settled or waits for a person, every lead came of an inquiry."""
    work = play.desk.rows(event_work)
    assert len(work) == play.whole.count(stored)
    assert {row.state for row in work} <= {"done", "quarantined"}
    with play.desk.store.read() as conn:
        opened = conn.execute(select(func.count()).where(inquiry.c.decision == "new_lead")).scalar()
    assert opened == play.whole.count(lead) > 0
    if FULL:
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
