"""What intake asks of routing for a batch: read once, decided in order, written with the leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from hub.clock import HOUR
from hub.funnel.moves import give_lead
from hub.model import assignment, calendar, member, rotation, rule, seat
from hub.routing.floor import NobodyThere
from hub.routing.giving import Giving
from hub.routing.ledger import deviations, read_ledger
from hub.routing.rotation import POOL
from tests.funnel.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        yield made


def test_a_batch_is_given_in_turns_and_written_once(desk: Desk) -> None:
    with desk.store.write() as conn:
        giving = Giving(conn, desk.clock.now())
        for number in range(10):
            route = giving.route({"source": "webhook"}, "main")
            assert route.pool == POOL
            giving.give(f"lead{number}", route, {}, f"new{number}", desk.clock.now())
        giving.write(desk.clock)
        giving.write(desk.clock)
    assert [row.given for row in desk.rows(rotation)] == [5, 5]
    assert len(desk.rows(assignment)) == 10
    with desk.store.read() as conn:
        assert deviations(*read_ledger(conn)) == []


def test_one_person_who_writes_twice_in_a_batch_has_one_owner(desk: Desk) -> None:
    with desk.store.write() as conn:
        giving = Giving(conn, desk.clock.now())
        route = giving.route({}, "main")
        owners = {giving.give(f"lead{n}", route, {}, "same", desk.clock.now()).owner for n in range(5)}
    assert len(owners) == 1


def test_a_known_client_keeps_their_owner(desk: Desk) -> None:
    who, ivan = desk.contact(), desk.id_of("Ivan")
    desk.do(give_lead, desk.open(who), ivan, "member:x")
    with desk.store.write() as conn:
        giving = Giving(conn, desk.clock.now(), [who])
        found = giving.give("x", giving.route({}, "main"), {}, who, desk.clock.now())
    assert (found.owner, found.by) == (ivan, "own")


def test_the_first_step_is_due_in_the_owners_working_time(desk: Desk) -> None:
    hour = desk.clock.now() // HOUR % 24
    night = desk.clock.new_id()
    opens = f"{(hour + 3) % 24:02}:00"
    with desk.store.write() as conn:
        conn.execute(insert(calendar).values(id=night, name="c", zone="UTC", week=[[[opens, "24:00"]]] * 7))
        for row in list(conn.execute(select(member.c.id))):
            conn.execute(insert(seat).values(member_id=row.id, calendar_id=night))
        giving = Giving(conn, desk.clock.now())
        found = giving.give("x", giving.route({}, "main"), {}, "who", desk.clock.now())
        due = giving.due(found, desk.clock.now(), HOUR)
    assert found.why["off_hours"] == "hold"
    assert due == desk.clock.now() // HOUR * HOUR + 4 * HOUR


def test_a_broken_rule_is_left_out_and_stops_nobody(desk: Desk) -> None:
    with desk.store.write() as conn:
        conn.execute(update(rule).values(conditions=[{"field": "nonsense", "op": "is"}]))
        giving = Giving(conn, desk.clock.now())
        found = giving.give("x", giving.route({}, "main"), {}, "who", desk.clock.now())
    assert (found.owner, found.by) == (desk.id_of("Olga"), "last_resort")


def test_without_anybody_there_is_no_answer(desk: Desk) -> None:
    with desk.store.write() as conn:
        conn.execute(update(member).values(active=False))
        giving = Giving(conn, desk.clock.now())
        with pytest.raises(NobodyThere):
            giving.give("x", giving.route({}, "main"), {}, "who", desk.clock.now())
