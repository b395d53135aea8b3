"""Question sets per direction: what is asked, what must be known before the border, what an answer is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select
from werkzeug.wrappers import Response

from hub.funnel import question_sets as sets
from hub.funnel.border import policy
from hub.funnel.directions import directions
from hub.funnel.questions import KINDS, add_defaults
from hub.model import question
from hub.store.notes import note
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, words
from hub.web.desk.shown import typed

TYPED = ("name", "direction", "en", "ru", "kind", "options", "points", "required", "motive", "active")
LONGEST = 10_000
STEPS = {"up": -1, "down": 1}


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/questions", "questions", show)
    bp.add_url_rule("/questions/usual", "add_questions", usual, methods=["POST"])
    bp.add_url_rule("/questions/policy", "border_policy", keep_policy, methods=["POST"])
    bp.add_url_rule("/questions/new", "new_question", new)
    bp.add_url_rule("/questions/new", "add_question", add, methods=["POST"])
    bp.add_url_rule("/questions/<key:question_id>", "question", edit)
    bp.add_url_rule("/questions/<key:question_id>", "keep_question", keep, methods=["POST"])
    bp.add_url_rule("/questions/<key:question_id>/move", "move_question", move, methods=["POST"])


def kind_words() -> dict[str, str]:
    """Kinds of answers in the reader's language."""
    return {
        "text": _("Text"),
        "choice": _("One of several"),
        "number": _("Number"),
        "date": _("Date"),
        "yes": _("Yes or no"),
    }


def show() -> str:
    """Every set, the one for all directions first."""
    with hub().store.read() as conn:
        rows, places = sets.questions(conn), {one.id: one.name for one, _stages in directions(conn)}
        groups = [(key, [row for row in rows if row.direction_id == key]) for key in (None, *places)]
        return render_template(
            "admin/questions.html", groups=groups, directions=places, kinds=kind_words(), policy=policy(conn)
        )


def usual() -> Response:
    """The shipped questions for a direction or for all, which close the border to leads of whom too little is known."""
    chosen = typed("direction") or None
    with hub().store.write() as conn:
        if chosen not in (None, *(one.id for one, _stages in directions(conn))):
            abort(404)
        if add_defaults(conn, hub().clock, chosen):
            note(conn, hub().clock, "question", chosen or "all", "usual", actor())
    return done(_("The questions are asked from now on."), "questions")


def keep_policy() -> Response:
    """What becomes of cards dragged over in a CRM too early."""
    try:
        with hub().store.write() as conn:
            sets.set_policy(conn, hub().clock, actor(), typed("policy"))
    except Unusable as error:
        return failed(sentence(error), "questions")
    return done(_("Saved."), "questions")


def new() -> str:
    """An empty form."""
    return _page(None, {"kind": "text", "points": "5", "active": "yes", "direction": typed("direction")}, {})


def edit(question_id: str) -> str:
    """One question as it is."""
    row = _row(question_id)
    values = {"kind": row.kind, "points": str(row.points), "options": sets.written(row.options), **row.words}
    values |= {name: "yes" if getattr(row, name) else "" for name in ("required", "motive", "active")}
    return _page(row, values, {})


def _row(question_id: str) -> Any:
    with hub().store.read() as conn:
        return conn.execute(select(question).where(question.c.id == question_id)).one_or_none() or abort(404)


def add() -> Response | tuple[str, int]:
    """A new question."""
    return _keep(None)


def keep(question_id: str) -> Response | tuple[str, int]:
    """A question as it was typed."""
    return _keep(_row(question_id))


def _keep(row: Any) -> Response | tuple[str, int]:
    values = {name: typed(name, LONGEST) for name in TYPED}
    try:
        with hub().store.write() as conn:
            sets.keep_question(conn, hub().clock, actor(), row.id if row else "", values)
    except Unusable as error:
        return _page(row, values, words(error)), 422
    return done(_("Saved."), "questions")


def _page(row: Any, values: Mapping[str, str], wrong: Mapping[str, str]) -> str:
    with hub().store.read() as conn:
        places = {one.id: one.name for one, _stages in directions(conn)}
    return render_template(
        "admin/question.html", row=row, values=values, wrong=wrong, kinds={one: kind_words()[one] for one in KINDS},
        directions=places,
    )  # fmt: skip


def move(question_id: str) -> Response:
    """One place up or down."""
    what = request.form.get("do", "")
    if what not in STEPS:
        abort(400)
    with hub().store.write() as conn:
        sets.move(conn, hub().clock, actor(), question_id, STEPS[what])
    return done(_("Saved."), "questions")
