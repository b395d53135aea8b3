"""The database on the board: a lane for each team's leads and one for its opportunities, the archive as a column."""

from __future__ import annotations

from flask import Blueprint

from connectors.crms.odoo.sandbox.orm import Row
from connectors.crms.odoo.sandbox.state import LEADS, Database
from connectors.testing.sandbox import Card, Column, Lane, board

_BLOCKS = (("lead", "leads"), ("opportunity", "pipeline"))


def pages(state: Database) -> Blueprint:
    """The board of this database."""

    def move(card: str, column: str, lane: str) -> None:
        team, _, block = lane.partition(":")
        state.edit(int(card), type=block)
        if column == "lost":
            return state.lose(int(card))
        return state.drag_card(int(card), int(column), int(team))

    def lanes() -> list[Lane]:
        with state.lock:
            return [_lane(state, team, *block) for team in state.rows["crm.team"].values() for block in _BLOCKS]

    return board("Northwind Windows", lanes, move)


def _lane(state: Database, team: Row, block: str, name: str) -> Lane:
    rows = [row for row in state.rows[LEADS].values() if row.get("team_id") == team["id"] and row["type"] == block]
    cards: dict[str, list[Card]] = {}
    for row in sorted(rows, key=lambda one: one["write_date"], reverse=True):
        column = str(row.get("stage_id")) if row["active"] else "lost"
        cards.setdefault(column, []).append(_card(state, row))
    family = "lead" if block == "lead" else "deal"
    stages = sorted(state.rows["crm.stage"].values(), key=lambda one: one.get("sequence") or 0)
    places = [(str(one["id"]), str(one["name"])) for one in stages if _sees(team, one)] + [("lost", "Lost")]
    columns = [Column(ref, title, cards.get(ref, []), family=family) for ref, title in places]
    return Lane(f"{team['id']}:{block}", f"{team['name']}: {name}", columns)


def _sees(team: Row, stage: Row) -> bool:
    mine = stage.get("team_ids") or stage.get("team_id")
    return not mine or team["id"] in (mine if isinstance(mine, list) else [mine])


def _card(state: Database, row: Row) -> Card:
    person = state.rows["res.partner"].get(row.get("partner_id") or 0, row)
    owner = state.rows["res.users"].get(row.get("user_id") or 0, {}).get("name", "")
    tags = [state.rows["crm.tag"][ref]["name"] for ref in row.get("tag_ids") or ()]
    contact = row.get("contact_name") or (person["name"] if person is not row else "")
    amount = int(row.get("expected_revenue") or 0)
    return Card(str(row["id"]), row["name"], contact, str(person.get("phone") or ""), amount, tags, owner)
