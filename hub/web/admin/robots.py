"""Robots: the list with what each did lately, the sets that ship, dry runs and the brake; `robot_edit` changes one."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, func, select
from werkzeug.wrappers import Response

from hub.clock import DAY
from hub.model import robot, robot_run
from hub.model.robots import IS_WAITING
from hub.robots.defaults import SETS, add_set
from hub.robots.dry import Touched, first_week, would_touch
from hub.robots.robots import Robot, UnusableRobot, read_robot, rings
from hub.robots.run import read_robots
from hub.robots.shelf import away, bring_back, let_go, remove, switch
from hub.store.notes import note
from hub.web.admin.frame import actor, done, hub, retold, told
from hub.web.admin.robot_edit import words
from hub.web.desk.access import language

ACTS = ("on", "off", "let_go", "remove", "back")


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/robots", "robots", show)
    bp.add_url_rule("/robots/sets", "add_robots", add, methods=["POST"])
    bp.add_url_rule("/robots/<key:robot_id>", "change_robot", change, methods=["POST"])
    bp.add_url_rule("/robots/<key:robot_id>/dry", "dry_robot", dry)


def set_words() -> dict[str, str]:
    """The shipped sets in the reader's language."""
    return {
        "lead_states": _("States of leads"), "deal_stages": _("Stages of deals"), "payment_late": _("Payment late"),
        "no_next_step": _("No next step"),
    }  # fmt: skip


def show() -> str:
    """All robots, and rings among those that are on."""
    with hub().store.read() as conn:
        rows = list(conn.execute(select(robot).order_by(robot.c.block.desc(), robot.c.position, robot.c.id)))
        hidden = away(conn)
        warnings, lately = [told(one) for one in rings(read_robots(conn))], _lately(conn)
    return render_template(
        "admin/robots.html", rows=[row for row in rows if row.id not in hidden], warnings=warnings, sets=set_words(),
        lately=lately, retold=retold, hidden=[row for row in rows if row.id in hidden],
    )  # fmt: skip


def _lately(conn: Connection) -> dict[str, dict[str, int]]:
    """Runs of the last day by robot and state, and those that wait."""
    recent = (robot_run.c.at > hub().clock.now() - DAY) | IS_WAITING
    counted = select(robot_run.c.robot_id, robot_run.c.state, func.count()).where(recent)
    found: dict[str, dict[str, int]] = {}
    for robot_id, state, count in conn.execute(counted.group_by(robot_run.c.robot_id, robot_run.c.state)):
        found.setdefault(str(robot_id), {})[str(state)] = int(count)
    return found


def add() -> Response:
    """A shipped set, switched off."""
    name = request.form.get("set", "")
    if name not in SETS:
        abort(400)
    with hub().store.write() as conn:
        made = add_set(conn, hub().clock, name, language())
        for robot_id in made:
            note(conn, hub().clock, "robot", robot_id, "added", actor())
    return done(_("Added, switched off: try each dry, then switch it on."), "robots")


def change(robot_id: str) -> Response:
    """On, off, on again after the brake held it; away, and back."""
    what = request.form.get("do", "")
    if what not in ACTS:
        abort(400)
    with hub().store.write() as conn:
        gone = _do(conn, what, robot_id)
    if what == "remove":
        return done(_("Removed.") if gone else _("Put away: what it did stays known."), "robots")
    return done(_("Saved."), "robots")


def _do(conn: Connection, what: str, robot_id: str) -> bool:
    if what == "remove":
        return remove(conn, hub().clock, robot_id, actor())
    if what in ("let_go", "back"):
        (let_go if what == "let_go" else bring_back)(conn, hub().clock, robot_id, actor())
    else:
        switch(conn, hub().clock, robot_id, what == "on", actor(), request.form.get("due") == "yes")
    return False


def dry(robot_id: str) -> str:
    """Whom it would touch now, and what it would have done in the last week."""
    complaint, now_touched, week = "", list[Touched](), list[Touched]()
    with hub().store.read() as conn:
        row = conn.execute(select(robot).where(robot.c.id == robot_id)).one_or_none() or abort(404)
        try:
            one: Robot = read_robot(dict(row._mapping))
            now_touched, week = would_touch(conn, one, hub().clock), first_week(conn, one, hub().clock)
        except UnusableRobot as error:
            complaint = told(error.why)
    return render_template("admin/robot_dry.html", row=row, touched=now_touched, week=week, complaint=complaint,
                           does=words()["do"])  # fmt: skip
