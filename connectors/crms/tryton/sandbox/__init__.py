"""A stand-in for a Tryton account with opportunities: same rules, same refusals, kept in memory.

It imitates what breaks connectors: `write_date` that is empty until the first change, times with microseconds of the
moment a transaction began, a call refused as a whole for one bad record, errors with status 200, states behind buttons,
closed records that are read-only, sessions that are forgotten, answers that never arrive. `/` shows it as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                         # the `Account`, to look at, to break and to play the people
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.tryton.sandbox.board import pages
from connectors.crms.tryton.sandbox.routes import api
from connectors.crms.tryton.sandbox.state import Account
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
    """An account with one company and three employees. The user is `hub`, `token` its password; `rate` is without
    meaning, for Tryton has no limit. A change is seen `lag` seconds after its time; `latency` is in seconds."""
    app = Sandbox(__name__)
    app.state = Account(clock=clock, lag=lag, latency=latency, password=token)
    app.extensions["tryton"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
