"""The pages where admins set the hub up: first run, connections, mappings, CRM set-up, attention, team, rules.

`init_app` is the only wiring. Guarantees: everything under /admin is for admins, checked in one place; no answer
ever holds a secret; every change leaves a line in the journal that names who made it.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, redirect, url_for
from werkzeug.wrappers import Response

from hub.web.admin import attention, connections, crm, first, mapping, people, routing
from hub.web.desk.access import guard

ROOMS = (connections, mapping, crm, attention, people, routing)


def init_app(app: Flask, hub: Any) -> None:
    """Add the admin pages and the first page to the application."""
    bp = Blueprint("admin", __name__, url_prefix="/admin")
    guard(bp, "admin")
    bp.get("")(home)
    for room in ROOMS:
        room.add_to(bp)
    first.add_steps(bp)
    app.register_blueprint(bp)
    first.init_app(app, hub)


def home() -> Response:
    """Where admins begin."""
    return redirect(url_for("admin.connections"))
