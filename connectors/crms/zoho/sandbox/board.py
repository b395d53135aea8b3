"""The organisation on the board: leads by status, deals by stage in its colours."""

from __future__ import annotations

from flask import Blueprint

from connectors.crms.zoho.sandbox.state import STAGES, STATUSES, Organisation, Row
from connectors.testing.sandbox import Card, Column, Lane, board

_LANES = (("Leads", "Lead_Status", [(name, "") for name in STATUSES], "lead"),
          ("Deals", "Stage", [(name, colour) for name, _, colour in STAGES], "deal"))  # fmt: skip


def pages(state: Organisation) -> Blueprint:
    """The board of this organisation."""

    def move(card: str, column: str, lane: str) -> None:
        state.drag_card(lane, card, column)

    def lanes() -> list[Lane]:
        with state.lock:
            return [_lane(state, *one) for one in _LANES]

    return board("Northwind Windows", lanes, move)


def _lane(state: Organisation, module: str, field: str, names: list[tuple[str, str]], family: str) -> Lane:
    rows = [row for row in state.rows[module].values() if not row["Converted__s"]]
    rows.sort(key=lambda row: str(row["Modified_Time"]), reverse=True)
    columns = [
        Column(name, name, [_card(row) for row in rows if (row.get(field) or "-None-") == name], colour, family)
        for name, colour in names
    ]
    return Lane(module, module, columns)


def _card(row: Row) -> Card:
    name = row.get("Deal_Name") or row.get("Full_Name") or ""
    return Card(row["id"], name, row.get("Company") or "", row.get("Phone") or "", int(row.get("Amount") or 0))
