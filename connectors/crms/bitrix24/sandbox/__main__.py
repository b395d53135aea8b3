"""`python -m connectors.crms.bitrix24.sandbox --port 5082 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.bitrix24.sandbox import Sandbox, create_sandbox
from connectors.crms.bitrix24.sandbox.demo import furnish
from connectors.testing.sandbox import main


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says. The webhook is `<address>/rest/1/<token>/`."""
    app = create_sandbox(rate=told.rate, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    return app


if __name__ == "__main__":
    main("Bitrix24", create, rate=2)
