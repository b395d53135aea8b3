"""`python -m connectors.crms.bottlecrm.sandbox --port 5081 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.bottlecrm.sandbox import Sandbox, create_sandbox
from connectors.testing.sandbox import main


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        cards = {"Balcony": "assigned", "Two windows": "in process", "Door": "assigned", "Winter garden": "converted"}
        for n, (title, status) in enumerate(cards.items()):
            mail = f"customer{n}@house.test"
            ref = app.state.create("leads", {"title": title, "first_name": f"Customer {n + 1}", "email": mail})
            app.state.change("leads", ref, {"status": status})
    return app


if __name__ == "__main__":
    main("BottleCRM", create, rate=0)
