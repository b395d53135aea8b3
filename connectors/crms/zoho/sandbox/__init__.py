"""A strict stand-in for a Zoho CRM organisation, kept in memory.

It imitates what breaks connectors: 204 and 304 for nothing, an outcome for each record with any status, converted leads
that leave the lists, a bin of its own, at most 50 fields, unique fields, queries with their brackets, a search behind
its records, changes that are committed later than they say, notifications of ids. `/` shows leads and deals as boards.

    app = create_sandbox()
    with serving(app) as address: ...
    app.state                         # the `Organisation`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.zoho.sandbox.board import pages
from connectors.crms.zoho.sandbox.routes import api
from connectors.crms.zoho.sandbox.state import Organisation
from connectors.testing.sandbox import serving

__all__ = ["Organisation", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the organisation behind it."""

    state: Organisation


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = None,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """A new organisation. `rate`: credits of the day (None: any); `lag`: seconds until people's changes are seen."""
    app = Sandbox(__name__)
    app.state = Organisation(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.extensions["zoho"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
