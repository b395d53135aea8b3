"""A strict stand-in for a HubSpot account: same rules, same refusals, kept in memory.

It imitates what breaks connectors: texts everywhere, 207 with and without trace ids, refusals hidden as JSON inside a
sentence, contacts that exist by e-mail, a search that is behind and ends at 10,000, five searches a second, merges that
make a third id, deleted records in a list of their own, signed hooks that get lost or come twice, answers that never
arrive. `/` shows the account as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                         # the `Account`, to look at, to break and to play the people
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.hubspot.sandbox.board import pages
from connectors.crms.hubspot.sandbox.hooks import Post
from connectors.crms.hubspot.sandbox.setup_routes import api
from connectors.crms.hubspot.sandbox.state import Account
from connectors.testing.sandbox import serving

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 10,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty account. `rate` calls a second, counted over ten (None: any, and any number of searches), `lag` of
    the search index and `latency` in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.state.postman = Post(app.state)
    app.extensions["hubspot"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
