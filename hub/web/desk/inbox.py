"""The inbox of the desk: running leads, newest movement first, live.

The list on the page asks every two seconds whether it still holds. The question costs one indexed read of a page
of rows; the answer is 204 unless something in these rows changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template, request
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select
from werkzeug.wrappers import Response

from connectors.contract import digest
from hub.model import connection, contact, contact_point, lead, member, stage
from hub.web.desk.access import guard
from hub.web.desk.scope import Scope, my_scope
from hub.web.desk.search import LONGEST, matches
from hub.web.desk.shown import now, typed

bp = Blueprint("inbox", __name__)
guard(bp, "admin", "lead_desk", "sales")

PAGE = 50
MANY = 99
FILTERS = ("all", "mine", "nobody", "later", "rejected")
STATES = {"later": "nurture", "rejected": "rejected"}
CURSOR = re.compile(r"(\d{1,15})\.([0-9A-Z]{26})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the list shall show."""

    which: str
    search: str
    after: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of the list, the cursor of the next page ("" at the end), and a mark that changes with the rows."""

    rows: Sequence[Any]
    older: str
    mark: str
    counts: dict[str, int]


@bp.get("/desk")
def desk() -> str:
    """The inbox."""
    wanted = _wanted()
    return render_template("desk/inbox.html", wanted=wanted, page=read_page(my_scope(), wanted), many=MANY)


@bp.get("/desk/rows")
def rows() -> str | Response:
    """The list alone, 204 when it is the one that the page shows already."""
    wanted = _wanted()
    page = read_page(my_scope(), wanted)
    if typed("seen") == page.mark:
        return Response(status=204)
    return render_template("desk/rows.html", wanted=wanted, page=page, many=MANY)


def _wanted() -> Wanted:
    which = request.args.get("show", "")
    found = CURSOR.fullmatch(request.args.get("after", ""))
    return Wanted(
        which if which in FILTERS else "all", typed("q", LONGEST), (int(found[1]), found[2]) if found else None
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────

COLUMNS = (
    lead, contact.c.name.label("person"), contact.c.company, member.c.name.label("owner"),
    stage.c.name.label("stage_name"), stage.c.colour, connection.c.name.label("source_name"),
)  # fmt: skip


def read_page(scope: Scope, wanted: Wanted) -> Page:
    """One page of the inbox as this member may see it."""
    with current_app.extensions["hub"].store.read() as conn:
        found = list(conn.execute(_query(scope, wanted)))
        shown = found[:PAGE]
        reach = _reach(conn, [row.contact_id for row in shown])
        counts = {name: _count(conn, scope, name) for name in ("mine", "nobody")}
    last = shown[-1] if len(found) > PAGE else None
    rows = [(row, reach.get(row.contact_id, ())) for row in shown]
    moment = now()
    late = [row.id for row in shown if row.state == "open" and row.next_step_at < moment]
    seen = [tuple(row) + reach.get(row.contact_id, ()) for row in shown]
    mark = digest(repr((seen, late, counts)))[:16]
    return Page(rows, f"{last.active_at}.{last.id}" if last else "", mark, counts)


def _query(scope: Scope, wanted: Wanted) -> Select[Any]:
    at_stage = and_(stage.c.direction_id == lead.c.direction_id, stage.c.block == "lead", stage.c.key == lead.c.stage)
    place = lead.join(contact, contact.c.id == lead.c.contact_id).outerjoin(member, member.c.id == lead.c.owner_id)
    place = place.outerjoin(stage, at_stage).outerjoin(connection, connection.c.id == lead.c.connection_id)
    query = select(*COLUMNS).select_from(place).where(scope.leads(), _filter(scope, wanted))
    if wanted.after:
        at, lead_id = wanted.after
        query = query.where(or_(lead.c.active_at < at, and_(lead.c.active_at == at, lead.c.id < lead_id)))
    return query.order_by(lead.c.active_at.desc(), lead.c.id.desc()).limit(PAGE + 1)


def _filter(scope: Scope, wanted: Wanted) -> ColumnElement[bool]:
    """A search looks through leads of every state, a list only through running ones (or put off, or rejected)."""
    if wanted.search:
        return matches(lead, wanted.search)
    return and_(lead.c.state == STATES.get(wanted.which, "open"), _whose(scope, wanted.which))


def _whose(scope: Scope, which: str) -> ColumnElement[bool]:
    known: dict[str, ColumnElement[bool]] = {
        "mine": lead.c.owner_id == scope.who.id,
        "nobody": or_(lead.c.taken_by.is_(None), lead.c.taken_by == ""),
    }
    return known.get(which, lead.c.id == lead.c.id)


def _reach(conn: Connection, contact_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """How to reach these people: at most two ways each, phones first."""
    query = select(contact_point.c.contact_id, contact_point.c.kind, contact_point.c.value, contact_point.c.raw)
    kinds = ("phone", "email")
    found: dict[str, tuple[str, ...]] = {}
    order = (contact_point.c.kind.desc(), contact_point.c.first_seen_at, contact_point.c.value)
    mine = contact_point.c.contact_id.in_(list(contact_ids)) & contact_point.c.kind.in_(kinds)
    for row in conn.execute(query.where(mine).order_by(*order)):
        found[row.contact_id] = (*found.get(row.contact_id, ()), row.value)[:2]
    return found


def _count(conn: Connection, scope: Scope, which: str) -> int:
    """How many open leads, at most one more than we show."""
    some = select(lead.c.id).where(lead.c.state == "open", scope.leads(), _whose(scope, which)).limit(MANY + 1)
    return conn.execute(select(func.count()).select_from(some.subquery())).scalar() or 0
