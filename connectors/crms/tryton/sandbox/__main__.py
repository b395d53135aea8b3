"""`python -m connectors.crms.tryton.sandbox --port 5081 --demo`: database `tryton`, user `hub`, password the token."""

from __future__ import annotations

import argparse

from connectors.crms.tryton.sandbox import Sandbox, create_sandbox
from connectors.testing.sandbox import main


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        for n, (name, state) in enumerate([("Balcony", "lead"), ("Two windows", "lead"), ("Front door", "opportunity"),
                                           ("Winter garden", "converted")]):  # fmt: skip
            [party] = app.state.create("party.party", [{"name": f"Customer {n + 1}"}])
            lead = {"description": name, "party": party, "reference": "", "amount": None}
            [ref] = app.state.create("sale.opportunity", [lead])
            app.state.rows["sale.opportunity"][ref]["state"] = state
    return app


if __name__ == "__main__":
    main("Tryton", create, rate=0)
