"""Robots that convert a lead, or put it off: never over the border's head."""

from __future__ import annotations

import pytest

from hub.clock import DAY
from hub.funnel.evidence import show
from hub.funnel.questions import add_defaults, give_answer
from hub.model import deal, robot_run
from hub.robots.robots import UnusableRobot
from tests.funnel.desk import Desk
from tests.robots.test_robots import make, moved


def test_a_robot_converts_by_a_stage(desk: Desk) -> None:
    make(desk, {"do": "convert"}, stage="hot")
    lead_id = moved(desk, "hot")
    assert desk.lead(lead_id).state == "converted"
    assert [row.lead_id for row in desk.rows(deal)] == [lead_id]


def test_it_forces_nothing_and_says_what_is_missing(desk: Desk) -> None:
    with desk.store.write() as conn:
        add_defaults(conn, desk.clock)
    make(desk, {"do": "convert"}, stage="hot")
    lead_id = moved(desk, "hot")
    assert desk.lead(lead_id).state == "open"
    assert "need, portrait, motive, touch" in desk.rows(robot_run)[0].why
    for name in ("need", "portrait"):
        desk.do(give_answer, lead_id, name, "known", "member:x")
    desk.do(show, lead_id, "call", "member:x")
    assert desk.rows(deal) == []


def test_it_puts_off_until_a_day_with_a_reason(desk: Desk) -> None:
    make(desk, {"do": "put_off", "within_ms": 30 * DAY, "text": "Silent for long"}, stage="silent")
    row = desk.lead(moved(desk, "silent"))
    assert (row.state, row.reason, row.return_at - row.closed_at) == ("nurture", "Silent for long", 30 * DAY)


@pytest.mark.parametrize("action", [{"do": "convert"}, {"do": "put_off", "within_ms": DAY, "text": "x"}])
def test_deals_know_neither(desk: Desk, action: dict[str, object]) -> None:
    with pytest.raises(UnusableRobot, match="only leads know the action"):
        make(desk, action, block="deal")
