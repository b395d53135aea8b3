"""How one member works: hours, skills, limits, absences with a stand-in, and when they were last seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.funnel import absences
from hub.model import member, presence
from hub.routing import shifts
from hub.routing.check import absence_complaints
from hub.routing.floor import Floor, Person
from hub.routing.reading import read_floor
from hub.told import Unusable
from hub.web.admin.frame import actor, done, hub, told, words
from hub.web.desk.shown import typed

SEAT = ("calendar_id", "skills", *shifts.LIMITS)
ABSENCE = ("begin", "until", "stand_in", "why")


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/team/<key:member_id>/work", "work", show)
    bp.add_url_rule("/team/<key:member_id>/work", "keep_work", keep, methods=["POST"])
    bp.add_url_rule("/team/<key:member_id>/away", "go_away", go_away, methods=["POST"])
    bp.add_url_rule("/team/<key:member_id>/back/<key:absence_id>", "come_back", come_back, methods=["POST"])


def show(member_id: str) -> str:
    """The page of one member."""
    return _page(member_id, {}, {})


def keep(member_id: str) -> Response | tuple[str, int]:
    """Hours, skills, limits."""
    values = {name: typed(name, 2000) for name in SEAT}
    try:
        with hub().store.write() as conn:
            _there(conn, member_id)
            shifts.keep_seat(conn, hub().clock, actor(), member_id, values)
    except Unusable as error:
        return _page(member_id, values, words(error)), 422
    return done(_("Saved."), "work", member_id=member_id)


def go_away(member_id: str) -> Response | tuple[str, int]:
    """A vacation, an illness."""
    values = {name: typed(name) for name in ABSENCE}
    try:
        with hub().store.write() as conn:
            _there(conn, member_id)
            absences.go_away(conn, hub().clock, actor(), member_id, values)
    except Unusable as error:
        return _page(member_id, values, words(error)), 422
    return done(_("Noted. Open leads follow when the absence begins."), "work", member_id=member_id)


def come_back(member_id: str, absence_id: str) -> Response:
    """Back earlier, or not away at all."""
    with hub().store.write() as conn:
        absences.come_back(conn, hub().clock, actor(), absence_id)
    return done(_("Here again. Leads that were lent come back."), "work", member_id=member_id)


def _there(conn: Connection, member_id: str) -> Any:
    return shifts.seat_of(conn, member_id) or abort(404)


def _page(member_id: str, filled: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    now = hub().clock.now()
    with hub().store.read() as conn:
        row = _there(conn, member_id)
        floor = read_floor(conn, now, lock=False)
        person = floor.people[member_id]
        people = {one.id: one.name for one in conn.execute(select(member).order_by(member.c.name))}
        seen = conn.execute(select(presence).where(presence.c.member_id == member_id)).one_or_none()
        return render_template(
            "admin/work.html", row=row, values={**_values(row), **filled}, wrong=wrong, people=people, person=person,
            others=[(one, name) for one, name in people.items() if one != member_id and floor.people[one].active],
            plans=[(one.id, one.name) for one in shifts.plans(conn)], seen=seen, pools=pools_of(floor, member_id),
            absences=absences.absences_of(conn, member_id, now), state=state_of(person, now), day=_day_there(person),
            complaints=[told(one) for one in absence_complaints(person, floor.people, people)], load=person.load,
        )  # fmt: skip


def _values(row: Any) -> dict[str, str]:
    limits = {one: str(getattr(row, one) or "") for one in shifts.LIMITS}
    return {"calendar_id": row.calendar_id or "", "skills": ", ".join(row.skills or ()), **limits}


def pools_of(floor: Floor, member_id: str) -> dict[str, int]:
    """Pools this member takes part in, with the share there."""
    shares = {
        name: next((turn.weight for turn in one.turns if turn.member_id == member_id), 0)
        for name, one in sorted(floor.pools.items())
    }
    return {name: share for name, share in shares.items() if share}


def state_of(person: Person, now: int) -> tuple[str, int]:
    """gone, away, closed or open, and until when (0: nobody knows)."""
    absence = person.absence(now)
    if not person.active:
        return "gone", 0
    if absence is not None:
        return "away", absence.end
    edge = person.work.edge(now)
    always = person.work.is_open(edge) and person.work.is_open(now)
    return ("open" if person.work.is_open(now) else "closed"), 0 if always else edge


def _day_there(person: Person) -> Any:
    """A moment as the day it is where this person works; the end of an absence is its last day."""
    return lambda at: person.work.day(at).isoformat()
