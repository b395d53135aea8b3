"""A robot: a trigger, conditions, a delay, and actions. Pure; a closed grammar, like that of routing rules.

trigger     {"on": "stage", "stage": "silent"}            the record came to this stage ("" for any)
            {"on": "opened"}                              the record is new
            {"on": "field", "field": "amount"}            a field changed ("" for any)
            {"on": "client", "event": "message"}          the client wrote, called, paid: a line of the journal
            {"on": "time", "before_ms": n | "after_ms": n}  so long before or after a step of the record was due
            {"on": "date", "at": "2026-12-24T10:00+01:00"}  this moment, for every record that is open then
delay       {"ms": n, "working": true} | {"at": "10:00"}  from the trigger on; `at` is wall time of the owner
actions     {"do": "task", "text": "...", "within_ms": n}
            {"do": "message", "channel": "email", "to": "client", "subject": "...", "text": "..."}
            {"do": "field", "field": "temperature", "value": "..."}   {"do": "stage", "stage": "..."}
            {"do": "owner", "pool": "..."} | {"do": "owner", "member": id}
            {"do": "webhook", "address": "https://..."}   {"do": "audience", "name": "..."}
            {"do": "signal", "text": "..."}               a word to the head
            {"do": "convert"}                             the lead becomes a deal, if the border lets it
            {"do": "put_off", "within_ms": n, "text": "..."}  later: until then, and why
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.clock import millis
from hub.funnel.tags import TAGGED
from hub.robots.templates import names_in
from hub.routing.rules import OPERATIONS, Condition
from hub.told import Told, together

BLOCKS = ("lead", "deal")
TIMED = ("time", "date")
"""Triggers that no line of the journal sets off."""
TRIGGERS = ("opened", "stage", "field", "client", *TIMED)
CHANNELS = ("email", "sms", "messenger")
SAID = {"message": ("joined", "noted", "message", "mail"), "call": ("call",), "paid": ("paid",), "opened": ("read",)}
"""Client events and the journal's words for them; other words stand for themselves."""
FACTS = (
    "stage", "state", "temperature", "source", "title", "owner", "amount", "currency", "reason", "direction", "name",
    "first_name", "company", "phone", "email", "language", "form", "next_step", "tags",
)  # fmt: skip
"""What conditions and templates may use."""
WRITABLE = {"lead": ("temperature", "title"), "deal": ("amount", "currency", "title")}
NEEDS = {
    "task": ("text",), "message": ("channel", "text"), "field": ("field",), "stage": ("stage",), "owner": (),
    "webhook": ("address",), "audience": ("name",), "signal": ("text",),
    "convert": (), "put_off": ("within_ms", "text"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Robot:
    """One robot of a block, in one direction or ("") in all."""

    id: str
    name: str
    block: str
    trigger: Mapping[str, Any]
    actions: tuple[Mapping[str, Any], ...]
    conditions: tuple[Condition, ...] = ()
    delay: Mapping[str, Any] | None = None
    direction_id: str = ""

    def wants(self, subject: str, what: str, facts: Mapping[str, Any]) -> bool:
        """Whether a journal line is its trigger."""
        if subject != self.block:
            return False
        kind = self.trigger["on"]
        if kind == "opened":
            return what == "opened"
        if kind == "stage":
            return what == "moved" and self.trigger.get("stage", "") in ("", facts.get("to"))
        if kind == "field":
            changed = facts.get("field") if what == "field" else "tags" if what == TAGGED else None
            return changed is not None and self.trigger.get("field", "") in ("", changed)
        event = str(self.trigger.get("event", ""))
        return kind == "client" and what in SAID.get(event, (event,)) and facts.get("way", "in") == "in"

    @property
    def moment(self) -> int:
        """The moment (ms) of one that waits for a date."""
        return millis(datetime.fromisoformat(self.trigger["at"]))

    def holds(self, facts: Mapping[str, str]) -> bool:
        """Whether all conditions hold for the record as it is now."""
        return all(one.holds(facts) for one in self.conditions)


class UnusableRobot(ValueError):
    """A robot nobody could run; `wrong` is what is wrong with it, `why` also says which one."""

    def __init__(self, name: str, wrong: Sequence[Told]) -> None:
        self.wrong = together(wrong)
        self.why = Told("Robot “%(name)s”: %(why)s", name=name, why=self.wrong)
        super().__init__(self.why)


def read_robot(row: Mapping[str, Any]) -> Robot:
    """A robot from its row; raises `UnusableRobot` for anything the grammar does not know."""
    made = Robot(
        str(row["id"]), str(row["name"]), str(row["block"]), dict(row["trigger"]),
        tuple(dict(one) for one in row["actions"]), tuple(_condition(one, row) for one in row["conditions"]),
        dict(row["delay"] or {}), str(row["direction_id"] or ""),
    )  # fmt: skip
    if wrong := [*_trigger_wrong(made), *(why for one in made.actions for why in _action_wrong(made, one))]:
        raise UnusableRobot(made.name, wrong)
    return made


def _condition(told: Mapping[str, Any], row: Mapping[str, Any]) -> Condition:
    made = Condition(str(told.get("field", "")), str(told.get("op", "")), str(told.get("value", "")))
    if made.field not in FACTS or made.op not in OPERATIONS:
        none = "“%(text)s” is no condition; fields: %(fields)s; comparisons: %(operations)s"
        known = {"fields": ", ".join(FACTS), "operations": ", ".join(OPERATIONS)}
        raise UnusableRobot(str(row["name"]), [Told(none, text=f"{made.field} {made.op}", **known)])
    return made


def _trigger_wrong(made: Robot) -> list[Told]:
    kind = made.trigger.get("on")
    found = [] if made.block in BLOCKS else [Told("“%(text)s” is neither lead nor deal", text=made.block)]
    if kind not in TRIGGERS:
        found.append(Told("“%(text)s” is no trigger: %(known)s", text=str(kind), known=", ".join(TRIGGERS)))
    if kind == "time" and not {"before_ms", "after_ms"} & made.trigger.keys():
        found.append(Told("its time says neither before_ms nor after_ms"))
    if kind == "date" and not _is_moment(made.trigger.get("at")):
        found.append(Told("its moment must be a day and an hour with a zone, as 2026-12-24T10:00+01:00"))
    return found if made.actions else [*found, Told("it does nothing")]


def _is_moment(text: object) -> bool:
    try:
        return datetime.fromisoformat(str(text)).utcoffset() is not None
    except ValueError:
        return False


def _action_wrong(made: Robot, one: Mapping[str, Any]) -> list[Told]:
    kind = str(one.get("do"))
    if kind not in NEEDS:
        return [Told("“%(text)s” is no action: %(known)s", text=kind, known=", ".join(NEEDS))]
    found = [Told("%(action)s lacks %(part)s", action=kind, part=name) for name in NEEDS[kind] if not one.get(name)]
    if kind in ("convert", "put_off") and made.block != "lead":
        found.append(Told("only leads know the action %(action)s", action=kind))
    if kind == "message" and one.get("channel") not in CHANNELS:
        found.append(
            Told("“%(text)s” is no channel: %(known)s", text=str(one.get("channel")), known=", ".join(CHANNELS))
        )
    if kind == "field" and one.get("field") not in WRITABLE.get(made.block, ()):
        found.append(
            Told("a robot may not write “%(field)s” of a %(block)s", block=made.block, field=str(one.get("field")))
        )
    unknown = [name for part in ("text", "subject") for name in names_in(str(one.get(part) or "")) if name not in FACTS]
    facts = ", ".join(FACTS)
    return found + [
        Told("nobody knows “%(text)s”; known: %(known)s", text=f"{{{name}}}", known=facts) for name in unknown
    ]


def rings(robots: Sequence[Robot]) -> list[Told]:
    """Robots that set each other off by moving a record in a circle, as sentences that name them."""
    by_stage = {(one.block, one.trigger.get("stage")): one for one in robots if one.trigger["on"] == "stage"}
    found: dict[frozenset[str], Told] = {}
    for start in by_stage.values():
        path, here = [start], start
        while (after := _next(here, by_stage)) is not None:
            if after in path:
                ring = path[path.index(after) :]
                names = " → ".join(f"“{one.name}”" for one in (*ring, after))
                told = Told("These robots set each other off for ever: %(names)s", names=names)
                found.setdefault(frozenset(one.id for one in ring), told)
                break
            path.append(after)
            here = after
    return list(found.values())


def _next(robot: Robot, by_stage: Mapping[tuple[str, Any], Robot]) -> Robot | None:
    moves = (by_stage.get((robot.block, one["stage"])) for one in robot.actions if one["do"] == "stage")
    return next((one for one in moves if one is not None), None)
