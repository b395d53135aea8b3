"""The alarms of the day: once every morning of the installation, whoever looks, however often a process dies."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, insert, update

from hub.clock import DAY, HOUR
from hub.insight import daily
from hub.insight.daily import Daily
from hub.model import lead, setting, signal
from tests.funnel.desk import Desk


def bad_month(desk: Desk) -> None:
    for _ in range(120):
        desk.open(source="ads", state="rejected", reason="Spam", closed_at=desk.clock.now())


def looks(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look at the alarms from here on: the head it was for."""
    seen: list[str] = []
    really = daily.raise_alarms
    monkeypatch.setattr(daily, "raise_alarms", lambda conn, clock, head: seen.append(head) or really(conn, clock, head))
    return seen


def test_once_a_day_for_any_number_of_processes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    bad_month(desk)
    seen, desk.clock.at = looks(desk, monkeypatch), (desk.clock.now() // DAY + 1) * DAY + 9 * HOUR
    processes = [Daily(desk.store, desk.clock) for _ in range(3)]
    assert [one.step() for one in processes] == [1, 0, 0]
    for _ in range(23):
        desk.clock.advance(3600)
        assert sum(one.step() for one in processes) == (1 if desk.clock.now() % DAY == 8 * HOUR else 0)
    assert seen == [desk.id_of("Olga")] * 2
    [told] = desk.rows(signal)
    assert (told.state, told.member_id, told.facts["by"]) == ("open", desk.id_of("Olga"), "source")
    with desk.store.write() as conn:
        conn.execute(update(lead).values(opened_at=lead.c.opened_at - 60 * DAY))
    desk.clock.advance(24 * 3600)
    assert sum(one.step() for one in processes) == 0
    assert [row.state for row in desk.rows(signal)] == ["over"]


def test_the_morning_is_that_of_the_installation(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk.store.write() as conn:
        conn.execute(insert(setting).values(name="zone", value={"name": "Asia/Vladivostok"}))  # UTC+10
    desk.clock.at = (desk.clock.now() // DAY + 1) * DAY
    seen, one = looks(desk, monkeypatch), Daily(desk.store, desk.clock)
    one.step()
    hours = []
    for hour in range(1, 49):
        desk.clock.advance(3600)
        one.step()
        hours += [hour] * (len(seen) - 1 - len(hours))
    assert hours == [22, 46]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("at", range(1, 4))
def test_killed_anywhere_it_is_done_once(desk: Desk, at: int) -> None:
    bad_month(desk)
    left = at

    def dies(*told: Any) -> None:
        nonlocal left
        if "INSERT" in told[2] or "UPDATE" in told[2]:
            left -= 1
            if left == 0:
                raise Killed

    event.listen(desk.store.hub, "before_cursor_execute", dies)
    with pytest.raises(Killed):
        Daily(desk.store, desk.clock).step()
    event.remove(desk.store.hub, "before_cursor_execute", dies)
    assert desk.rows(signal) == []
    assert Daily(desk.store, desk.clock).step() == 1
    assert Daily(desk.store, desk.clock).step() == 0
    assert len(desk.rows(signal)) == 1
