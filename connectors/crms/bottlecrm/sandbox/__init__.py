"""A stand-in for a BottleCRM organisation: same rules, same refusals, kept in memory.

It imitates what breaks connectors: lists in random order without a filter by time, converted leads that no list shows,
deals without a time of change, e-mails that only one lead and one contact may have, 200 for a creation, 403 for a bad
token, pages for malformed ids, conversions that want an e-mail, webhooks signed with the time, answers that never
arrive. `/` shows it as a board.

    app = create_sandbox()
    with serving(app) as address: ...
    app.state                         # the `Account`, to look at, to break and to play the people
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.bottlecrm.sandbox.board import pages
from connectors.crms.bottlecrm.sandbox.side_routes import api
from connectors.crms.bottlecrm.sandbox.state import Account
from connectors.testing.sandbox import serving

__all__ = ["Account", "Sandbox", "create_sandbox", "serving"]


class Sandbox(Flask):
    """The WSGI application; `state` is the account behind it."""

    state: Account


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = None,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An organisation with three people. `rate` is without meaning, for BottleCRM has no limit. A change is listed
    `lag` seconds after its time; `latency` is in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, lag=lag, latency=latency, token=token)
    app.extensions["bottlecrm"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
