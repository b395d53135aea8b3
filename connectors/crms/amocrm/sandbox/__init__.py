"""A strict stand-in for an amoCRM account: same rules, same refusals, kept in memory.

It imitates what breaks connectors: whole-array 400, 204 for nothing, ids-only answers, a palette of 21 colours,
the stages 142 and 143 in every pipeline, whole-second change times, a lagging search, 429 and then 403,
unsigned hooks that get lost or come twice, answers that never arrive. `/` shows the account as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.extensions["amocrm"]          # the `Account`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.amocrm.sandbox.board import pages
from connectors.crms.amocrm.sandbox.hooks import Post
from connectors.crms.amocrm.sandbox.hung import api
from connectors.crms.amocrm.sandbox.state import Account
from connectors.testing.sandbox import serving

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 7,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty account. `rate` calls a second (None: any), `lag` of the search index and `latency` in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.state.postman = Post(app.state)
    app.extensions["amocrm"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
