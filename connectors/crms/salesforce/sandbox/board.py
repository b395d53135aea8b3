"""The organisation on the board: leads by status, opportunities by stage."""

from __future__ import annotations

from flask import Blueprint

from connectors.crms.salesforce.sandbox.state import STAGES, STATUSES, Organisation, Row
from connectors.testing.sandbox import Card, Column, Lane, board

_STATUSES = [name for name, converted in STATUSES if not converted]
_LANES = (("Lead", "Leads", "Status", _STATUSES, "lead"),
          ("Opportunity", "Opportunities", "StageName", [name for name, *_ in STAGES], "deal"))  # fmt: skip


def pages(state: Organisation) -> Blueprint:
    """The board of this organisation."""

    def move(card: str, column: str, _lane: str) -> None:
        state.drag_card(card, column)

    def lanes() -> list[Lane]:
        with state.lock:
            return [_lane(state, *one) for one in _LANES]

    return board("Northwind Windows", lanes, move)


def _lane(state: Organisation, kind: str, title: str, field: str, names: list[str], family: str) -> Lane:
    rows = [row for row in state.rows[kind].values() if not row["IsDeleted"] and not row.get("IsConverted")]
    rows.sort(key=lambda row: str(row["SystemModstamp"]), reverse=True)
    columns = [Column(name, name, [_card(row) for row in rows if row[field] == name], family=family) for name in names]
    return Lane(kind, title, columns)


def _card(row: Row) -> Card:
    return Card(
        row["Id"], row["Name"] or "", row.get("Company") or "", row.get("Phone") or "", int(row.get("Amount") or 0)
    )
