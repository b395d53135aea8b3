"""The alarms of the day: looked at once every morning of the installation, whoever runs and however often it dies.

That it was done stands in the commit that tells the head; a second process finds it there. The installation's time zone
is the setting `zone` where there is one, else that of the head's hours.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import Connection, select, update

from hub.clock import HOUR, Clock
from hub.insight.alarms import raise_alarms
from hub.model import setting
from hub.routing.hours import Plan, WorkTime
from hub.routing.reading import read_floor
from hub.store.engine import Store, add_unless_there

NAME, ZONE = "alarms", "zone"
MORNING = 8 * HOUR


class Daily:
    """A step for `hub.funnel.timers.Timers(also=[...])`; between two mornings it asks nothing."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._next = store, clock, 0

    def step(self) -> int:
        """Look, if nobody has today; answers how many alarms there are."""
        if self._clock.now() < self._next:
            return 0
        with self._store.read() as conn:
            day, until = self._today(conn)
            fresh = _done(conn) != day.isoformat()
        found = self._look(day) if fresh else 0
        self._next = until
        return found

    def _today(self, conn: Connection) -> tuple[date, int]:
        """The day that began with the last morning, and when the next begins."""
        work = WorkTime(Plan(zone=zone(conn, self._clock)))
        day = work.day(self._clock.now() - MORNING)
        return day, work.midnight(day + timedelta(1)) + MORNING

    def _look(self, day: date) -> int:
        with self._store.write() as conn:
            add_unless_there(conn, setting, {"name": NAME, "value": {"day": ""}})
            mine = setting.c.name == NAME
            value = conn.execute(select(setting.c.value).where(mine).with_for_update()).scalar_one()
            if value.get("day") == day.isoformat():
                return 0
            head = read_floor(conn, self._clock.now(), lock=False).last_resort
            found = raise_alarms(conn, self._clock, head)
            conn.execute(update(setting).where(mine).values(value={"day": day.isoformat()}))
        return len(found)


def _done(conn: Connection) -> str:
    value = conn.execute(select(setting.c.value).where(setting.c.name == NAME)).scalar() or {}
    return str(value.get("day", ""))


def zone(conn: Connection, clock: Clock) -> str:
    """The installation's time zone by name."""
    told = conn.execute(select(setting.c.value).where(setting.c.name == ZONE)).scalar() or {}
    if told.get("name"):
        return str(told["name"])
    floor = read_floor(conn, clock.now(), lock=False)
    head = floor.people.get(floor.last_resort)
    return head.work.plan.zone if head else "UTC"
