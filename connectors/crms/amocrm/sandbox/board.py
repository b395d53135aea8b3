"""The account on the board: amoCRM's pipelines, the incoming stage among the leads, won and lost among the deals."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from connectors.crms.amocrm.sandbox.state import LOST, WON, Account, Row
from connectors.testing.sandbox import Card, Column, Lane, board


def pages(state: Account) -> Blueprint:
    """The board of this account."""

    def move(card: str, column: str, lane: str) -> None:
        state.drag_card(int(card), int(column), int(lane))

    return board(state.name, _lanes(state), move)


def _lanes(state: Account) -> Callable[[], list[Lane]]:
    def lanes() -> list[Lane]:
        with state.lock:
            return [_lane(state, pipeline) for pipeline in state.pipelines.all.values()]

    return lanes


def _lane(state: Account, pipeline: Row) -> Lane:
    """Cards are shown newest change first."""
    cards: dict[int, list[Card]] = {number: [] for number in pipeline["statuses"]}
    for number in reversed(state.order["leads"]):
        row = state.rows["leads"][number]
        if row["pipeline_id"] == pipeline["id"] and not row["is_deleted"]:
            cards[row["status_id"]].append(_card(state, row))
    stages = sorted(pipeline["statuses"].values(), key=lambda one: one["sort"])
    columns = [Column(str(one["id"]), one["name"], cards[one["id"]], one["color"], _family(one)) for one in stages]
    return Lane(str(pipeline["id"]), pipeline["name"], columns)


def _family(stage: Row) -> str:
    if stage["id"] in {WON, LOST}:
        return "deal"
    return "lead" if stage["type"] == 1 else ""


def _card(state: Account, row: Row) -> Card:
    contacts = [state.rows["contacts"][ref] for ref in row["links"].get("contacts", ())[:1]]
    phone = next((value["value"] for one in contacts for n, values in one["cells"].items() for value in values
                  if state.fields["contacts"].get(n, {}).get("code") == "PHONE"), "")  # fmt: skip
    owner = state.users.get(row["responsible_user_id"], "")
    contact = contacts[0]["name"] if contacts else ""
    return Card(str(row["id"]), row["name"], contact, phone, row["price"] or 0, row["tags"], owner)
