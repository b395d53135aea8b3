"""What a robot would do, before it does anything: the records it would touch now, and its first week played back.

Only reads: texts are filled as they would be, conditions are asked of the records as they stand now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from hub.clock import DAY, Clock
from hub.funnel.follow import first_id
from hub.model import journal
from hub.robots.records import TABLES, read_known
from hub.robots.robots import TIMED, Robot
from hub.robots.run import due_at
from hub.robots.steps import due_steps, steps
from hub.robots.templates import Unfilled, fill
from hub.routing.hours import Plan, WorkTime

WEEK = 7 * DAY
PORTION = 500


@dataclass(frozen=True, slots=True)
class Touched:
    """One record a robot would act on: when, what it would do, and what it would leave undone and why."""

    subject_id: str
    title: str
    at: int
    does: tuple[str, ...]
    leaves: tuple[str, ...]


def would_touch(conn: Connection, one: Robot, clock: Clock, most: int = PORTION) -> list[Touched]:
    """Records that stand where the robot would act, and for which its conditions hold now: of a robot that waits for
    steps, those whose time has come already. Writes nothing."""
    if one.trigger["on"] == "time":
        return _of_steps(conn, one, due_steps(one, clock.now()).limit(most))
    table = TABLES[one.block]
    mine = table.c.state == "open"
    if one.direction_id:
        mine &= table.c.direction_id == one.direction_id
    if one.trigger["on"] == "stage" and one.trigger.get("stage"):
        mine &= table.c.stage == one.trigger["stage"]
    rows = conn.execute(select(table.c.id, table.c.active_at).where(mine).order_by(table.c.id).limit(most))
    of_date = one.trigger["on"] == "date"
    found = (_touched(conn, one, row.id, one.moment if of_date else row.active_at) for row in rows)
    return [each for each in found if each]


def first_week(conn: Connection, one: Robot, clock: Clock, most: int = PORTION) -> list[Touched]:
    """What the robot would have done had it been there for the last week, in order: by the journal of that week, with
    what is known of the records today. Writes nothing."""
    since = clock.now() - WEEK
    if one.trigger["on"] in TIMED:
        return _of_steps(conn, one, steps(one, since, clock.now()).limit(most))
    mine = (journal.c.id > first_id(since)) & (journal.c.subject == one.block)
    lines = conn.execute(select(journal).where(mine).order_by(journal.c.id))
    found: list[Touched] = []
    for line in lines:
        if len(found) < most and one.wants(line.subject, line.what, line.facts):
            due = due_at(one, WorkTime(Plan()), line.at)
            if due <= clock.now() and (each := _touched(conn, one, line.subject_id, due)):
                found.append(each)
    return found


def _of_steps(conn: Connection, one: Robot, steps: Select[Any]) -> list[Touched]:
    rows = conn.execute(steps.order_by("id", "at")).all()
    return [each for row in rows if (each := _touched(conn, one, row.id, row.at))]


def _touched(conn: Connection, one: Robot, subject_id: str, at: int) -> Touched | None:
    known = read_known(conn, one.block, subject_id, lock=False)
    if known is None or not one.holds(known.facts) or one.direction_id not in ("", known.row.direction_id):
        return None
    does: list[str] = []
    leaves: list[str] = []
    for action in one.actions:
        try:
            does.append(_told(action, known.facts))
        except Unfilled as error:
            leaves.append(f"{action['do']}: {error}")
    return Touched(subject_id, str(known.row.title), at, tuple(does), tuple(leaves))


def _told(action: Mapping[str, Any], facts: Mapping[str, str]) -> str:
    """An action in words, its texts filled as they would be."""
    texts = [fill(str(action[part]), facts) for part in ("subject", "text", "value") if action.get(part)]
    where = [str(action[part]) for part in ("channel", "stage", "field", "pool", "address", "name") if action.get(part)]
    return " ".join([str(action["do"]), *where, *(f"“{text}”" for text in texts)])
