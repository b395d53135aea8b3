"""Plans of working hours: the week, the time zone, public holidays, days that differ, and what the next days become."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flask import Blueprint, abort, render_template
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from hub.clock import instant
from hub.model import calendar
from hub.routing import shifts
from hub.routing.check import plan_complaints
from hub.routing.hours import available_zones, countries_with_holidays
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, told, words
from hub.web.desk.shown import typed

FIELDS = ("name", "zone", "country", "region")
LONGEST_DAYS = 20_000
WORKDAY = "09:00–18:00"


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/hours", "hours", show)
    bp.add_url_rule("/hours/new", "new_plan", new)
    bp.add_url_rule("/hours/new", "add_plan", add, methods=["POST"])
    bp.add_url_rule("/hours/<key:plan_id>", "plan", edit)
    bp.add_url_rule("/hours/<key:plan_id>", "keep_plan", keep, methods=["POST"])
    bp.add_url_rule("/hours/<key:plan_id>/remove", "remove_plan", remove, methods=["POST"])


def show() -> str:
    """All plans, who keeps them, and what is odd about each."""
    with hub().store.read() as conn:
        rows = [(row, *shifts.keepers(conn, row.id), complaints(row)) for row in shifts.plans(conn)]
    return render_template("admin/hours.html", rows=rows, written=shifts.written, days=day_names())


def complaints(row: Any) -> list[str]:
    """Sentences about one plan, this year and the next."""
    return [told(one) for one in plan_complaints(shifts.plan_of(row), instant(hub().clock.now()).year)]


def day_names() -> list[str]:
    """Days from Monday on in the reader's language."""
    return [_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday")]


def new() -> str:
    """An empty form: five days of nine hours."""
    values = {"name": "", "zone": _usual_zone(), "country": "", "region": "", "days": ""}
    return _page(None, values, [WORKDAY] * 5 + [""] * 2, {})


def _usual_zone() -> str:
    """The zone of the first plan, else UTC."""
    with hub().store.read() as conn:
        return next((str(row.zone) for row in shifts.plans(conn)), "UTC")


def edit(plan_id: str) -> str:
    """One plan as it is."""
    row = _row(plan_id)
    values = {name: str(getattr(row, name)) for name in FIELDS} | {"days": shifts.written_days(row.days)}
    plan = shifts.plan_of(row)
    return _page(row, values, [shifts.written(spans) for spans in plan.week], {})


def _row(plan_id: str) -> Any:
    with hub().store.read() as conn:
        return conn.execute(select(calendar).where(calendar.c.id == plan_id)).one_or_none() or abort(404)


def add() -> Response | tuple[str, int]:
    """A new plan."""
    return _keep("")


def keep(plan_id: str) -> Response | tuple[str, int]:
    """A plan as it was typed."""
    _row(plan_id)
    return _keep(plan_id)


def _keep(plan_id: str) -> Response | tuple[str, int]:
    values = {name: typed(name) for name in FIELDS} | {"days": typed("days", LONGEST_DAYS)}
    week = [typed(f"day-{place}") for place in range(7)]
    try:
        with hub().store.write() as conn:
            plan_id = shifts.keep_plan(conn, hub().clock, actor(), plan_id, values, week)
    except Unusable as error:
        return _page(_row(plan_id) if plan_id else None, values, week, words(error)), 422
    return done(_("Saved."), "plan", plan_id=plan_id)


def remove(plan_id: str) -> Response:
    """Away with a plan that nobody keeps."""
    try:
        with hub().store.write() as conn:
            shifts.remove_plan(conn, hub().clock, actor(), plan_id)
    except Unusable as error:
        return failed(sentence(error), "plan", plan_id=plan_id)
    return done(_("Removed."), "hours")


def _page(row: Any, values: Mapping[str, str], week: list[str], wrong: Mapping[str, str]) -> str:
    ahead = shifts.ahead(shifts.plan_of(row), hub().clock.now()) if row else []
    return render_template(
        "admin/plan.html", row=row, values=values, week=list(zip(day_names(), week, strict=True)), wrong=wrong,
        zones=_zones(), countries=countries(), regions=countries_with_holidays().get(values["country"].upper(), []),
        ahead=ahead, written=shifts.written, complaints=complaints(row) if row else [],
    )  # fmt: skip


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    return sorted(one for one in available_zones() if "/" in one or one == "UTC")


def countries() -> list[tuple[str, str]]:
    """Countries whose public holidays are known, by name in the reader's language."""
    locale = get_locale()
    names = locale.territories if locale else {}
    codes = countries_with_holidays()
    known = sorted(((code, str(names.get(code, code))) for code in codes), key=lambda pair: pair[1])
    return [("", _("— no public holidays")), *known]
