"""What a head watches: signals, alarms of conversion, the border with stray deals, statuses without evidence,
and everything in rules, pools and hours that does not do what was hoped.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.clock import DAY, instant
from hub.funnel import border
from hub.funnel.moves import NotPossible
from hub.funnel.signals import open_signals
from hub.insight.alarms import alarms
from hub.insight.conversion import overall, read_journeys, untouched_status
from hub.insight.drafts import complaints_of, read_body
from hub.model import calendar, question
from hub.routing.check import absence_complaints, plan_complaints
from hub.routing.hours import read_plan
from hub.routing.reading import read_floor
from hub.web.admin.conversion import called
from hub.web.admin.frame import actor, done, failed, hub, retold, told
from hub.web.admin.pools import names_of
from hub.web.desk.acts import complain

SPAN = 30 * DAY


def add_to(bp: Blueprint) -> None:
    """The page of this room and its buttons."""
    bp.add_url_rule("/watch", "watch", show)
    bp.add_url_rule("/watch/deals/<key:deal_id>/accept", "accept_stray", accept, methods=["POST"])
    bp.add_url_rule("/watch/deals/<key:deal_id>/back", "send_stray_back", send_back, methods=["POST"])


def show() -> str:
    """Everything of the last thirty days."""
    now = hub().clock.now()
    with hub().store.read() as conn:
        journeys = read_journeys(conn, now - SPAN, now, now)
        names = called(conn)
        return render_template(
            "admin/watch.html", signals=open_signals(conn), alarms=alarms(journeys), total=overall(journeys),
            names=names,
            crossings=border.crossings(conn, now - SPAN), strays=border.strays(conn),
            clicked=untouched_status(conn, now - SPAN), complaints=_complaints(conn, now), asks=_asks(conn),
            retold=retold,
        )  # fmt: skip


def _asks(conn: Connection) -> bool:
    return conn.execute(select(question.c.id).limit(1)).first() is not None


def _complaints(conn: Connection, now: int) -> list[str]:
    """Rules, pools, hours and absences."""
    found = complaints_of(conn, read_body(conn), now)
    for row in conn.execute(select(calendar)):
        found += plan_complaints(read_plan(dict(row._mapping)), instant(now).year)
    people, names = read_floor(conn, now, lock=False).people, names_of(conn)
    for person in people.values():
        found += absence_complaints(person, people, names)
    return [told(one) for one in found]


def _act(change: Any, message: str) -> Response:
    try:
        with hub().store.write() as conn:
            change(conn)
    except NotPossible as error:
        return failed(complain(error, ""), "watch")
    hub().ring("push")
    return done(message, "watch")


def accept(deal_id: str) -> Response:
    """A stray deal is one all the same."""
    return _act(lambda conn: border.accept(conn, hub().clock, deal_id, actor()), _("Accepted as a deal."))


def send_back(deal_id: str) -> Response:
    """A stray deal becomes a lead."""
    return _act(lambda conn: border.send_back(conn, hub().clock, deal_id, actor()), _("It is a lead again."))
