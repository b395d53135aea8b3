"""What the desk does with a lead: buttons that end in `hub.funnel.moves`, in one transaction with the check of scope.

Pressing twice is pressing once. A move that cannot be made is a sentence on the card, not an error page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.clock import Clock
from hub.funnel.border import cross
from hub.funnel.decisions import keep_contact, put_off
from hub.funnel.evidence import CALL, MEETING, show
from hub.funnel.moves import (
    NotPossible,
    give_lead,
    move_lead,
    reject_lead,
    reopen_lead,
    take_lead,
)
from hub.funnel.questions import give_answer
from hub.funnel.remarks import LONGEST, plan, remark
from hub.funnel.tags import ROOM, retag
from hub.funnel.targets import note_target
from hub.model import lead, member
from hub.web.desk import person, words
from hub.web.desk.access import guard, whoami
from hub.web.desk.card import colleagues, heirs, read_card
from hub.web.desk.scope import my_scope
from hub.web.desk.shown import day_begins, typed
from hub.web.desk.tongue import _

bp = Blueprint("acts", __name__)
guard(bp, "admin", "lead_desk", "sales")

Act = Callable[[Connection, Clock, Any], None]


@bp.post(
    "/leads/<key:lead_id>/<any(take, give, stage, reject, reopen, convert, touch, answer, contact, later, target, "
    "note, tags, person, elsewhere):act>"
)
def press(lead_id: str, act: str) -> Response | tuple[str, int] | str:
    """One button of the card."""
    complaint = ""
    hub = current_app.extensions["hub"]
    try:
        with hub.store.write() as conn:
            ACTS[act](conn, hub.clock, my_scope().lead(conn, lead_id))
        hub.ring("push")
    except NotPossible as error:
        complaint = complain(error, lead_id)
    return _answer(lead_id, complaint)


def _answer(lead_id: str, complaint: str) -> Response | tuple[str, int] | str:
    if not _still_mine(lead_id):
        return _to(url_for("inbox.desk"))
    if request.form.get("back") == "desk" and not complaint:
        return _to(url_for("inbox.desk"))
    if not complaint and not request.headers.get("HX-Request"):
        return redirect(url_for("card.show", lead_id=lead_id), 303)
    page = "desk/card_body.html" if request.headers.get("HX-Request") else "desk/card.html"
    card = read_card(my_scope(), lead_id)
    return render_template(page, card=card, complaint=complaint), 409 if complaint else 200


def _to(address: str) -> Response:
    if request.headers.get("HX-Request"):
        return Response(status=200, headers={"HX-Redirect": address})
    return redirect(address, 303)


def _still_mine(lead_id: str) -> bool:
    """Sales people who gave a lead away have nothing to look at any more."""
    with current_app.extensions["hub"].store.read() as conn:
        return conn.execute(select(lead.c.id).where(lead.c.id == lead_id, my_scope().leads())).first() is not None


def complain(error: NotPossible, lead_id: str) -> str:
    """Why a move was not made, in the reader's language."""
    if error.code == "taken":
        return _("%(name)s has taken this lead already.", name=_taker(lead_id))
    return str(words.NOT_POSSIBLE.get(error.code, str(error)))


def _taker(lead_id: str) -> str:
    with current_app.extensions["hub"].store.read() as conn:
        place = lead.join(member, member.c.id == lead.c.taken_by)
        name = conn.execute(select(member.c.name).select_from(place).where(lead.c.id == lead_id)).scalar()
    return str(name or _("somebody"))


# ── the acts ─────────────────────────────────────────────────────────────────────────────────────


def actor() -> str:
    """The running member as the journal names actors."""
    return f"member:{whoami().id}"


def _take(conn: Connection, clock: Clock, row: Any) -> None:
    take_lead(conn, clock, row.id, whoami().id)


def _give(conn: Connection, clock: Clock, row: Any) -> None:
    wanted = typed("owner")
    if wanted not in {one.id for one in colleagues(conn)}:
        abort(400)
    give_lead(conn, clock, row.id, wanted, actor())


def _stage(conn: Connection, clock: Clock, row: Any) -> None:
    move_lead(conn, clock, row.id, typed("stage"), actor())


def _reject(conn: Connection, clock: Clock, row: Any) -> None:
    if row.state != "rejected":
        reject_lead(conn, clock, row.id, typed("reason"), actor())


def _reopen(conn: Connection, clock: Clock, row: Any) -> None:
    if row.state != "open":
        keys = [one.key for one in _lead_stages(conn, row) if not one.final]
        reopen_lead(conn, clock, row.id, row.stage if row.stage in keys else (*keys, "new")[0], actor())


def _lead_stages(conn: Connection, row: Any) -> list[Any]:
    return [
        one for one in conn.execute(my_scope().stages()) if (one.block, one.direction_id) == ("lead", row.direction_id)
    ]


def _convert(conn: Connection, clock: Clock, row: Any) -> None:
    """The deal belongs to somebody who sells: the lead goes to that person first, in the same transaction."""
    if row.state == "open":
        known = {one.id for one in heirs(row, colleagues(conn))}
        wanted = typed("owner") or row.owner_id
        if wanted not in known and known:
            raise NotPossible("no_heir", _("Choose who gets it: somebody from sales."))
        if known:
            give_lead(conn, clock, row.id, wanted, actor())
    cross(conn, clock, row.id, actor(), force=typed("force"))


def _touch(conn: Connection, clock: Clock, row: Any) -> None:
    """Evidence of work: what stops a clock."""
    kind = typed("kind")
    facts: dict[str, Any] = {"text": typed("text")}
    if kind in (CALL, MEETING) and typed("reached") == "yes":
        facts["answered"] = True
    show(conn, clock, row.id, kind, actor(), **facts)


def _question(conn: Connection, clock: Clock, row: Any) -> None:
    give_answer(conn, clock, row.id, typed("question"), typed("value"), actor())


def _contact(conn: Connection, clock: Clock, row: Any) -> None:
    if row.state != "contact":
        keep_contact(conn, clock, row.id, typed("reason"), actor())


def _later(conn: Connection, clock: Clock, row: Any) -> None:
    """Until the beginning of that day, where the hub is."""
    if row.state != "nurture":
        put_off(conn, clock, row.id, day_begins(typed("until", 10)), typed("why"), actor())


def _target(conn: Connection, clock: Clock, row: Any) -> None:
    action, _bar, phase = typed("target").partition("|")
    note_target(conn, clock, row.id, action, phase, actor(), text=typed("text"))


def _note(conn: Connection, clock: Clock, row: Any) -> None:
    write_note(conn, clock, "lead", row)


def write_note(conn: Connection, clock: Clock, subject: str, row: Any) -> None:
    """A note, or with a time the next step."""
    until = typed("until", 16)
    if until:
        plan(conn, clock, subject, row, typed("text", LONGEST), day_begins(until), whoami().id)
    else:
        remark(conn, clock, subject, row.id, typed("text", LONGEST), whoami().id)


def _tags(conn: Connection, clock: Clock, row: Any) -> None:
    retag(conn, clock, "lead", row, typed("tags", ROOM), actor(), typed("shown", ROOM))


ACTS: dict[str, Act] = {
    "take": _take, "give": _give, "stage": _stage, "reject": _reject, "reopen": _reopen, "convert": _convert,
    "touch": _touch, "answer": _question, "contact": _contact, "later": _later, "target": _target,
    "note": _note, "tags": _tags, "person": person.keep, "elsewhere": person.elsewhere,
}  # fmt: skip
