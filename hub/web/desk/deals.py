"""Deals, for sales and admins. For the lead desk these addresses do not exist (see `shield`)."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from sqlalchemy import and_, or_, select
from werkzeug.wrappers import Response

from hub.funnel.carried import receipts_of
from hub.funnel.moves import NotPossible, move_deal
from hub.funnel.tags import ROOM, retag
from hub.model import contact, deal, member, stage
from hub.web.desk import words
from hub.web.desk.access import guard
from hub.web.desk.acts import actor, complain, write_note
from hub.web.desk.card import block_stages, read_person, suggested
from hub.web.desk.scope import Scope, my_scope
from hub.web.desk.search import LONGEST, matches
from hub.web.desk.shown import typed
from hub.web.desk.story import read_names, read_story

bp = Blueprint("deals", __name__)
guard(bp, "admin", "sales")

PAGE = 50
CURSOR = re.compile(r"(\d{1,15})\.([0-9A-Z]{26})")


@bp.get("/deals")
def listing() -> str:
    """Deals by stage or those that are looked for, the newest movement first."""
    chosen, search = typed("stage", 60), typed("q", LONGEST)
    with current_app.extensions["hub"].store.read() as conn:
        rows = list(conn.execute(_query(my_scope(), chosen, search)))
        stages = {row.key: row for row in conn.execute(my_scope().stages()) if row.block == "deal"}
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    older = f"{last.active_at}.{last.id}" if last else ""
    told = {"rows": rows[:PAGE], "older": older, "stages": stages.values(), "chosen": chosen, "search": search}
    return render_template("desk/deals.html", **told)


def _query(scope: Scope, chosen: str, search: str) -> Any:
    at_stage = and_(stage.c.direction_id == deal.c.direction_id, stage.c.block == "deal", stage.c.key == deal.c.stage)
    place = deal.join(contact, contact.c.id == deal.c.contact_id).outerjoin(member, member.c.id == deal.c.owner_id)
    columns = (deal, contact.c.name.label("person"), member.c.name.label("owner"), stage.c.name.label("stage_name"))
    query = select(*columns, stage.c.colour).select_from(place.outerjoin(stage, at_stage)).where(scope.deals())
    query = query.where(deal.c.stage == chosen) if chosen else query.where(deal.c.state != "reverted")
    query = query.where(matches(deal, search)) if search else query
    if found := CURSOR.fullmatch(request.args.get("after", "")):
        at, deal_id = int(found[1]), found[2]
        query = query.where(or_(deal.c.active_at < at, and_(deal.c.active_at == at, deal.c.id < deal_id)))
    return query.order_by(deal.c.active_at.desc(), deal.c.id.desc()).limit(PAGE + 1)


@bp.get("/deals/<key:deal_id>")
def show(deal_id: str) -> str:
    """One deal with the history of its lead."""
    return _page(deal_id, "desk/deal.html", "")


@bp.post("/deals/<key:deal_id>/<any(stage, note, tags):act>")
def press(deal_id: str, act: str) -> Response | tuple[str, int] | str:
    """Put it on another stage, write a note, or say its tags."""
    hub = current_app.extensions["hub"]
    in_place = bool(request.headers.get("HX-Request"))
    complaint = ""
    try:
        with hub.store.write() as conn:
            row = my_scope().deal(conn, deal_id)
            if act == "note":
                write_note(conn, hub.clock, "deal", row)
            elif act == "tags":
                retag(conn, hub.clock, "deal", row, typed("tags", ROOM), actor(), typed("shown", ROOM))
            else:
                move_deal(conn, hub.clock, row.id, typed("stage"), actor(), typed("reason"))
        hub.ring("push")
    except NotPossible as error:
        complaint = complain(error, "")
    if not complaint and not in_place:
        return redirect(url_for("deals.show", deal_id=deal_id), 303)
    page = _page(deal_id, "desk/deal_body.html" if in_place else "desk/deal.html", complaint)
    return page, 409 if complaint else 200


def _page(deal_id: str, template: str, complaint: str) -> str:
    scope = my_scope()
    with current_app.extensions["hub"].store.read() as conn:
        row = scope.deal(conn, deal_id)
        names = read_names(conn, scope, row.direction_id)
        subjects = {row.contact_id: "contact", row.id: "deal", **({row.lead_id: "lead"} if row.lead_id else {})}
        links = list(conn.execute(scope.links(row, "deal")))
        person = read_person(conn, row.contact_id)
        story = read_story(conn, names, subjects, row.lead_id)
        receipts = receipts_of(conn, row.id)
        reasons = suggested(conn, words.LOSSES)
    stages = block_stages(names, "deal")
    at = next((one for one in stages if one.key == row.stage), None)
    return render_template(
        template, deal=row, person=person, names=names, stages=stages, at=at, links=links, story=story,
        reasons=reasons, complaint=complaint, receipts=receipts,
    )  # fmt: skip
