"""`python -m connectors.crms.odoo.sandbox --port 5085 --demo`"""

from __future__ import annotations

import argparse

from connectors.crms.odoo.sandbox import Sandbox, create_sandbox
from connectors.crms.odoo.sandbox.state import HUMAN, LEADS, Database
from connectors.testing.sandbox import main

CARDS = (
    ("lead", 1, "Form: balcony glazing", 0, "Nora Feld", "+12025550111"),
    ("lead", 1, "Mail: request for an offer", 0, "Lina Orr", "+12025550113"),
    ("lead", 2, "Call: country house", 240000, "Pavel Stern", "+12025550114"),
    ("opportunity", 2, "Office of Blank & Sons", 610000, "Rita Blank", "+12025550117"),
    ("opportunity", 3, "Panorama, 3 panes", 187000, "Yulia Frost", "+12025550119"),
    ("opportunity", 4, "Bathroom window", 27000, "Ada Moss", "+12025550121"),
)


def furnish(state: Database) -> None:
    """Some cards in both blocks."""
    for block, stage, name, amount, person, phone in CARDS:
        values = {"type": block, "stage_id": stage, "name": name, "expected_revenue": amount, "user_id": HUMAN}
        with state.transaction():
            state.create(LEADS, {**values, "contact_name": person, "phone": phone}, HUMAN)


def create(told: argparse.Namespace) -> Sandbox:
    """As the command line says."""
    app = create_sandbox(rate=told.rate, lag=told.lag, latency=told.latency, token=told.token)
    if told.demo:
        furnish(app.state)
    return app


if __name__ == "__main__":
    main("Odoo", create, rate=0)
