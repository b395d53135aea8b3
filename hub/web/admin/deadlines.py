"""Deadlines: how much working time a lead has, the chain of those who get it, and what that means for one lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.clock import instant, millis
from hub.funnel import deadline_rules as rules
from hub.funnel.clocks import DEFAULTS, KINDS
from hub.funnel.directions import directions
from hub.model import connection, deadline_rule
from hub.routing.floor import NobodyThere
from hub.routing.pools import pool_names, read_known
from hub.routing.rotation import POOL
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, words
from hub.web.admin.pools import names_of
from hub.web.desk.shown import typed

TYPED = ("name", "kind", "direction", "source", "within", "unit", "warn", "head", "active")
ACTS = ("up", "down", "remove")
FRIDAY, EVENING = 4, (18, 50)


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/deadlines", "deadlines", show)
    bp.add_url_rule("/deadlines/usual", "usual_deadlines", usual, methods=["POST"])
    bp.add_url_rule("/deadlines/last", "last_resort", last, methods=["POST"])
    bp.add_url_rule("/deadlines/new", "new_deadline", new)
    bp.add_url_rule("/deadlines/new", "add_deadline", add, methods=["POST"])
    bp.add_url_rule("/deadlines/<key:rule_id>", "deadline", edit)
    bp.add_url_rule("/deadlines/<key:rule_id>", "keep_deadline", keep, methods=["POST"])
    bp.add_url_rule("/deadlines/<key:rule_id>/move", "change_deadline", change, methods=["POST"])


def kind_words() -> dict[str, str]:
    """What has to be done in time, in the reader's language."""
    return {"first_touch": _("First touch"), "next_touch": _("Next touch"), "qualify": _("Qualify")}


def unit_words() -> dict[str, str]:
    """Units of working time in the reader's language."""
    return {"min": _("minutes"), "h": _("hours"), "d": _("days of 24 working hours")}


def show() -> str:
    """All rules in order, the last resort, and what becomes of a lead that comes on Friday evening."""
    with hub().store.read() as conn:
        rows = rules.deadline_rules(conn)
        return render_template(
            "admin/deadlines.html", rows=rows, defaults=() if rows else DEFAULTS, last=rules.last_resort(conn),
            span=rules.split_span, chosen=_chosen(), story=_story(conn), **_known(conn),
        )  # fmt: skip


def _known(conn: Connection) -> dict[str, Any]:
    known = read_known(conn)
    sources = select(connection.c.connector).where(connection.c.kind == "source").distinct()
    return {
        "kinds": kind_words(), "units": unit_words(), "people": known.people, "pools": known.pools,
        "names": names_of(conn), "directions": {one.id: one.name for one, _stages in directions(conn)},
        "sources": sorted(str(one) for one in conn.execute(sources).scalars()),
    }  # fmt: skip


# ── the preview ──────────────────────────────────────────────────────────────────────────────────


def friday() -> str:
    """The next Friday, 18:50, as a form writes it; in the hub's own zone, as all times of pages."""
    here = instant(hub().clock.now()).astimezone()
    day = here + timedelta((FRIDAY - here.weekday()) % 7)
    return day.strftime("%Y-%m-%dT") + "{:02}:{:02}".format(*EVENING)


def _chosen() -> dict[str, str]:
    chosen = {name: typed(name) for name in ("when", "kind", "direction", "source", "pool")}
    return {**chosen, "when": chosen["when"] or friday(), "kind": chosen["kind"] or KINDS[0],
            "pool": chosen["pool"] or POOL}  # fmt: skip


def _story(conn: Connection) -> dict[str, Any]:
    """Moments of one lead, or why there are none."""
    chosen = _chosen()
    try:
        at = millis(datetime.fromisoformat(chosen["when"]).astimezone())
    except (ValueError, OverflowError, OSError):
        return {"wrong": _("“%(text)s” is no moment: write 2026-12-31T18:50", text=chosen["when"])}
    rule = rules.rule_for(conn, chosen["kind"], chosen["direction"], chosen["source"])
    if rule is None or chosen["pool"] not in pool_names(conn):
        return {"wrong": _("No deadline is set for such a lead.")}
    try:
        return {"rule": rule, "moments": rules.foresee(conn, rule, chosen["pool"], at, chosen["source"])}
    except NobodyThere as error:
        return {"wrong": str(error)}


# ── one rule ─────────────────────────────────────────────────────────────────────────────────────


def new() -> str:
    """An empty form: a quarter of an hour for the first touch, then on by turns."""
    values = {"kind": KINDS[0], "within": "15", "unit": "min", "warn": "70", "active": "yes"}
    return _page(None, values, rules.typed_chain([{"pool": ""}]), {})


def edit(rule_id: str) -> str:
    """One rule as it is."""
    row = _row(rule_id)
    within, unit = rules.split_span(row.within_ms)
    values = {
        "name": row.name, "kind": row.kind, "direction": row.direction_id or "", "source": row.source,
        "within": within, "unit": unit, "warn": str(row.warn_percent), "head": row.head_id or "",
        "active": "yes" if row.active else "",
    }  # fmt: skip
    return _page(row, values, rules.typed_chain(row.chain), {})


def _row(rule_id: str) -> Any:
    with hub().store.read() as conn:
        found = conn.execute(select(deadline_rule).where(deadline_rule.c.id == rule_id)).one_or_none()
    return found or abort(404)


def add() -> Response | tuple[str, int]:
    """A new rule, after the others."""
    return _keep("")


def keep(rule_id: str) -> Response | tuple[str, int]:
    """A rule as it was typed."""
    _row(rule_id)
    return _keep(rule_id)


def _keep(rule_id: str) -> Response | tuple[str, int]:
    values = {name: typed(name) for name in TYPED}
    chain = [typed(f"step-{place}") for place in range(rules.MOST_STEPS)]
    try:
        with hub().store.write() as conn:
            rules.keep_rule(conn, hub().clock, actor(), rule_id, values, chain)
    except Unusable as error:
        return _page(_row(rule_id) if rule_id else None, values, chain, words(error)), 422
    return done(_("Saved. Clocks that run keep the time they have."), "deadlines")


def _page(row: Any, values: Mapping[str, str], chain: Sequence[str], wrong: Mapping[str, str]) -> str:
    with hub().store.read() as conn:
        known = _known(conn)
    steps = [("", "—"), (rules.POOL_OF_LEAD, _("whose turn it is in the lead's own pool"))]
    steps += [(f"{rules.TO_POOL}{one}", _("whose turn it is in “%(pool)s”", pool=one)) for one in known["pools"]]
    steps += [(f"{rules.TO_MEMBER}{one}", name) for one, name in known["people"].items()]
    return render_template(
        "admin/deadline.html", row=row, values=values, chain=chain, steps=steps, wrong=wrong, **known
    )


def change(rule_id: str) -> Response:
    """Up, down, away."""
    what = request.form.get("do", "")
    if what not in ACTS:
        abort(400)
    with hub().store.write() as conn:
        rules.change_rule(conn, hub().clock, actor(), rule_id, what)
    return done(_("Saved."), "deadlines")


def usual() -> Response:
    """The defaults as rules that can be changed."""
    with hub().store.write() as conn:
        rules.write_defaults(conn, hub().clock, actor())
    return done(_("Saved."), "deadlines")


def last() -> Response:
    """Who gets what nobody else can take."""
    try:
        with hub().store.write() as conn:
            rules.name_last_resort(conn, hub().clock, actor(), typed("member"))
    except Unusable as error:
        return failed(sentence(error), "deadlines")
    return done(_("Saved."), "deadlines")
