"""One robot in a form: trigger, conditions, delay, actions. What is stored is shown beside it as it stands.

Guarantees: what nobody could run is not saved, and what was typed stays; a new robot comes switched off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, select, update
from werkzeug.wrappers import Response

from hub.funnel.directions import directions
from hub.model import robot, robot_run, stage
from hub.robots.robots import BLOCKS, CHANNELS, FACTS, WRITABLE
from hub.robots.run import add as add_robot
from hub.routing.pools import read_known
from hub.store.notes import note
from hub.web.admin.frame import actor, done, hub, retold, told
from hub.web.admin.robot_form import (
    CONDITIONS,
    PARTS,
    TO_MEMBER,
    TO_POOL,
    check,
    fill_form,
    how_many,
    read_form,
    with_action,
    without_action,
)
from hub.web.admin.routing import operation_words

LONGEST = 4000
RUNS = 30
COLUMNS = ("name", "block", "direction_id", "trigger", "conditions", "delay", "actions")


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/robots/new", "new_robot", new)
    bp.add_url_rule("/robots/new", "add_robot", add, methods=["POST"])
    bp.add_url_rule("/robots/<key:robot_id>/edit", "robot", edit)
    bp.add_url_rule("/robots/<key:robot_id>/edit", "keep_robot", keep, methods=["POST"])


def words() -> dict[str, dict[str, str]]:
    """The grammar in the reader's language: triggers, client events, actions, parts of actions, channels, units."""
    return {
        "on": {"opened": _("a new lead or deal"), "stage": _("it comes to a stage"), "field": _("a field changes"),
               "client": _("the client does something"), "time": _("the next step comes near or is over"),
               "date": _("a day and an hour come")},
        "event": {"message": _("writes"), "call": _("calls"), "paid": _("pays"), "opened": _("opens a message"),
                  "meeting": _("meets us")},
        "do": {"task": _("Task"), "message": _("Message to the client"), "field": _("Write a field"),
               "stage": _("Move to a stage"), "owner": _("Another responsible"), "webhook": _("Call a web address"),
               "audience": _("Ad audience"), "signal": _("A word to the head"),
               "convert": _("Make it a deal, if the border lets it"), "put_off": _("Put off until later")},
        "part": {"text": _("Text"), "subject": _("Subject"), "channel": _("Channel"), "field": _("Field"),
                 "value": _("Value"), "stage": _("Stage"), "who": _("To whom"), "address": _("Web address"),
                 "name": _("Name"), "within": _("Within")},
        "channel": {"email": _("E-mail"), "sms": _("SMS"), "messenger": _("Messenger")},
        "unit": {"min": _("minutes"), "h": _("hours"), "d": _("days")},
    }  # fmt: skip


def new() -> str:
    """An empty form with one task in it."""
    values = {"block": "lead", "on": "stage", "delay-unit": "h", "on-unit": "h", "act-0-do": "task", "act-0-unit": "h"}
    return _page(None, values, {})


def edit(robot_id: str) -> str:
    """One robot as it is."""
    row = _row(robot_id)
    return _page(row, fill_form(row._mapping), {})


def _row(robot_id: str) -> Any:
    with hub().store.read() as conn:
        return conn.execute(select(robot).where(robot.c.id == robot_id)).one_or_none() or abort(404)


def add() -> Response | str | tuple[str, int]:
    """A new robot, switched off."""
    return _keep(None)


def keep(robot_id: str) -> Response | str | tuple[str, int]:
    """A robot as it was typed."""
    return _keep(_row(robot_id))


def _keep(row: Any) -> Response | str | tuple[str, int]:
    values = {name: text.replace("\0", "").replace("\r\n", "\n")[:LONGEST] for name, text in request.form.items()}
    asked, _colon, which = values.get("press", "").partition(":")
    if asked == "add":
        return _page(row, with_action(values, values.get("kind", "")), {})
    if asked == "remove" and which.isdecimal():
        return _page(row, without_action(values, int(which[:3])), {})
    wrong: dict[str, str] = {}
    made = read_form(values, wrong)
    with hub().store.write() as conn:
        check(made, stages_of(conn, made["block"]), wrong)
        if made["direction_id"] not in (None, *(one.id for one, _stages in directions(conn))):
            wrong["direction"] = "is not here any more"
        robot_id = "" if wrong else _write(conn, row, made)
    if wrong:
        return _page(row, values, {name: told(why) for name, why in wrong.items()}), 422
    return done(_("Saved. Try it dry before it is switched on."), "dry_robot", robot_id=robot_id)


def stages_of(conn: Connection, block: str) -> list[str]:
    """Keys of all stages of a block."""
    return [str(one) for one in conn.execute(select(stage.c.key).where(stage.c.block == block).distinct()).scalars()]


def _write(conn: Connection, row: Any, made: Mapping[str, Any]) -> str:
    if row is None:
        robot_id = add_robot(conn, hub().clock, {**made, "active": False})
    else:
        robot_id = str(row.id)
        conn.execute(update(robot).where(robot.c.id == robot_id).values({name: made[name] for name in COLUMNS}))
    note(conn, hub().clock, "robot", robot_id, "kept", actor(), {name: made[name] for name in COLUMNS})
    return robot_id


def _page(row: Any, values: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    with hub().store.read() as conn:
        known = read_known(conn)
        names = {
            one.key: one.name for one in conn.execute(select(stage).order_by(stage.c.block.desc(), stage.c.position))
        }
        runs = _runs(conn, row.id) if row else []
        places = {one.id: one.name for one, _stages in directions(conn)}
    whose = [(f"{TO_POOL}{one}", _("whose turn it is in “%(pool)s”", pool=one)) for one in known.pools]
    whose += [(f"{TO_MEMBER}{one}", name) for one, name in known.people.items()]
    return render_template(
        "admin/robot.html", row=row, values=values, wrong=wrong, words=words(), parts_of=PARTS, facts=FACTS,
        operations=operation_words(), conditions=CONDITIONS, actions=how_many(values), stages=names, whose=whose,
        blocks=BLOCKS, channels=CHANNELS, directions=places, runs=runs, raw=_raw(row), retold=retold,
        writable=WRITABLE.get(values.get("block", "lead"), ()),
    )  # fmt: skip


def _raw(row: Any) -> str:
    if row is None:
        return ""
    return json.dumps({name: row._mapping[name] for name in COLUMNS}, ensure_ascii=False, indent=2)


def _runs(conn: Connection, robot_id: str) -> list[Any]:
    mine = select(robot_run).where(robot_run.c.robot_id == robot_id)
    return list(conn.execute(mine.order_by(robot_run.c.at.desc(), robot_run.c.id.desc()).limit(RUNS)))
