"""Weights learnt from the answers about pairs: shown beside those of now with what they would change, used after one
press, and as they were after another.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from hub.identity.estimate import LEAST, WEIGHTS, Proposal, propose
from hub.identity.replay import differences
from hub.identity.review import answered
from hub.identity.rules import configured
from hub.identity.sentences import PIECES
from hub.identity.stored import BEFORE, bring_back, read_rules_of_identity, replace_rules, replaced
from hub.store.notes import note
from hub.web.admin.frame import PAGE, actor, done, failed, hub


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/whom/weights", "weights", show)
    bp.add_url_rule("/whom/weights", "use_weights", use, methods=["POST"])
    bp.add_url_rule("/whom/weights/back", "weights_back", back, methods=["POST"])


def show() -> str:
    """The proposal, and the latest inquiries that it would decide otherwise."""
    with hub().store.read() as conn:
        found, rules = _proposal(conn), read_rules_of_identity(conn)
        played, changed = (
            differences(conn, rules, configured({**replaced(conn), **found.values})) if found.values else (0, [])
        )
        again = replaced(conn) != replaced(conn, BEFORE)
    return render_template(
        "admin/weights.html", found=found, least=LEAST, about=_about(), seen=_seen(found), played=played,
        changed=changed[:PAGE], more=len(changed[PAGE:]), again=again, outcome=outcome,
    )  # fmt: skip


def _proposal(conn: Connection) -> Proposal:
    return propose(answered(conn), read_rules_of_identity(conn))


def _about() -> dict[str, str]:
    """What each weight is about, in the reader's language: the first piece of evidence behind it."""
    russian = str(get_locale()).startswith("ru")
    told = {
        name: PIECES[code][russian].replace("{what}", "").rstrip(" :") for code, name in reversed(list(WEIGHTS.items()))
    }
    return {name: " ".join(text.split()) for name, text in told.items()}


def _seen(found: Proposal) -> str:
    return ",".join(f"{name}={value}" for name, value in sorted(found.values.items()))


def outcome(told: tuple[str, str]) -> str:
    """What was decided about an inquiry."""
    what, whom = told
    words: dict[str, str] = {
        "new": _("a new contact"),
        "joined": _("joins %(name)s", name=whom or "—"),
        "merged": _("joins %(name)s and merges contacts", name=whom or "—"),
        "asked": _("a question about %(name)s", name=whom or "—"),
    }
    return words[what]


def use() -> Response:
    """Use what was shown, or nothing."""
    with hub().store.write() as conn:
        found = _proposal(conn)
        if not found.values or _seen(found) != request.form.get("seen", ""):
            return failed(_("There are other answers by now: look at the weights once more."), "weights")
        replace_rules(conn, found.values)
        _note(conn, "weights_used", found.values)
    return done(_("The new weights decide from now on. Nothing that was decided changes."), "weights")


def back() -> Response:
    """The weights as they were."""
    with hub().store.write() as conn:
        if not bring_back(conn):
            return failed(_("There is nothing to bring back."), "weights")
        _note(conn, "weights_back", replaced(conn))
    return done(_("The former weights decide again."), "weights")


def _note(conn: Connection, what: str, values: Any) -> None:
    note(conn, hub().clock, "identity", "weights", what, actor(), {"values": values})
