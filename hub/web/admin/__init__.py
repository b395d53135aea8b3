"""The pages where admins set the hub up: first run, connections, mappings, CRM set-up, attention, team, rules.

`init_app` is the only wiring. Guarantees: everything under /admin is for admins, checked in one place; no answer
ever holds a secret; every change leaves a line in the journal that names who made it.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, redirect, url_for
from werkzeug.wrappers import Response

from hub.intake import quarantine
from hub.robots import parked
from hub.sync import unsaid
from hub.web.admin import (
    attention,
    connections,
    consent,
    conversion,
    crm,
    deadlines,
    drafts,
    first,
    hours,
    mapping,
    owners,
    people,
    pools,
    questions,
    robot_edit,
    robots,
    routing,
    seats,
    targets,
    trials,
    watch,
    weights,
    whom,
)
from hub.web.admin.frame import hub
from hub.web.desk.access import guard

ROOMS = (
    connections, consent, mapping, crm, owners, attention, whom, weights, people, seats, hours, pools, deadlines,
    routing, drafts, trials, questions, targets, watch, conversion, robots, robot_edit,
)  # fmt: skip


def init_app(app: Flask, owner: Any) -> None:
    """Add the admin pages and the first page to the application."""
    bp = Blueprint("admin", __name__, url_prefix="/admin")
    guard(bp, "admin")
    bp.get("")(home)
    bp.app_context_processor(lambda: {"waiting_for_you": waiting_for_you})
    for room in ROOMS:
        room.add_to(bp)
    first.add_steps(bp)
    app.register_blueprint(bp)
    first.init_app(app, owner)


def waiting_for_you() -> int:
    """How many messages and records wait for an admin."""
    with hub().store.read() as conn:
        return quarantine.how_many(conn) + unsaid.how_many(conn) + parked.how_many(conn, hub().clock.now())


def home() -> Response:
    """Where admins begin."""
    return redirect(url_for("admin.connections"))
