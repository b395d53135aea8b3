"""The team: who may log in, as what, and with which share of new leads."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, update
from werkzeug.wrappers import Response

from hub import setup
from hub.model import member
from hub.routing import team
from hub.routing.reading import read_floor
from hub.store.notes import note
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence
from hub.web.admin.seats import state_of
from hub.web.desk.access import LANGUAGES, language


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/team", "team", everybody)
    bp.add_url_rule("/team", "add_member", add, methods=["POST"])
    bp.add_url_rule("/team/<key:member_id>", "change_member", change, methods=["POST"])
    bp.add_url_rule("/team/<key:member_id>/password", "set_password", password, methods=["POST"])


def everybody() -> str:
    """All members, and a line to add one."""
    now = hub().clock.now()
    with hub().store.read() as conn:
        rows, floor = team.members(conn), read_floor(conn, now, lock=False)
    states = {one.id: state_of(one, now) for one in floor.people.values()}
    total = sum(row["weight"] for row in rows if row["active"]) or 1
    return render_template("admin/team.html", rows=rows, total=total, roles=role_words(), states=states)


def role_words() -> dict[str, str]:
    """Roles in the reader's language."""
    return {"admin": _("Administrator"), "lead_desk": _("Lead desk"), "sales": _("Sales")}


def _weight() -> int:
    typed = request.form.get("weight", "").strip()
    if not (typed.isdecimal() and len(typed) < 4):
        raise Unusable({"weight": "must be between 0 and 100"})
    return int(typed)


def _try(change: Callable[[Connection], object], message: str) -> Response:
    try:
        with hub().store.write() as conn:
            change(conn)
    except Unusable as error:
        return failed(sentence(error), "team")
    return done(message, "team")


def add() -> Response:
    """Somebody new."""
    typed = request.form
    locale = typed.get("locale") if typed.get("locale") in LANGUAGES else language()

    def change(conn: Connection) -> None:
        weight = _weight()
        if weight > team.MOST_WEIGHT:
            raise Unusable({"weight": "must be between 0 and 100"})
        made = setup.add_member(
            conn, hub().clock, typed.get("login", ""), typed.get("name", ""), typed.get("password", ""),
            typed.get("role", ""), str(locale), weight,
        )  # fmt: skip
        note(conn, hub().clock, "member", made, "invited", actor(), {"role": typed.get("role", "")})

    return _try(change, _("%(name)s can log in now.", name=typed.get("name", "") or typed.get("login", "")))


def change(member_id: str) -> Response:
    """Name, role, share, active or not."""
    typed = request.form

    def write(conn: Connection) -> None:
        team.change_member(
            conn, hub().clock, actor(), member_id, typed.get("name", ""), typed.get("role", ""), _weight(),
            typed.get("active") == "yes",
        )  # fmt: skip
        if typed.get("locale") in LANGUAGES:
            conn.execute(update(member).where(member.c.id == member_id).values(locale=typed["locale"]))

    return _try(write, _("Saved."))


def password(member_id: str) -> Response:
    """A new password, handed over by the admin; running sessions of the member end."""
    typed = request.form.get("password", "")
    return _try(
        lambda conn: setup.set_password(conn, hub().clock, actor(), member_id, typed),
        _("The password is new; open sessions have ended."),
    )
