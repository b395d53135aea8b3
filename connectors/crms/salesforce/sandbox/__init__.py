"""A strict stand-in for a Salesforce organisation, kept in memory.

It imitates what breaks connectors: an outcome for each record of a collection and none for those of one that cannot be
read, hidden fields, a bin and merges, a day's calls used up with a 403, conversions by SOAP only with their elements in
order, a search behind its records, changes that are committed later than they say. `/` shows leads and deals as boards.

    app = create_sandbox()
    with serving(app) as address: ...
    app.state                         # the `Organisation`, to look at, to break and to play the human
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask

from connectors.crms.salesforce.sandbox.board import pages
from connectors.crms.salesforce.sandbox.routes import api
from connectors.crms.salesforce.sandbox.state import Organisation
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
    """A new organisation. `rate`: calls left today (None: any); `lag`: seconds until people's changes are committed."""
    app = Sandbox(__name__)
    app.state = Organisation(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.extensions["salesforce"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(pages(app.state))
    return app
