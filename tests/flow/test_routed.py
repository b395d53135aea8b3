"""Inquiries that come in go where routing says, on both stacks: each way a lead can get its owner, and none that does
not."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update

from hub.clock import DAY, HOUR, MINUTE
from hub.funnel.absences import is_away
from hub.funnel.moves import convert_lead, reject_lead, take_lead
from hub.funnel.timers import Timers
from hub.intake.quarantine import causes
from hub.model import assignment, calendar, deal, event_work, journal, lead, lineup, member, pool, rotation, rule, seat
from hub.routing.explain import sentences
from hub.routing.ledger import deviations, read_ledger
from hub.routing.rotation import POOL
from tests.flow import crowd
from tests.flow.scene import REAL, configured, scene
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

WHO = {
    "Anna Serova": "+79161234501", "Boris Orlov": "+79161234612", "Vera Lisina": "+79161234723",
    "Gleb Somov": "+79161234834", "Daria Zueva": "+79161234945", "Egor Titov": "+79161235056",
}  # fmt: skip


@dataclass
class House:
    """A hub whose desk is shared by Olga and Ivan, and a form."""

    whole: Whole
    form: Any

    def send(self, name: str, **more: Any) -> Any:
        """An inquiry comes in; answers its lead, the newest there is."""
        self.whole.clock.advance(1)
        body = {"name": name, "phone": WHO[name], "message": "A window, please", **more}
        assert self.whole.post(self.form, json.dumps(body), JSON).status_code < 400
        self.whole.flow()
        return self.whole.rows(lead)[-1]

    def why(self, row: Any) -> dict[str, Any]:
        """What the journal says of how it got its owner."""
        [line] = self.whole.rows(journal, journal.c.subject_id == row.id, journal.c.what == "opened")
        return dict(line.facts["route"])

    def told(self, row: Any) -> str:
        names = {one.id: one.name for one in self.whole.rows(member)}
        return " ".join(sentences(self.why(row), names, "en"))

    def id_of(self, name: str) -> str:
        return str(self.whole.rows(member, member.c.name == name)[0].id)

    def write(self, *statements: Any) -> None:
        with self.whole.hub.store.write() as conn:
            for one in statements:
                conn.execute(one)

    def do(self, act: Any, *told: Any, **more: Any) -> None:
        with self.whole.hub.store.write() as conn:
            act(conn, self.whole.clock, *told, **more)

    def settle(self) -> None:
        Timers(self.whole.hub.store, self.whole.clock).step()

    def count(self, table: Table) -> int:
        return self.whole.count(table)


@pytest.fixture
def house(stack: Stack) -> Iterator[House]:
    with whole_hub(stack.folder, stack) as whole:
        made = House(whole, whole.connect("webhook"))
        yield made
        with whole.hub.store.read() as conn:
            assert deviations(*read_ledger(conn)) == []


def hours(house: House, opens_in: int) -> Any:
    """Working hours of one hour a day, from `opens_in` hours after this one on."""
    begin = (house.whole.clock.now() // HOUR + opens_in) % 24
    return insert(calendar).values(id="c", name="c", zone="UTC", week=[[[f"{begin:02}:00", f"{begin:02}:59"]]] * 7)


def test_off_hours_it_waits_for_the_first_who_begins(house: House) -> None:
    house.write(hours(house, 3), insert(pool).values(name=POOL, calendar_id="c"))
    row = house.send("Anna Serova")
    opens = house.whole.clock.now() // HOUR * HOUR + 3 * HOUR
    assert row.next_step_at == opens + 15 * MINUTE
    assert "It came off hours and waits until" in house.told(row)


def test_a_stand_in_has_the_client_for_the_time_being(house: House) -> None:
    row = house.send("Anna Serova")
    away, other = row.owner_id, next(one.id for one in house.whole.rows(member) if one.id != row.owner_id)
    house.do(reject_lead, row.id, "later", "member:x")
    now = house.whole.clock.now()
    house.do(is_away, away, now, now + 10 * MINUTE, "member:x", other)
    house.settle()
    again = house.send("Anna Serova", message="Now a door")
    assert (again.owner_id, house.why(again)["by"]) == (other, "stand_in")
    house.whole.clock.advance(600)
    house.settle()
    assert house.whole.rows(lead, lead.c.id == again.id)[0].owner_id == away


def test_who_is_full_takes_no_more_and_it_overflows(house: House) -> None:
    olga = house.id_of("Olga")
    house.write(
        insert(pool).values(name=POOL, open_limit=1, overflow="second"),
        insert(rotation).values(pool="second", member_id=olga, weight=1, credit=0, given=0),
        insert(seat).values(member_id=olga, open_limit=3),
    )
    rows = [house.send(name) for name in WHO]
    pools = [house.why(row)["pool"] for row in rows]
    assert pools[:4] == [POOL] * 4, "one of Ivan's and three of Olga's"
    assert {house.why(row)["by"] for row in rows[4:]} == {"last_resort"}
    assert house.why(rows[5])["overflowed"] == [POOL]
    house.do(reject_lead, rows[0].id, "no", "member:x")
    house.write(update(seat).values(open_limit=9))
    assert all(row.owner_id for row in house.whole.rows(lead))


def test_only_who_knows_the_language_is_asked(house: House) -> None:
    ivan = house.id_of("Ivan")
    house.write(
        insert(pool).values(name=POOL, skills=["language"]),
        insert(seat).values(member_id=ivan, skills=["language:de"]),
    )
    german = [house.send(name, language="de") for name in list(WHO)[:3]]
    assert {row.owner_id for row in german} == {ivan}
    nobody = house.send("Egor Titov", language="fr")
    assert house.why(nobody)["unskilled"] == ["language:fr"]


def test_a_client_comes_back_to_their_own(house: House) -> None:
    row = house.send("Anna Serova")
    for name in list(WHO)[1:4]:
        house.send(name)
    house.do(reject_lead, row.id, "later", "member:x")
    again = house.send("Anna Serova", message="Now a door")
    assert (again.owner_id, house.why(again)["by"]) == (row.owner_id, "own")


def test_a_colleague_comes_to_the_companys_own(house: House) -> None:
    row = house.send("Anna Serova", email="anna@lepestok.test")
    house.do(convert_lead, row.id, "member:x")
    house.write(update(deal).values(state="won", closed_at=1))
    for name, mail in (("Boris Orlov", "boris"), ("Vera Lisina", "vera"), ("Gleb Somov", "gleb")):
        other = house.send(name, email=f"{mail}@lepestok.test")
        assert (other.owner_id, house.why(other)["by"]) == (row.owner_id, "own")


def test_offered_to_all_the_first_taker_has_it_and_the_turn(house: House) -> None:
    house.write(insert(pool).values(name=POOL, offer=True))
    row = house.send("Anna Serova")
    other = next(one.id for one in house.whole.rows(member) if one.id != row.owner_id)
    house.do(take_lead, row.id, other)
    house.settle()
    assert "offered to all" in house.told(row)
    assert {one.member_id: one.given for one in house.whole.rows(rotation)} == {other: 1, row.owner_id: 0}


def test_an_empty_pool_goes_to_the_last_resort(house: House) -> None:
    house.write(update(rule).values(pool="nobody"))
    row = house.send("Anna Serova")
    assert house.why(row)["by"] == "last_resort"
    assert "Nobody in “nobody” could take it" in house.told(row)


def test_without_anybody_it_waits_and_goes_on_by_itself(house: House) -> None:
    house.write(update(member).values(active=False))
    for name in list(WHO)[:3]:
        house.whole.post(house.form, json.dumps({"name": name, "phone": WHO[name], "message": "Hello there"}), JSON)
    house.whole.flow()
    assert (house.count(lead), house.count(assignment)) == (0, 0)
    with house.whole.hub.store.read() as conn:
        assert [(one.code, one.count) for one in causes(conn)] == [("no_owner", 3)]
    house.write(update(member).where(member.c.name == "Ivan").values(active=True))
    house.whole.clock.advance(61)
    house.whole.flow()
    assert {row.owner_id for row in house.whole.rows(lead)} == {house.id_of("Ivan")}
    assert (house.count(lead), {row.state for row in house.whole.rows(event_work)}) == (3, {"done"})
    with house.whole.hub.store.read() as conn:
        assert causes(conn) == []


def test_what_waited_in_quarantine_goes_by_turns_from_then_on(house: House) -> None:
    """Its owner's time begins when they get it, not when it came."""
    house.write(update(member).values(active=False))
    house.whole.post(house.form, json.dumps({"name": "Anna Serova", "phone": WHO["Anna Serova"]}), JSON)
    house.whole.flow()
    house.whole.clock.advance(3 * DAY / 1000)
    house.write(update(member).values(active=True))
    house.whole.flow()
    [row] = house.whole.rows(lead)
    assert row.next_step_at == house.whole.clock.now() + 15 * MINUTE
    assert house.why(row)["by"] == "rotation"


def test_a_hundred_at_once_keep_everybody_within_one_lead(stack: Stack) -> None:
    shares = {"vera": 3, "oleg": 2}
    with scene(stack, REAL, set_up=False) as made:
        with made.hub.store.write() as conn:
            for name, weight in shares.items():
                mine = rotation.c.member_id == made.members[name]
                conn.execute(update(rotation).where(mine).values(weight=weight))
        everywhere(made)
        made.hub.flow.drain()
        with made.hub.store.read() as conn:
            turns, lineups = read_ledger(conn)
            assert deviations(turns, lineups) == []
            leads = conn.execute(select(func.count()).select_from(lead)).scalar()
            assert leads == len(turns) == 100
            assert len({row.id for row in conn.execute(select(lineup))}) == 1
    within_one_lead(turns, lineups)


def everywhere(made: Any) -> None:
    config, start = configured(made.stack, made.address), time.time() + 3.0
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
        running = [processes.submit(crowd.submit_people, config, made.form_id, 25 * n, 25, start) for n in range(4)]
        assert sum(one.result(timeout=120) for one in running) == 100


def within_one_lead(turns: Any, lineups: Any) -> None:
    apart: dict[str, Fraction] = {}
    for row in turns:
        shares = dict(lineups[row["lineup_id"]])
        for who, share in shares.items():
            apart[who] = apart.get(who, Fraction(0)) + Fraction(share, sum(shares.values()))
        apart[row["member_id"]] -= 1
        assert max(map(abs, apart.values())) < 1
