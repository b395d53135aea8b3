"""`python -m connectors.crms.zoho.sandbox --port 5087 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.zoho.sandbox import Sandbox, create_sandbox
from connectors.crms.zoho.sandbox.state import STAGES, STATUSES, Organisation
from connectors.testing.sandbox import main

LEADS = (("Nora", "Feld", "Feld Ltd", "+12025550111"), ("Lina", "Orr", "Orr & Daughters", "+12025550113"),
         ("Pavel", "Stern", "[not provided]", "+12025550114"))  # fmt: skip
DEALS = (("Office of Blank & Sons", 610000), ("Panorama, 3 panes", 187000), ("Bathroom window", 27000))


def furnish(state: Organisation) -> None:
    """Some leads and deals."""
    for n, (first, last, firm, phone) in enumerate(LEADS):
        person = {"First_Name": first, "Last_Name": last, "Company": firm, "Phone": phone}
        state.create("Leads", {**person, "Lead_Status": STATUSES[1 + n % 2]})
    for n, (name, amount) in enumerate(DEALS):
        place = {"Stage": STAGES[n][0], "Pipeline": "Standard", "Closing_Date": "2026-12-31"}
        state.create("Deals", {"Deal_Name": name, "Amount": amount, **place})


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(rate=told.rate, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    return app


if __name__ == "__main__":
    main("Zoho CRM", create, rate=0)
