"""The account on the board: one column for each state of an opportunity."""

from __future__ import annotations

from flask import Blueprint

from connectors.crms.tryton.sandbox.state import LEAD, STATES, Account, Row
from connectors.testing.sandbox import Card, Column, Lane, board


def pages(state: Account) -> Blueprint:
    """The board of this account."""

    def move(card: str, column: str, lane: str) -> None:
        state.drag_card(int(card), column)

    def lanes() -> list[Lane]:
        with state.lock:
            rows = sorted(state.rows[LEAD].values(), key=lambda row: -row["id"])
            cards = {one: [_card(state, row) for row in rows if row["state"] == one] for one in STATES}
        columns = [Column(one, one.title(), cards[one], "", "lead" if one == "lead" else "deal") for one in STATES]
        return [Lane("opportunities", "Opportunities", columns)]

    return board("Northwind Windows", lanes, move)


def _card(state: Account, row: Row) -> Card:
    party = state.rows["party.party"].get(row["party"] or 0, {})
    amount = (row["amount"] or {}).get("decimal") or "0"
    owner = str(state.rows["company.employee"].get(row["employee"] or 0, {}).get("name", ""))
    return Card(str(row["id"]), row["description"] or "", party.get("name") or "", "", int(float(amount)), (), owner)
