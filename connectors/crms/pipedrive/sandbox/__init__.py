"""A strict stand-in for a Pipedrive company: two versions of an API over one memory.

It imitates what breaks connectors: one record a call, keys of 40 hex digits that differ in every company, paging by
cursor (v2) and by position (v1), conversions that are jobs, deleted deals that show for 30 days, a lagging search,
429 without Retry-After and then Cloudflare's 403 in HTML, tokens of the day, hooks with typed custom fields and
textual ids that get lost or come twice. `/` shows the company as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                          # the `Account`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.pipedrive.sandbox.board import pages
from connectors.crms.pipedrive.sandbox.hooks import Post
from connectors.crms.pipedrive.sandbox.setup_routes import api
from connectors.crms.pipedrive.sandbox.state import Account
from connectors.testing.sandbox import serving

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 20,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """A fresh company. `rate` calls in 2 s (None: any), `lag` of the search index and `latency` in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.state.postman = Post(app.state)
    app.extensions["pipedrive"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
