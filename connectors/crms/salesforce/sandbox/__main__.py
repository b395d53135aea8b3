"""`python -m connectors.crms.salesforce.sandbox --port 5086 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.salesforce.sandbox import Sandbox, create_sandbox
from connectors.crms.salesforce.sandbox.state import STAGES, STATUSES, Organisation
from connectors.testing.sandbox import main

LEADS = (("Nora", "Feld", "Feld Ltd", "+12025550111"), ("Lina", "Orr", "Orr & Daughters", "+12025550113"),
         ("Pavel", "Stern", "[not provided]", "+12025550114"))  # fmt: skip
DEALS = (("Office of Blank & Sons", 610000), ("Panorama, 3 panes", 187000), ("Bathroom window", 27000))


def furnish(state: Organisation) -> None:
    """Some leads and deals."""
    for n, (first, last, firm, phone) in enumerate(LEADS):
        person = {"FirstName": first, "LastName": last, "Company": firm, "Phone": phone}
        state.create("Lead", {**person, "Status": STATUSES[n % 2][0]})
    for n, (name, amount) in enumerate(DEALS):
        state.create(
            "Opportunity", {"Name": name, "Amount": amount, "StageName": STAGES[n][0], "CloseDate": state.day(30)}
        )


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(rate=told.rate, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    return app


if __name__ == "__main__":
    main("Salesforce", create, rate=0)
