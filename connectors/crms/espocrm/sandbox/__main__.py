"""`python -m connectors.crms.espocrm.sandbox --port 5090 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.espocrm.sandbox import Sandbox, create_sandbox
from connectors.crms.espocrm.sandbox.board import furnish
from connectors.testing.sandbox import main


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(rate=told.rate, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    return app


if __name__ == "__main__":
    main("EspoCRM", create, rate=0)
