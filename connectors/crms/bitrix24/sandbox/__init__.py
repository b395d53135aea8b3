"""A strict stand-in for a Bitrix24 account: same rules, same refusals, kept in memory.

It imitates what breaks connectors: batches that go on after a refusal and answer 200 whatever happened, `[]` for an
empty map, references to earlier answers that lead nowhere, pages of 50, whole-second change times, phones with ids,
unknown fields that are ignored, stages with a prefix, 503 and 429 as limits, events without a second try, accounts
without leads, in which a lead becomes a deal at once. `/` shows the account as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...     # the webhook is f"{address}/rest/1/sandbox-token/"
    app.state                             # the `Account`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.bitrix24.sandbox.board import pages
from connectors.crms.bitrix24.sandbox.hooks import Post
from connectors.crms.bitrix24.sandbox.routes import api
from connectors.crms.bitrix24.sandbox.state import Account
from connectors.testing.sandbox import serving

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 2,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty account with leads. `rate` calls a second after a burst of 50 (None: any), `lag` of lists by change
    time and `latency` in seconds; `token` is the secret of the webhook."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.state.postman = Post(app.state)
    app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
