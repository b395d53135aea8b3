"""A robot as a form: the closed grammar of `hub.robots.robots` in fields that people fill in, and back again. Pure.

What the grammar refuses is said at the piece it is about: the trigger, the conditions, or one of the actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hub.funnel.deadline_rules import MOST, UNITS, split_span
from hub.robots.robots import UnusableRobot, read_robot

CONDITIONS, MOST_ACTIONS = 3, 8
PARTS: Mapping[str, tuple[str, ...]] = {
    "task": ("text", "within", "unit"), "message": ("channel", "subject", "text"), "field": ("field", "value"),
    "stage": ("stage",), "owner": ("who",), "webhook": ("address",), "audience": ("name",), "signal": ("text",),
    "convert": (), "put_off": ("within", "unit", "text"),
}  # fmt: skip
"""What the form asks of each action."""
TO_POOL, TO_MEMBER = "pool:", "member:"
HARMLESS: Mapping[str, Any] = {"do": "signal", "text": "-"}
"""An action that is always right, to try the rest of a robot with."""

Typed = Mapping[str, str]


# ── from the form ────────────────────────────────────────────────────────────────────────────────


def read_form(typed: Typed, wrong: dict[str, str]) -> dict[str, Any]:
    """A row of `robot` from the form; numbers nobody can read are noted in `wrong`."""
    row: dict[str, Any] = {"name": typed.get("name", "").strip(), "block": typed.get("block", "")}
    row["direction_id"] = typed.get("direction") or None
    row["trigger"], row["delay"] = _trigger(typed, wrong), _delay(typed, wrong)
    row["conditions"] = [
        {"field": typed[f"field-{n}"], "op": typed.get(f"op-{n}", ""), "value": typed.get(f"value-{n}", "").strip()}
        for n in range(CONDITIONS)
        if typed.get(f"field-{n}")
    ]
    row["actions"] = [_action(typed, n, wrong) for n in range(how_many(typed)) if typed.get(f"act-{n}-do")]
    if not row["name"]:
        wrong["name"] = "is missing"
    return row


def how_many(typed: Typed) -> int:
    """Actions in the form, also those that are to go."""
    return sum(1 for n in range(MOST_ACTIONS) if f"act-{n}-do" in typed)


def _trigger(typed: Typed, wrong: dict[str, str]) -> dict[str, Any]:
    kind = typed.get("on", "")
    made: dict[str, Any] = {"on": kind}
    if kind in ("stage", "field"):
        made[kind] = typed.get(f"on-{kind}", "")
    elif kind == "client":
        made["event"] = typed.get("on-event", "")
    elif kind == "time":
        side = "before_ms" if typed.get("on-side") == "before" else "after_ms"
        made[side] = _span(typed, "on-within", "on-unit", wrong)
    elif kind == "date":
        made["at"] = _moment(typed.get("on-at", "").strip())
    return made


def _moment(text: str, zoned: bool = True) -> str:
    """A minute in the hub's own time, as browsers write it or with its zone; what is none, as it was typed."""
    try:
        here = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        return text
    return (here if zoned else here.replace(tzinfo=None)).isoformat(timespec="minutes")


def _delay(typed: Typed, wrong: dict[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if typed.get("delay", "").strip() not in ("", "0"):
        made["ms"] = _span(typed, "delay", "delay-unit", wrong)
        if typed.get("working") == "yes":
            made["working"] = True
    if at := typed.get("at", "").strip():
        hours, _colon, minutes = at.partition(":")
        if not (hours.isdecimal() and minutes.isdecimal() and len(at) == 5 and int(hours) < 24 and int(minutes) < 60):
            wrong["at"] = "is no time of day: write 10:00"
        made["at"] = at
    return made


def _span(typed: Typed, name: str, unit: str, wrong: dict[str, str]) -> int:
    text, size = typed.get(name, "").strip(), UNITS.get(typed.get(unit, ""), 0)
    if not (text.isdecimal() and len(text) < 7 and 0 < int(text) * size <= MOST):
        wrong[name] = "must be a whole number above 0, a year of working time at the most"
        return 0
    return int(text) * size


def _action(typed: Typed, n: int, wrong: dict[str, str]) -> dict[str, Any]:
    kind = typed[f"act-{n}-do"]
    told = {part: typed.get(f"act-{n}-{part}", "").strip() for part in PARTS.get(kind, ())}
    made: dict[str, Any] = {"do": kind, **{part: told[part] for part in told if part not in ("within", "unit", "who")}}
    if told.get("within"):
        made["within_ms"] = _span(typed, f"act-{n}-within", f"act-{n}-unit", wrong)
    if "who" in told:
        pool, who = told["who"].removeprefix(TO_POOL), told["who"].removeprefix(TO_MEMBER)
        made |= {"pool": pool} if pool != told["who"] else {"member": who} if who != told["who"] else {}
    return made


def check(row: Mapping[str, Any], stages: Sequence[str], wrong: dict[str, str]) -> None:
    """Note in `wrong`, at the piece it is about, everything the grammar refuses; `stages` are the keys there are."""
    whole = {"id": "", **row, "name": row["name"] or "—"}
    if not row["actions"]:
        wrong["actions"] = "are missing: choose at least one thing to do"
    if row["trigger"].get("stage", "") not in ("", *stages):
        wrong["trigger"] = "names a stage that is not here"
    pieces = [("trigger", {**whole, "conditions": [], "actions": [HARMLESS]}),
              ("conditions", {**whole, "trigger": {"on": "opened"}, "actions": [HARMLESS]})]  # fmt: skip
    pieces += [(f"act-{n}", {**whole, "trigger": {"on": "opened"}, "conditions": [], "actions": [one]})
               for n, one in enumerate(row["actions"])]  # fmt: skip
    for name, piece in pieces:
        try:
            read_robot(piece)
        except UnusableRobot as error:
            wrong.setdefault(name, error.wrong)
    for n, one in enumerate(row["actions"]):
        if one["do"] == "stage" and one.get("stage") not in stages:
            wrong[f"act-{n}"] = "names a stage that is not here"
        if one["do"] == "owner" and not (one.get("pool") or one.get("member")):
            wrong[f"act-{n}"] = "does not say whose it becomes"


# ── into the form ────────────────────────────────────────────────────────────────────────────────


def fill_form(row: Mapping[str, Any]) -> dict[str, str]:
    """What the form shows for a stored robot."""
    trigger, delay = row["trigger"], row["delay"] or {}
    values = {"name": row["name"], "block": row["block"], "direction": row["direction_id"] or ""}
    values |= {"on": trigger.get("on", ""), "on-stage": trigger.get("stage", ""), "on-field": trigger.get("field", "")}
    values |= {"on-event": trigger.get("event", ""), "on-side": "before" if "before_ms" in trigger else "after"}
    values |= {"on-at": _moment(str(trigger.get("at", "")), zoned=False)}
    values |= _spanned(trigger.get("before_ms") or trigger.get("after_ms") or 0, "on-within", "on-unit")
    values |= _spanned(delay.get("ms") or 0, "delay", "delay-unit")
    values |= {"working": "yes" if delay.get("working") else "", "at": delay.get("at", "")}
    for n, one in enumerate(row["conditions"]):
        values |= {f"{part}-{n}": str(one.get(part, "")) for part in ("field", "op", "value")}
    for n, one in enumerate(row["actions"]):
        values |= _filled(n, one)
    return values


def _spanned(ms: int, name: str, unit: str) -> dict[str, str]:
    number, size = split_span(int(ms)) if ms else ("", "h")
    return {name: number, unit: size}


def _filled(n: int, one: Mapping[str, Any]) -> dict[str, str]:
    values = {f"act-{n}-{part}": str(one.get(part, "")) for part in PARTS.get(str(one["do"]), ())}
    if "within" in PARTS.get(str(one["do"]), ()):
        values |= _spanned(one.get("within_ms") or 0, f"act-{n}-within", f"act-{n}-unit")
    if one["do"] == "owner":
        values[f"act-{n}-who"] = (
            f"{TO_MEMBER}{one['member']}" if one.get("member") else f"{TO_POOL}{one.get('pool', '')}"
        )
    return {f"act-{n}-do": str(one["do"]), **values}


def with_action(typed: Typed, kind: str) -> dict[str, str]:
    """The form with one more action of this kind at its end."""
    n = how_many(typed)
    return {**typed, f"act-{n}-do": kind} if kind in PARTS and n < MOST_ACTIONS else dict(typed)


def without_action(typed: Typed, place: int) -> dict[str, str]:
    """The form without the action at this place; those behind it move up."""
    kept = [n for n in range(how_many(typed)) if n != place]
    rest = {name: value for name, value in typed.items() if not name.startswith("act-")}
    for new, old in enumerate(kept):
        rest |= {f"act-{new}-{name.split('-', 2)[2]}": value for name, value in typed.items()
                 if name.startswith(f"act-{old}-")}  # fmt: skip
    return rest
