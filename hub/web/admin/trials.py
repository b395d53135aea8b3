"""A draft of routing tried on the inquiries of the last days; published exactly as it was announced; a version taken
back, with the offer to route again what the bad one sent elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2s
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from hub.clock import DAY
from hub.funnel.directions import directions
from hub.insight import drafts
from hub.insight.trial import Difference, Trial
from hub.model import rule_set
from hub.store.notes import note
from hub.web.admin.drafts import row_of_draft
from hub.web.admin.frame import actor, done, failed, hub, titles_of, told
from hub.web.admin.pools import names_of
from hub.web.desk.shown import typed

SPANS = (7, 30, 90)
SHOWN = 200


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/drafts/<key:draft_id>/trial", "trial", show)
    bp.add_url_rule("/drafts/<key:draft_id>/publish", "publish_draft", publish, methods=["POST"])
    bp.add_url_rule("/drafts/back", "restore_version", restore, methods=["POST"])
    bp.add_url_rule("/drafts/again", "again", again)
    bp.add_url_rule("/drafts/again", "route_again", route_again, methods=["POST"])


def mark(trial: Trial, *bodies: Mapping[str, Any]) -> str:
    """Tells two announcements apart, lead by lead."""
    told = [asdict(one) for one in trial.differences], dict(trial.before), dict(trial.after), trial.leads
    whole = json.dumps([told, [drafts.stamp(body) for body in bodies]], sort_keys=True)
    return blake2s(whole.encode(), digest_size=12).hexdigest()


def _number(name: str, usual: int) -> int:
    text = typed(name)
    return int(text) if text.isdecimal() and len(text) < 16 else usual


def _days() -> int:
    days = _number("days", SPANS[1])
    return days if days in SPANS else SPANS[1]


# ── trying ───────────────────────────────────────────────────────────────────────────────────────


def show(draft_id: str) -> str:
    """What it would have changed: counts, then every lead."""
    with hub().store.read() as conn:
        return _page(conn, draft_id, _days(), hub().clock.now() + 1)


def _tried(conn: Connection, draft_id: str, days: int, until: int) -> tuple[Any, Trial, str]:
    row = row_of_draft(conn, draft_id)
    trial = drafts.simulate(conn, draft_id, until, days)
    return row, trial, mark(trial, row.body, drafts.read_body(conn))


def _page(conn: Connection, draft_id: str, days: int, until: int, stale: bool = False) -> str:
    row, trial, seen = _tried(conn, draft_id, days, until)
    names, shown = names_of(conn), trial.differences[:SHOWN]
    return render_template(
        "admin/trial.html", row=row, trial=trial, told=trial.announced(), shown=shown, seen=seen, days=days,
        until=until, spans=SPANS, names=names, titles=titles_of(conn, [one.lead_id for one in shown]), stale=stale,
        changes={one.lead_id: changes(one, names, _places(conn)) for one in shown},
        complaints=[told(one) for one in drafts.complaints_of(conn, row.body, until)],
    )  # fmt: skip


def _places(conn: Connection) -> dict[str, str]:
    return {one.id: one.name for one, _stages in directions(conn)}


def changes(one: Difference, people: Mapping[str, str], places: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(field, before, after) of everything that would differ for a lead, in the reader's language."""
    found = []
    for field, word, names in (
        ("owner", _("Responsible"), people), ("direction_id", _("Direction"), places), ("rule", _("Rule"), {}),
        ("pool", _("Pool"), {}),
    ):  # fmt: skip
        before, after = getattr(one.before, field), getattr(one.after, field)
        if before != after:
            found.append((word, names.get(before, before) or "—", names.get(after, after) or "—"))
    return found


# ── publishing ───────────────────────────────────────────────────────────────────────────────────


def publish(draft_id: str) -> Response | tuple[str, int]:
    """What was shown goes live; when it would be something else by now, that is shown and nothing changes."""
    days, until = _days(), _number("until", 0)
    with hub().store.read() as conn:
        _row, trial, seen = _tried(conn, draft_id, days, until)
        if seen != request.form.get("seen", ""):
            return _page(conn, draft_id, days, hub().clock.now() + 1, stale=True), 409
        stamps = _stamps(conn, draft_id)
    try:
        with hub().store.write() as conn:
            row_of_draft(conn, draft_id)
            if _stamps(conn, draft_id) != stamps:
                return failed(_("Rules were changed meanwhile. Nothing was published."), "trial", draft_id=draft_id)
            number = drafts.publish(conn, hub().clock, draft_id, actor(), trial)
    except drafts.NotPublished as error:
        return failed("; ".join(map(told, error.complaints)), "draft", draft_id=draft_id)
    return done(_("Version %(n)s counts from the next inquiry on.", n=number), "drafts")


def _stamps(conn: Connection, draft_id: str) -> tuple[str, str]:
    return drafts.stamp(drafts.body_of(conn, draft_id)), drafts.stamp(drafts.read_body(conn))


# ── taking back ──────────────────────────────────────────────────────────────────────────────────


def restore() -> Response:
    """A past version counts again."""
    try:
        with hub().store.write() as conn:
            number, since = drafts.restore(conn, hub().clock, _number("n", 0), actor())
    except KeyError:
        abort(404)
    except drafts.NotPublished as error:
        return failed("; ".join(map(told, error.complaints)), "drafts")
    done(_("Version %(n)s counts from the next inquiry on.", n=number), "drafts")
    return redirect(url_for("admin.again", since=since, until=hub().clock.now() + 1), 303)


def _span(conn: Connection) -> tuple[int, int]:
    """The span of a version that was live; 404 for any other."""
    since, until = _number("since", -1), _number("until", -1)
    known = {int(at) for at in conn.execute(select(rule_set.c.at).where(rule_set.c.state != drafts.DRAFT)).scalars()}
    if since not in known or not since <= until <= hub().clock.now() + DAY:
        abort(404)
    return since, until


def again() -> str:
    """Leads that the version before sent elsewhere, offered to be routed again."""
    with hub().store.read() as conn:
        since, until = _span(conn)
        found = drafts.misrouted(conn, since, until)
        titles = titles_of(conn, [one for one, _now, _then in found[:SHOWN]])
        return render_template(
            "admin/again.html", found=found, shown=found[:SHOWN], titles=titles, names=names_of(conn), since=since,
            until=until,
        )  # fmt: skip


def route_again() -> Response:
    """All of them go where the rules of now say; who took a lead meanwhile keeps it."""
    with hub().store.read() as conn:
        found = drafts.misrouted(conn, *_span(conn))
    with hub().store.write() as conn:
        moved = drafts.route_again(conn, hub().clock, found)
        live = conn.execute(select(rule_set.c.id).where(rule_set.c.state == drafts.LIVE)).scalar()
        note(conn, hub().clock, "rules", str(live), "routed_again", actor(), {"leads": moved})
    hub().ring("push")
    return done(_("%(n)s leads changed hands.", n=moved), "drafts")
