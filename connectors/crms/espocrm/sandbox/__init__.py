"""A strict stand-in for an EspoCRM site: same shapes, same refusals, kept in memory.

It imitates what breaks connectors: one record a call, 409 with the duplicates, lists without phones, 403 for pages
over 200, whole-second times, fields that get a prefix, converted leads that stay, hooks as signed arrays that come
from a queue. `/` shows the site as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                          # the `Site`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.espocrm.sandbox.board import pages
from connectors.crms.espocrm.sandbox.routes import api
from connectors.crms.espocrm.sandbox.state import Site
from connectors.testing.sandbox import serving

__all__ = ["Sandbox", "Site", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the site behind it."""

    state: Site


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = None,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty site. `rate` calls a second a proxy lets through (None: any); `lag` is how long a change stays out of
    lists, `latency` what every call takes, in seconds. The administrator is admin / `token`."""
    app = Sandbox(__name__)
    app.state = Site(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.extensions["espocrm"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
