"""Deals beyond their stages: opened for a client without a lead, taken back by a plan, checked for what arrived."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from sqlalchemy import ColumnElement, Connection, or_, select, true
from werkzeug.wrappers import Response

from hub.funnel.dealing import ALONE, WITH_LEAD, open_deal, people_of
from hub.funnel.moves import NotPossible
from hub.model import contact, deal, direction, lead
from hub.sync.receipts import check_again
from hub.sync.unconvert import STAYS
from hub.web.desk.access import guard, whoami
from hub.web.desk.acts import actor, complain
from hub.web.desk.card import colleagues
from hub.web.desk.scope import Scope, my_scope
from hub.web.desk.shown import typed
from hub.web.desk.story import read_names, tell

bp = Blueprint("dealing", __name__)
guard(bp, "admin", "sales")

SELLERS = ("sales", "admin")


# ── the way back ─────────────────────────────────────────────────────────────────────────────────


@bp.get("/deals/<key:deal_id>/back")
def back(deal_id: str) -> str | tuple[str, int]:
    """What taking this deal back means, before it is done."""
    return _plan(deal_id, "")


@bp.post("/deals/<key:deal_id>/back")
def go_back(deal_id: str) -> Response | str | tuple[str, int]:
    """Do what was shown; shown again when something happened in between."""
    hub = current_app.extensions["hub"]
    with hub.store.read() as conn:
        my_scope().deal(conn, deal_id)
    try:
        lead_id, cards = hub.unconvert.carry_out(deal_id, actor(), typed("stamp") or "none")
    except NotPossible as error:
        return _plan(deal_id, complain(error, ""))
    hub.ring("push")
    left = [card for card in cards if card.what == STAYS]
    if left:
        return render_template("desk/deal_left.html", lead_id=lead_id, left=left)
    return redirect(url_for("card.show", lead_id=lead_id), 303)


def _plan(deal_id: str, complaint: str) -> str | tuple[str, int]:
    hub, scope = current_app.extensions["hub"], my_scope()
    with hub.store.read() as conn:
        row = scope.deal(conn, deal_id)
        names = read_names(conn, scope, row.direction_id)
    try:
        way = hub.unconvert.plan(deal_id)
    except NotPossible as error:
        return render_template("desk/deal_back.html", deal=row, way=None, complaint=complain(error, "")), 409
    since = [one for one in (tell(names, line) for line in way.here.since) if one]
    page = render_template(
        "desk/deal_back.html", deal=row, way=way, names=names, since=since, complaint=complaint,
        stage=names.stage("lead", way.here.stage),
    )  # fmt: skip
    return (page, 409) if complaint else page


@bp.post("/deals/<key:deal_id>/check")
def check(deal_id: str) -> Response:
    """Read the cards in the CRMs once more."""
    hub = current_app.extensions["hub"]
    with hub.store.write() as conn:
        check_again(conn, hub.clock, my_scope().deal(conn, deal_id).id)
    hub.ring("pull")
    return redirect(url_for("deals.show", deal_id=deal_id), 303)


# ── a deal without a lead ────────────────────────────────────────────────────────────────────────


@bp.get("/deals/new")
def new() -> str | Response:
    """For whom, where, and how."""
    who = typed("contact", 26)
    return _form(who, "") if who else redirect(url_for("deals.listing"))


@bp.post("/deals/new")
def make() -> Response | tuple[str, int]:
    """Open it."""
    hub, scope = current_app.extensions["hub"], my_scope()
    who, how = typed("contact", 26), typed("how")
    if how not in (WITH_LEAD, ALONE):
        abort(400)
    try:
        with hub.store.write() as conn:
            _person(conn, scope, who)
            owner = typed("owner", 26) if whoami().role == "admin" else whoami().id
            if owner not in {one.id for one in _sellers(conn)} or typed("direction", 26) not in _directions(conn):
                abort(400)
            deal_id = open_deal(conn, hub.clock, who, typed("direction", 26), owner, how, typed("reason"), actor())
    except NotPossible as error:
        return _form(who, complain(error, "")), 409
    hub.ring("push")
    return redirect(url_for("deals.show", deal_id=deal_id), 303)


def _form(contact_id: str, complaint: str) -> str:
    scope = my_scope()
    with current_app.extensions["hub"].store.read() as conn:
        person = _person(conn, scope, contact_id)
        known = people_of(conn, person.company_id) if person.company_id else []
        others = [one for one in known if one.id != contact_id and _sees(conn, scope, one.id)]
        return render_template(
            "desk/deal_new.html", person=person, others=others, directions=_directions(conn), complaint=complaint,
            sellers=_sellers(conn) if whoami().role == "admin" else [],
            how=request.values.get("how", WITH_LEAD), reason=typed("reason"),
        )  # fmt: skip


def _directions(conn: Connection) -> dict[str, str]:
    rows = conn.execute(select(direction).order_by(direction.c.main.desc(), direction.c.position))
    return {row.id: row.name for row in rows}


def _sellers(conn: Connection) -> list[Any]:
    return [one for one in colleagues(conn) if one.role in SELLERS]


def _person(conn: Connection, scope: Scope, contact_id: str) -> Any:
    """A client whom this member may see, or 404."""
    return conn.execute(select(contact).where(contact.c.id == contact_id, _known(scope))).one_or_none() or abort(404)


def _sees(conn: Connection, scope: Scope, contact_id: str) -> bool:
    return conn.execute(select(contact.c.id).where(contact.c.id == contact_id, _known(scope))).first() is not None


def _known(scope: Scope) -> ColumnElement[bool]:
    """Clients of the leads and deals that this member sees."""
    if scope.who.role == "admin":
        return true()
    by_lead = contact.c.id.in_(select(lead.c.contact_id).where(scope.leads()))
    return or_(by_lead, contact.c.id.in_(select(deal.c.contact_id).where(scope.deals())))
