"""Robots at work: journal lines and moments become runs, runs that are due are done, each once.

A run is a row that is unique by robot, record and trigger; what it does stands in the commit that says it is done, and
what leaves the house is a letter of that commit. Killed anywhere, the next step goes on with the next run. The brake
holds a robot that runs too often, and robots that set each other off; a head is told once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import DAY, HOUR, MINUTE, Clock
from hub.funnel.hands import ACTOR
from hub.funnel.signals import tell
from hub.model import robot, robot_run
from hub.model.robots import IS_WAITING
from hub.robots.actions import HARMLESS, Doing, act
from hub.robots.records import TABLES, read_known
from hub.robots.robots import TIMED, Robot, UnusableRobot, read_robot
from hub.robots.shelf import on_since, steps_since
from hub.robots.steps import due_steps
from hub.robots.templates import Unfilled
from hub.routing.hours import Plan, WorkTime
from hub.routing.reading import read_floor
from hub.store.engine import Store, add_unless_there
from hub.store.notes import note
from hub.told import Told, kept, together

log = logging.getLogger("leadhub.robots")

WAITING, DONE, SKIPPED, HELD, FAILED = "waiting", "done", "skipped", "held", "failed"
PER_HOUR, PER_RECORD_A_DAY, DEEPEST = 500, 20, 5
"""The brake: runs of one robot an hour, runs for one record a day, robots that cause each other."""
PORTION = 100


def read_robots(conn: Connection) -> list[Robot]:
    """Those that are switched on, not held and can be run; a broken one is left out and named in the log."""
    found = []
    rows = select(robot).where(robot.c.active, robot.c.held == "").order_by(robot.c.position, robot.c.id)
    for row in conn.execute(rows):
        try:
            found.append(read_robot(dict(row._mapping)))
        except UnusableRobot as error:
            log.error("robot left out: %s", error)
    return found


# ── triggers ─────────────────────────────────────────────────────────────────────────────────────


def follow_robots(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """New journal lines set robots off; for `hub.funnel.timers.Timers(listeners=[follow_robots])`."""
    robots = [one for one in read_robots(conn) if one.trigger["on"] not in TIMED]
    pairs = [(line, one) for line in lines for one in robots if one.wants(line.subject, line.what, line.facts)]
    since = on_since(conn, {one.id for _line, one in pairs}) if pairs else {}
    depths: dict[str, int] = {}
    for line, one in pairs:
        if line.at >= since.get(one.id, 0):
            depth = depths[line.id] if line.id in depths else depths.setdefault(line.id, _depth(conn, line))
            set_off(conn, clock, one, line.subject_id, line.id, line.at, depth)


def _depth(conn: Connection, line: Any) -> int:
    """How many robots caused each other until this line was written."""
    kind, _colon, robot_id = line.actor.partition(":")
    if kind != "robot":
        return 0
    mine = (robot_run.c.robot_id == robot_id) & (robot_run.c.subject_id == line.subject_id)
    return 1 + int(
        conn.execute(select(func.max(robot_run.c.depth)).where(mine, robot_run.c.state == DONE)).scalar() or 0
    )


def set_off(
    conn: Connection, clock: Clock, one: Robot, subject_id: str, occasion: str, at: int, depth: int = 0
) -> bool:
    """A run for this record and trigger, unless there is one; answers whether it is new."""
    table = TABLES[one.block]
    row = conn.execute(select(table).where(table.c.id == subject_id)).one_or_none()
    if row is None or one.direction_id not in ("", row.direction_id):
        return False
    due = due_at(one, _hours(conn, clock, row.owner_id) if one.delay else WorkTime(Plan()), at)
    made = {"id": clock.new_id(), "robot_id": one.id, "subject": one.block, "subject_id": subject_id,
            "occasion": occasion, "state": WAITING, "due_at": due, "depth": depth, "why": "",
            "at": clock.now()}  # fmt: skip
    return add_unless_there(conn, robot_run, made)


def due_at(one: Robot, work: WorkTime, at: int) -> int:
    """When a run that was set off then is to be done."""
    delay = one.delay or {}
    ms = int(delay.get("ms") or 0)
    due = work.add(at, ms) if delay.get("working") else at + ms
    exact = str(delay.get("at") or "")
    if exact:
        wall = WorkTime(Plan(zone=work.plan.zone, week=(((exact, exact),),) * 7))
        day = work.day(due)
        opens = wall.spans(day)
        due = opens[0][0] if opens and opens[0][0] >= due else wall.edge(due)
    return due


def _hours(conn: Connection, clock: Clock, owner: str) -> WorkTime:
    person = read_floor(conn, clock.now(), lock=False).people.get(owner)
    return person.work if person else WorkTime(Plan())


def watch_time(conn: Connection, clock: Clock) -> int:
    """Leads and deals whose next step comes near or is over, or whose date has come: once for every such moment."""
    count = 0
    for one, since in _of_steps(conn):
        for row in conn.execute(due_steps(one, clock.now(), since).limit(PORTION)):
            count += set_off(conn, clock, one, row.id, f"time:{row.at}", clock.now())
    return count


def _of_steps(conn: Connection) -> list[tuple[Robot, int]]:
    """Robots that wait for steps or a date, and since when those count for each."""
    robots = [one for one in read_robots(conn) if one.trigger["on"] in TIMED]
    since = steps_since(conn, [one.id for one in robots]) if robots else {}
    return [(one, since.get(one.id, 0)) for one in robots]


# ── runs ─────────────────────────────────────────────────────────────────────────────────────────


class Robots:
    """Runs that are due are done. Any number of them may work, in any number of processes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def step(self) -> int:
        """Everything that is due; answers how many runs there were."""
        total = self._look_at_the_clock()
        while done := self._one():
            total += done
        return total

    def _look_at_the_clock(self) -> int:
        with self._store.read() as conn:
            now = self._clock.now()
            due = any(conn.execute(due_steps(one, now, since).limit(1)).first() for one, since in _of_steps(conn))
        if not due:
            return 0
        with self._store.write() as conn:
            return watch_time(conn, self._clock)

    def _one(self) -> int:
        """The next run, in a transaction of its own: one that fails fails alone."""
        due = IS_WAITING & (robot_run.c.due_at <= self._clock.now())
        with self._store.read() as conn:
            if conn.execute(select(robot_run.c.id).where(due).limit(1)).first() is None:
                return 0
        with self._store.write() as conn:
            order = select(robot_run).where(due).order_by(robot_run.c.due_at, robot_run.c.id).limit(1)
            row = conn.execute(order.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return 0
            state, why = _run(conn, self._clock, row)
            values = {"state": state, "why": kept(why), "at": self._clock.now()}
            conn.execute(update(robot_run).where(robot_run.c.id == row.id).values(**values))
        return 1


def _run(conn: Connection, clock: Clock, row: Any) -> tuple[str, str]:
    """(state, why) of a run that is due."""
    stored = conn.execute(select(robot).where(robot.c.id == row.robot_id)).one()
    if not stored.active or stored.held:
        return HELD, stored.held or Told("the robot is switched off")
    try:
        one = read_robot(dict(stored._mapping))
    except UnusableRobot as error:
        return FAILED, error.why
    if why := _brake(conn, clock, one, row):
        return HELD, why
    known = read_known(conn, row.subject, row.subject_id)
    if known is None or not one.holds(known.facts):
        return SKIPPED, Told("its conditions do not hold any more")
    if one.block == "lead" and known.row.state != "open":
        return SKIPPED, Told("the lead is closed")
    return _do_all(Doing(conn, clock, one, row.id, known, _head(conn, clock)))


def _do_all(doing: Doing) -> tuple[str, str]:
    done: list[str] = []
    left: list[Told] = []
    for place, action in enumerate(doing.robot.actions):
        try:
            done.append(act(doing, place, action))
        except (Unfilled, *HARMLESS) as error:
            why = error.args[0] if error.args else ""
            left.append(Told("%(action)s: %(why)s", action=str(action["do"]), why=why))
    facts = {"robot": doing.robot.name, "done": done, "left": [kept(one) for one in left]}
    note(doing.conn, doing.clock, doing.robot.block, doing.known.row.id, "robot", doing.actor, facts)
    return (DONE if done else FAILED), together(left)


def _head(conn: Connection, clock: Clock) -> str:
    return read_floor(conn, clock.now(), lock=False).last_resort


# ── the storm brake ──────────────────────────────────────────────────────────────────────────────


def _brake(conn: Connection, clock: Clock, one: Robot, row: Any) -> str:
    """Why this run must not be done now; "" when it may. A robot that storms is held until somebody lets it go."""
    if row.depth >= DEEPEST:
        names = " → ".join(_chain(conn, row))
        return _hold(conn, clock, one, Told("Robots set each other off: %(names)s", names=names))
    mine, now = (robot_run.c.robot_id == one.id) & (robot_run.c.state == DONE), clock.now()
    hour = conn.execute(select(func.count()).where(mine, robot_run.c.at > now - HOUR)).scalar() or 0
    if hour >= PER_HOUR:
        storm = "Robot “%(robot)s” ran %(count)s times within an hour"
        return _hold(conn, clock, one, Told(storm, robot=one.name, count=str(hour)))
    record = (robot_run.c.subject_id == row.subject_id) & (robot_run.c.state == DONE) & (robot_run.c.at > now - DAY)
    if (conn.execute(select(func.count()).where(record)).scalar() or 0) >= PER_RECORD_A_DAY:
        often = "robots have done %(count)s things to this record within a day"
        return Told(often, count=str(PER_RECORD_A_DAY))
    return ""


def _chain(conn: Connection, row: Any) -> Iterable[str]:
    recent = (robot_run.c.subject_id == row.subject_id) & (robot_run.c.at >= row.at - 10 * MINUTE)
    named = select(robot.c.name).select_from(robot_run.join(robot, robot.c.id == robot_run.c.robot_id)).where(recent)
    rows = conn.execute(named.order_by(robot_run.c.depth, robot_run.c.id).limit(2 * DEEPEST))
    return dict.fromkeys(f"“{one.name}”" for one in rows)


def _hold(conn: Connection, clock: Clock, one: Robot, why: Told) -> Told:
    conn.execute(update(robot).where(robot.c.id == one.id).values(held=kept(why)))
    if tell(conn, clock, f"storm:{one.id}", _head(conn, clock), {"text": why, "why": kept(why), "robot": one.id}):
        note(conn, clock, "robot", one.id, "held", ACTOR, {"why": kept(why)})
    return why


def add(conn: Connection, clock: Clock, values: Mapping[str, Any]) -> str:
    """A new robot; raises `UnusableRobot`. Answers its id."""
    row = {"direction_id": None, "conditions": [], "delay": {}, "active": True, "held": "", "position": 0, **values,
           "id": clock.new_id(), "made_at": clock.now()}  # fmt: skip
    read_robot(row)
    conn.execute(robot.insert().values(row))
    return str(row["id"])
