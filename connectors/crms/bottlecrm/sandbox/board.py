"""The organisation on the board: leads by status, deals by the stages of each pipeline."""

from __future__ import annotations

from flask import Blueprint

from connectors.crms.bottlecrm.sandbox.rules import DEALS, LEADS, STATUSES, Row, Wrong
from connectors.crms.bottlecrm.sandbox.state import Account
from connectors.testing.sandbox import Card, Column, Lane, board


def pages(state: Account) -> Blueprint:
    """The board of this organisation."""

    def move(card: str, column: str, lane: str) -> None:
        try:
            state.drag_card(card, column, lane)
        except Wrong as wrong:
            raise ValueError(column) from wrong

    def lanes() -> list[Lane]:
        with state.lock:
            leads = [_column(state, LEADS, one, one.title(), "status", "") for one in STATUSES]
            deals = [
                Lane(row["id"], row["name"], [_column(state, DEALS, s["code"], s["label"], "stage", row["id"])
                                              for s in row["stages"]])
                for row in state.pipelines
            ]  # fmt: skip
        return [Lane("leads", "Leads", leads), *deals]

    return board("Northwind Windows", lanes, move)


def _column(state: Account, kind: str, ref: str, name: str, field: str, pipeline: str) -> Column:
    rows = [row for row in state.rows[kind].values() if row[field] == ref and pipeline in ("", row.get("pipeline"))]
    cards = [_card(state, kind, row) for row in sorted(rows, key=lambda row: str(row["updated_at"]), reverse=True)]
    return Column(ref, name, cards, "", "lead" if kind == LEADS else "deal")


def _card(state: Account, kind: str, row: Row) -> Card:
    amount = row["opportunity_amount" if kind == LEADS else "amount"] or 0
    owner = next((one["name"] for one in state.people if one["id"] in row["assigned_to"]), "")
    name = row.get("title") or row.get("name") or ""
    return Card(row["id"], name, row.get("first_name") or "", row.get("phone") or "", int(float(amount)), (), owner)
