"""What a robot does, in the transaction that says it was done. What leaves the house is a letter in the outbox.

Everything here happens once or not at all: tasks and letters are unique by run and place, moves that change nothing
write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, update

from hub.clock import DAY, Clock
from hub.funnel.border import cross
from hub.funnel.decisions import put_off
from hub.funnel.hands import Change, change_hands
from hub.funnel.moves import NotPossible, move_deal, move_lead
from hub.funnel.remarks import TASK, hang
from hub.funnel.signals import tell
from hub.model import lead, letter, task
from hub.robots.records import TABLES, Known
from hub.robots.robots import Robot
from hub.robots.templates import fill
from hub.routing.floor import Assignment
from hub.routing.hours import Plan, WorkTime
from hub.routing.reading import read_floor
from hub.store.engine import add_unless_there
from hub.store.notes import REST, mark_dirty
from hub.told import Told

QUIET = Plan("by day", week=((("09:00", "21:00"),),) * 7)
"""Messages to clients leave by day, in the time zone of the owner's hours."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One run of one robot for one record."""

    conn: Connection
    clock: Clock
    robot: Robot
    run_id: str
    known: Known
    head: str

    @property
    def actor(self) -> str:
        return f"robot:{self.robot.id}"


class LeftUndone(Exception):
    """An action that must not be done for this record; says why. The others are done."""


def act(doing: Doing, place: int, action: Mapping[str, Any]) -> str:
    """Do the action at this place of the robot; answers what was done in a few words. Raises `LeftUndone`,
    `hub.robots.templates.Unfilled` or `NotPossible`, and then has changed nothing."""
    return ACTS[action["do"]](doing, f"{doing.run_id}:{place}", action)


def _task(doing: Doing, occasion: str, action: Mapping[str, Any]) -> str:
    row, now = doing.known.row, doing.clock.now()
    due = _hours(doing).add(now, int(action.get("within_ms") or DAY))
    told = fill(str(action["text"]), doing.known.facts)
    made = {"id": doing.clock.new_id(), "subject": doing.robot.block, "subject_id": row.id, "member_id": row.owner_id,
            "text": told, "due_at": due, "by": doing.actor, "occasion": occasion}  # fmt: skip
    fresh = add_unless_there(doing.conn, task, made)
    if fresh and doing.robot.block == "lead" and doing.robot.trigger["on"] != "time":  # a reminder is no next step
        mine = (
            (lead.c.id == row.id)
            & (lead.c.state == "open")
            & ((lead.c.next_step_at < now) | (lead.c.next_step_at > due))
        )
        doing.conn.execute(update(lead).where(mine).values(next_step="follow_up", next_step_at=due))
    if fresh:
        hang(doing.conn, doing.clock, TASK, doing.robot.block, row.id, told, row.owner_id, due, str(made["id"]))
    return "task"


def _hours(doing: Doing) -> WorkTime:
    person = read_floor(doing.conn, doing.clock.now(), lock=False).people.get(doing.known.row.owner_id)
    return person.work if person else WorkTime(Plan())


def _message(doing: Doing, occasion: str, action: Mapping[str, Any]) -> str:
    """To the client, by day, unless they said no; without an address or with an empty place nothing leaves."""
    channel = str(action["channel"])
    if doing.known.refused:
        raise LeftUndone(Told("the client does not want to be written to"))
    if not doing.known.addresses.get(channel):
        raise LeftUndone(Told("there is no usable address for %(channel)s", channel=channel))
    texts = {part: fill(str(action.get(part) or ""), doing.known.facts) for part in ("subject", "text")}
    zone = _hours(doing).plan.zone
    by_day = WorkTime(Plan(QUIET.name, zone, QUIET.week))
    _post(doing, occasion, channel, {"to": doing.known.addresses[channel], **texts}, by_day.opening(doing.clock.now()))
    return channel


def _post(doing: Doing, occasion: str, channel: str, body: Mapping[str, Any], due_at: int) -> None:
    row = {"id": doing.clock.new_id(), "run_id": doing.run_id, "occasion": occasion, "channel": channel,
           "body": dict(body), "state": "new", "lease": "", "attempts": 0, "due_at": due_at, "provider_id": "",
           "why": "", "at": doing.clock.now()}  # fmt: skip
    add_unless_there(doing.conn, letter, row)


def _field(doing: Doing, _occasion: str, action: Mapping[str, Any]) -> str:
    table, row, name = TABLES[doing.robot.block], doing.known.row, str(action["field"])
    value = fill(str(action.get("value") or ""), doing.known.facts)
    if getattr(row, name) != value:
        mine = table.c.id == row.id
        doing.conn.execute(update(table).where(mine).values(**{name: value}, version=table.c.version + 1))
        mark_dirty(doing.conn, doing.clock, [row.id], REST)
    return f"{name} = {value}"


def _stage(doing: Doing, _occasion: str, action: Mapping[str, Any]) -> str:
    move = move_lead if doing.robot.block == "lead" else move_deal
    move(doing.conn, doing.clock, doing.known.row.id, str(action["stage"]), doing.actor)
    return f"stage {action['stage']}"


def _owner(doing: Doing, _occasion: str, action: Mapping[str, Any]) -> str:
    row = doing.known.row
    if doing.robot.block != "lead" or row.state != "open":
        raise LeftUndone(Told("only open leads change hands"))
    floor = read_floor(doing.conn, doing.clock.now())
    member = str(action.get("member") or "")
    if member and (member not in floor.people or not floor.people[member].active):
        raise LeftUndone(Told("its new owner is not here any more"))
    after = (
        Assignment(member, "robot", "", {"by": "person"})
        if member
        else floor.assign(str(action.get("pool") or ""), doing.known.facts, "", doing.clock.now(), row.owner_id)
    )
    change_hands(doing.conn, doing.clock, floor, [Change(row.id, row.owner_id, after, "robot")])
    return "owner"


def _webhook(doing: Doing, occasion: str, action: Mapping[str, Any]) -> str:
    body = {"to": str(action["address"]), "robot": doing.robot.name, "id": doing.known.row.id, **doing.known.facts}
    _post(doing, occasion, "webhook", body, doing.clock.now())
    return "webhook"


def _audience(doing: Doing, occasion: str, action: Mapping[str, Any]) -> str:
    """Hashed as ad platforms ask for it; only for clients who agreed."""
    if not doing.known.agreed:
        raise LeftUndone(Told("the client did not agree to advertising"))
    mail = doing.known.addresses["email"].strip().lower()
    phone = "".join(one for one in doing.known.addresses["sms"] if one.isdigit())
    hashed = {name: sha256(value.encode()).hexdigest() for name, value in (("email", mail), ("phone", phone)) if value}
    if not hashed:
        raise LeftUndone(Told("there is neither a phone nor an e-mail to match"))
    _post(doing, occasion, "audience", {"to": str(action["name"]), **hashed}, doing.clock.now())
    return f"audience {action['name']}"


def _signal(doing: Doing, occasion: str, action: Mapping[str, Any]) -> str:
    text = fill(str(action["text"]), doing.known.facts)
    tell(
        doing.conn, doing.clock, f"robot:{occasion}", doing.head, {"text": text, doing.robot.block: doing.known.row.id}
    )
    return "signal"


def _convert(doing: Doing, _occasion: str, _action: Mapping[str, Any]) -> str:
    """Robots force nothing: what is missing at the border is why it is left undone."""
    cross(doing.conn, doing.clock, doing.known.row.id, doing.actor)
    return "deal"


def _put_off(doing: Doing, _occasion: str, action: Mapping[str, Any]) -> str:
    until, why = doing.clock.now() + int(action["within_ms"]), fill(str(action["text"]), doing.known.facts)
    put_off(doing.conn, doing.clock, doing.known.row.id, until, why, doing.actor)
    return "later"


ACTS: Mapping[str, Callable[[Doing, str, Mapping[str, Any]], str]] = {
    "task": _task, "message": _message, "field": _field, "stage": _stage, "owner": _owner, "webhook": _webhook,
    "audience": _audience, "signal": _signal, "convert": _convert, "put_off": _put_off,
}  # fmt: skip
HARMLESS = (LeftUndone, NotPossible)
