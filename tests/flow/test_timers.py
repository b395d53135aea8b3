"""Clocks, absences, the border and robots on both stacks, several workers at once: everything once, nothing lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from hub.funnel.border import crossings, strays
from hub.funnel.evidence import show
from hub.funnel.moves import convert_lead
from hub.funnel.questions import add_defaults
from hub.funnel.timers import Timers
from hub.insight.alarms import raise_alarms
from hub.insight.conversion import read_journeys, untouched_status
from hub.insight.drafts import draft, publish, read_body, roll_back, simulate
from hub.model import assignment, deadline, journal, lead, member, robot_run, task
from hub.robots.run import Robots, add, follow_robots
from hub.routing.ledger import deviations, read_ledger
from tests.funnel.desk import MINUTES, Desk
from tests.servers import Stack
from tests.whole import whole_hub

LEADS, WORKERS = 40, 4


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    with whole_hub(stack.folder, stack) as whole:
        store, clock = whole.hub.store, whole.clock
        yield Desk(store, clock, Timers(store, clock, [follow_robots], also=[Robots(store, clock).step]))


def all_at_once(desk: Desk) -> None:
    """Several workers take the same step."""
    with ThreadPoolExecutor(WORKERS) as crowd:
        for done in [crowd.submit(desk.timers.step) for _ in range(WORKERS)]:
            done.result()
    desk.timers.step()


def test_several_workers_do_everything_once(desk: Desk) -> None:
    with desk.store.write() as conn:
        told = {"do": "task", "text": "Call {name|the client}"}
        values = {"name": "R", "block": "lead", "trigger": {"on": "opened"}, "actions": [told]}
        add(conn, desk.clock, values)
    ids = [desk.open() for _ in range(LEADS)]
    all_at_once(desk)
    assert len(desk.rows(deadline)) == 2 * LEADS
    assert sorted(row.subject_id for row in desk.rows(task)) == sorted(ids)
    assert {row.state for row in desk.rows(robot_run)} == {"done"}
    desk.clock.advance(15 * MINUTES)
    all_at_once(desk)
    given = [row.subject_id for row in desk.rows(journal, journal.c.what == "given")]
    assert sorted(given) == sorted(ids)
    with desk.store.read() as conn:
        assert deviations(*read_ledger(conn)) == []
        shares = conn.execute(select(lead.c.owner_id, func.count()).group_by(lead.c.owner_id)).all()
    assert sum(count for _who, count in shares) == LEADS
    with desk.store.write() as conn:
        conn.execute(update(member).where(member.c.name == "Ivan").values(active=False))
    all_at_once(desk)
    assert {row.owner_id for row in desk.rows(lead)} == {desk.id_of("Olga")}
    assert len(desk.rows(assignment)) == 2 * LEADS + shares_of(shares, desk.id_of("Ivan"))


def shares_of(shares: object, who: str) -> int:
    return next((count for owner, count in shares if owner == who), 0)  # type: ignore[attr-defined]


def test_evidence_the_border_and_insight(desk: Desk) -> None:
    with desk.store.write() as conn:
        add_defaults(conn, desk.clock)
    first, second = desk.open(), desk.open()
    desk.do(show, first, "call", f"member:{desk.id_of('Ivan')}", answered=True)
    desk.do(convert_lead, second, "crm:x")
    assert desk.lead(second).state == "open"
    with desk.store.write() as conn:
        assert crossings(conn, 0)["sent_back"] == 1
        assert strays(conn) == []
        assert untouched_status(conn, 0) == []
        assert len(read_journeys(conn, 0, desk.clock.now() + 1, desk.clock.now() + 1)) == 0, "none is ripe"
        assert raise_alarms(conn, desk.clock, "") == []
        trial = simulate(conn, draft(conn, desk.clock, read_body(conn), "member:x"), desk.clock.now() + 1)
        assert trial.differences == ()
        body = read_body(conn)
        assert publish(conn, desk.clock, draft(conn, desk.clock, body, "member:x"), "member:x") == 2
        assert roll_back(conn, desk.clock, 1, "member:x") == (3, [])
