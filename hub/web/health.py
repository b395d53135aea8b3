"""Is this process well, and does the database answer? For load balancers and people in a hurry."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response, current_app
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from hub.model import event, event_work, inbox_reader, link
from hub.model.intake import UNDECIDED

bp = Blueprint("health", __name__)


@bp.get("/health")
def health() -> Response:
    """200 with a few counts, 503 when the database does not answer. No names, no secrets."""
    hub = current_app.extensions["hub"]
    try:
        with hub.store.read_inbox() as conn:
            newest = conn.execute(select(func.max(event.c.seq))).scalar() or 0
        with hub.store.read() as conn:
            taken = conn.execute(select(inbox_reader.c.seq)).scalar() or 0
            begun = conn.execute(select(func.count()).where(UNDECIDED, event_work.c.state == "taken")).scalar() or 0
            attention = conn.execute(
                select(func.count()).where(event_work.c.state.in_(("parked", "quarantined")))
            ).scalar()
            waiting = conn.execute(
                select(func.count()).where(
                    link.c.dirty > 0, link.c.state.in_(("new", "sending", "uncertain", "linked"))
                )
            ).scalar()
    except DBAPIError:
        return _json({"ok": False, "database": "does not answer"}, 503)
    return _json({"ok": True, "backlog": max(newest - taken, 0) + begun, "attention": attention, "to_crms": waiting})


def _json(value: Mapping[str, object], status: int = 200) -> Response:
    return Response(current_app.json.dumps(value), status, content_type="application/json")
