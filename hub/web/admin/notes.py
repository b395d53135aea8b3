"""Notes and tasks that a CRM did not take: their two buttons; the list stands on the attention page."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from hub.sync import unsaid
from hub.web.admin.frame import actor, done, failed, hub

ACTS = {"again": unsaid.try_again, "leave": unsaid.leave}


def add_to(bp: Blueprint) -> None:
    """The buttons of this room."""
    bp.add_url_rule("/attention/notes/<key:hanging_id>/<what>", "act_on_note", act, methods=["POST"])


def act(hanging_id: str, what: str) -> Response:
    """Send it again, or leave it out of the CRM."""
    if what not in ACTS:
        abort(404)
    with hub().store.write() as conn:
        if what == "again" and unsaid.is_in_doubt(conn, hanging_id) and request.form.get("sure") != "yes":
            return failed(_("Tick the box first: it may have arrived already."), "attention")
        changed = ACTS[what](conn, hub().clock, actor(), hanging_id)
    hub().ring("push")
    told = {"again": _("It is sent again."), "leave": _("Left out of the CRM. It stays in the timeline here.")}
    return done(told[what] if changed else _("This was settled already."), "attention")


def what_words() -> dict[str, str]:
    """What hangs on a card, in the reader's language."""
    return {
        "note": _("Note"), "task": _("Task"), "call": _("Call"), "message": _("Message"), "mail": _("Mail"),
        "meeting": _("Meeting"),
    }  # fmt: skip
