"""Pairs that may be one person, side by side with the evidence; one key answers, and the next pair is there.

The same as JSON at `/admin/whom.json`: `[{"id", "score", "at", "contacts": [...], "why": [...]}]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, jsonify, render_template
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.identity.merging import CannotMerge, undo
from hub.identity.review import answer, waiting
from hub.model import contact, contact_point, merge_log
from hub.web.admin.frame import PAGE, actor, done, failed, hub, told


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/whom", "whom", questions)
    bp.add_url_rule("/whom.json", "whom_json", as_json)
    bp.add_url_rule("/whom/<key:review_id>/<said>", "whom_answer", act, methods=["POST"])
    bp.add_url_rule("/whom/merges/<key:merge_id>", "whom_undo", take_back, methods=["POST"])


def questions() -> str:
    """What waits for an answer, and the merges of late, which can be taken back."""
    with hub().store.read() as conn:
        asked, merged = _questions(conn), _merges(conn)
    return render_template("admin/whom.html", asked=asked, merged=merged, tongue=str(get_locale()))


def as_json() -> Response:
    """The same for programs."""
    with hub().store.read() as conn:
        return jsonify(_questions(conn))


def act(review_id: str, said: str) -> Response:
    """One answer."""
    try:
        with hub().store.write() as conn:
            answer(conn, review_id, said, actor(), hub().clock.new_id(), hub().clock.now())
    except CannotMerge:
        return failed(_("This was answered already, or the two cannot be merged."), "whom")
    return done(_("Noted."), "whom")


def take_back(merge_id: str) -> Response:
    """Undo one merge."""
    try:
        with hub().store.write() as conn:
            undo(conn, merge_id, actor(), hub().clock.now())
    except CannotMerge as error:
        return failed(told(error.why), "whom")
    return done(_("They are two contacts again."), "whom")


def _questions(conn: Connection) -> list[dict[str, Any]]:
    rows = waiting(conn, PAGE)
    known = _contacts(conn, [key for row in rows for key in (row.first_id, row.second_id)])
    return [
        {
            "id": row.id, "score": row.score, "at": row.at, "why": row.why,
            "contacts": [known.get(key, {"id": key}) for key in (row.first_id, row.second_id)],
        }
        for row in rows
    ]  # fmt: skip


def _contacts(conn: Connection, ids: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        row.id: {"id": row.id, "name": row.name, "company": row.company, "since": row.created_at, "points": []}
        for row in conn.execute(select(contact).where(contact.c.id.in_(ids)))
    }
    for row in conn.execute(select(contact_point).where(contact_point.c.contact_id.in_(ids))):
        found[row.contact_id]["points"].append(row.value)
    return found


def _merges(conn: Connection) -> Sequence[Any]:
    late = select(merge_log).where(merge_log.c.undone_at.is_(None)).order_by(merge_log.c.at.desc()).limit(PAGE)
    rows = conn.execute(late).all()
    known = _contacts(conn, [key for row in rows for key in (row.winner_id, row.loser_id)])
    return [(row, known.get(row.winner_id, {}), known.get(row.loser_id, {})) for row in rows]
