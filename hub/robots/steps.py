"""Moments that robots with a time wait for: a date; the next step of a lead; of a deal each step that people set and
nobody has done. What a robot sets itself is no such step: it would remind of its own reminders for ever."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, literal_column, select

from hub.clock import DAY
from hub.funnel.follow import first_id
from hub.model import deal, lead, robot_run, task
from hub.robots.records import TABLES
from hub.robots.robots import Robot

OLDEST = 30 * DAY
PEOPLES = "member:"
STEPS = {
    "lead": select(lead.c.id, lead.c.next_step_at.label("at")).where(lead.c.state == literal_column("'open'")),
    "deal": select(deal.c.id, task.c.due_at.label("at"))
    .join(task, task.c.subject_id == deal.c.id)
    .where(deal.c.state == literal_column("'open'"), task.c.done_at.is_(None), task.c.by.startswith(PEOPLES)),
}
AT = {"lead": lead.c.next_step_at, "deal": task.c.due_at}
WHERE = {"lead": lead.c.direction_id, "deal": deal.c.direction_id}


def steps(one: Robot, since: int, until: int) -> Select[Any]:
    """(id, at) of open leads or deals with a step (or the robot's date) in that time, in the robot's direction."""
    if one.trigger["on"] == "date":
        return _of_date(one).where(literal(since < one.moment <= until))
    at, where = AT[one.block], WHERE[one.block]
    place = where == one.direction_id if one.direction_id else where != ""
    return STEPS[one.block].where(at > since, at <= until, place)


def due_steps(one: Robot, now: int, begin: int = 0) -> Select[Any]:
    """Steps for which it is time, and for which this robot has no run of this moment yet. Their moment came after
    `begin`; a step that was still ahead then counts also if it may have been made since."""
    told = one.trigger
    if told["on"] == "date":
        asked, table = steps(one, max(now - OLDEST, begin), now), TABLES[one.block]
        return asked.where(~_known(one, table.c.id, literal(f"time:{one.moment}")))
    apart = int(told["after_ms"]) if "after_ms" in told else -int(told["before_ms"])
    at, until = AT[one.block], now - apart
    new = lead.c.active_at > begin if one.block == "lead" else task.c.id > first_id(begin)
    record = lead.c.id if one.block == "lead" else deal.c.id
    came = (at > begin - apart) | ((at > begin) & new)
    known = _known(one, record, func.concat("time:", at))
    return steps(one, max(until - OLDEST, 0), until).where(came, ~known)


def _of_date(one: Robot) -> Select[Any]:
    """Records that were open at the robot's date, as far as they are still."""
    table, at = TABLES[one.block], literal(one.moment)
    place = table.c.direction_id == one.direction_id if one.direction_id else literal(True)
    there = (table.c.state == literal_column("'open'")) & (table.c.opened_at <= one.moment)
    return select(table.c.id, at.label("at")).where(there, place)


def _known(one: Robot, record: ColumnElement[Any], occasion: ColumnElement[Any]) -> ColumnElement[bool]:
    mine = (robot_run.c.robot_id == one.id) & (robot_run.c.subject_id == record)
    return select(robot_run.c.id).where(mine, robot_run.c.occasion == occasion).exists()
