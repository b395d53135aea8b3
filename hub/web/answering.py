"""What a link in a mail to a colleague opens: a page that asks once more, and its button.

Guarantees: opening a link changes nothing, however often a scanner opens it; the token alone says whose answer to which
lead this is, whoever is logged in; what is too old or not ours is told apart, and nothing of a lead is shown for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template, request
from sqlalchemy import select

from hub.funnel.moves import NotPossible
from hub.model import lead, member
from hub.notices.answers import ACTS, LATER, answer, why_not
from hub.notices.reach import link_mail
from hub.notices.seals import MAIL, Asked, BadToken
from hub.notices.words import say
from hub.web.desk.tongue import _

bp = Blueprint("answering", __name__)

Page = tuple[str, int]


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page is about; `title` is the lead's, or the address."""

    asked: Asked
    name: str
    locale: str
    title: str


@bp.get("/answer/<token>")
def show(token: str) -> Page:
    """Ask once more."""
    try:
        return _page(_read(token)), 200
    except BadToken as error:
        return _bad(error)


@bp.post("/answer/<token>")
def press(token: str) -> Page:
    """Do it, in one transaction."""
    hub = current_app.extensions["hub"]
    try:
        shown = _read(token)
        with hub.store.write() as conn:
            _do(conn, hub.clock, shown)
    except BadToken as error:
        return _bad(error)
    except NotPossible as error:
        with hub.store.read() as conn:
            told = why_not(conn, error, shown.asked.subject, shown.locale)
        return _page(shown, wrong=told), 409
    hub.ring("push")
    return _page(
        shown, done=_("Done.") if shown.asked.act == MAIL else say(shown.locale, f"done:{shown.asked.act}")
    ), 200


def _do(conn: Any, clock: Any, shown: _Shown) -> None:
    if shown.asked.act == MAIL:
        link_mail(conn, clock, shown.asked.member_id, shown.asked.subject)
    else:
        answer(conn, clock, shown.asked, request.form.get("when") or request.form.get("text") or "")


def _read(token: str) -> _Shown:
    """The member and the lead of a token; raises `BadToken`, also for a member who left and a lead that is gone."""
    hub = current_app.extensions["hub"]
    asked = hub.seals.open(token, hub.clock.now())
    if asked.act not in (*ACTS, MAIL):
        raise BadToken
    with hub.store.read() as conn:
        who = conn.execute(select(member).where(member.c.id == asked.member_id, member.c.active)).one_or_none()
        title = conn.execute(select(lead.c.title).where(lead.c.id == asked.subject)).scalar()
    if who is None or (title is None and asked.act != MAIL):
        raise BadToken
    return _Shown(asked, who.name, who.locale, asked.subject if asked.act == MAIL else str(title))


def _page(shown: _Shown, wrong: str = "", done: str = "") -> str:
    locale, act = shown.locale, shown.asked.act
    choices = [(one, say(locale, one)) for one in LATER] if act == "later" else []
    label = _("Get my leads here") if act == MAIL else say(locale, act)
    return render_template("answer.html", shown=shown, label=label, choices=choices, act=act, wrong=wrong, done=done)


def _bad(error: BadToken) -> Page:
    told = _("This link is too old. Open the lead in the hub.") if error.stale else _("This link is not one of ours.")
    return render_template("answer.html", shown=None, wrong=told, done=""), 410 if error.stale else 404
