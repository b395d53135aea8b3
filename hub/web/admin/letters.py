"""Letters that did not leave, or perhaps did: what the attention page says of them, and its two buttons."""

from __future__ import annotations

from flask import Blueprint, abort, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from hub.robots.outbox import UNKNOWN
from hub.robots.parked import dismiss, send_again, state_of
from hub.web.admin.frame import actor, done, failed, hub

ACTS = {"again": send_again, "dismiss": dismiss}


def add_to(bp: Blueprint) -> None:
    """The buttons of this room; its list stands on the attention page."""
    bp.add_url_rule("/attention/letters/<key:letter_id>/<what>", "act_on_letter", act, methods=["POST"])


def act(letter_id: str, what: str) -> Response:
    """Send it again, on the admin's word, or leave it."""
    if what not in ACTS:
        abort(404)
    with hub().store.write() as conn:
        if what == "again" and state_of(conn, letter_id) == UNKNOWN and request.form.get("sure") != "yes":
            return failed(_("Tick the box first: it may have arrived already."), "attention")
        changed = ACTS[what](conn, hub().clock, actor(), letter_id)
    hub().ring("time")
    told = {"again": _("It is sent again."), "dismiss": _("Dismissed. It stays stored.")}
    return done(told[what] if changed else _("This was settled already."), "attention")


def channel_words() -> dict[str, str]:
    """Channels of letters in the reader's language."""
    return {
        "email": _("Mail"), "sms": _("SMS"), "messenger": _("Messenger"), "webhook": _("Webhook"),
        "audience": _("Ad audience"),
    }  # fmt: skip


def state_words() -> dict[str, tuple[str, str]]:
    """Each state: its name, and what to do."""
    return {
        "refused": (_("Refused"), _("Correct what is named, then send it again.")),
        "unknown": (_("Perhaps sent"), _("Ask the reader before you send it again.")),
        "new": (_("Waits for a way out"), _("Connect one, or switch it on again: then it leaves by itself.")),
    }
