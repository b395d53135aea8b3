"""A strict stand-in for an Odoo database, kept in memory: version 17 with JSON-RPC or 19 with JSON-2.

It imitates what breaks connectors: false for empty, one transaction per call that names no bad record, the archive out
of sight, change times that are shown and compared otherwise than they are kept, changes that are committed later than
they say, errors with status 200, webhooks that come eight times and before the change. `/` shows the teams as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                         # the `Database`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.odoo.sandbox.board import pages
from connectors.crms.odoo.sandbox.routes import api
from connectors.crms.odoo.sandbox.state import Database
from connectors.testing.sandbox import serving

__all__ = ["Database", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the database behind it."""

    state: Database


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = None,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
    version: int = 19,
) -> Sandbox:
    """A new database. `rate` calls a second (None: any); `lag` until people's changes are committed, in seconds."""
    app = Sandbox(__name__)
    app.state = Database(clock=clock, rate=rate, lag=lag, latency=latency, token=token, version=version)
    app.extensions["odoo"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
