"""The account on the board: deal pipelines one under the other; the one for leads, if any, reads as leads."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from flask import Blueprint

from connectors.crms.hubspot.sandbox.state import Account, Row
from connectors.testing.sandbox import Card, Column, Lane, board


def pages(state: Account) -> Blueprint:
    """The board of this account."""
    return board(state.name, _lanes(state), state.drag_card)


def _lanes(state: Account) -> Callable[[], list[Lane]]:
    def lanes() -> list[Lane]:
        with state.lock:
            return [_lane(state, pipeline) for pipeline in state.pipelines.all.values()]

    return lanes


def _lane(state: Account, pipeline: Row) -> Lane:
    """Cards are shown newest change first. HubSpot has no colours, names say what is a lead."""
    cards: dict[str, list[Card]] = {ref: [] for ref in pipeline["stages"]}
    for ref in reversed(state.order["deals"]):
        row = state.rows["deals"][ref]
        if row["props"].get("pipeline") == pipeline["id"] and not row["archived"]:
            cards[row["props"]["dealstage"]].append(_card(state, row))
    stages = sorted(pipeline["stages"].values(), key=lambda one: int(one["displayOrder"]))
    columns = [Column(one["id"], one["label"], cards[one["id"]], "", _family(pipeline, one)) for one in stages]
    return Lane(pipeline["id"], pipeline["label"], columns)


def _family(pipeline: Row, stage: Row) -> str:
    return "lead" if "lead" in f"{pipeline['label']} {stage['label']}".lower() else "deal"


def _card(state: Account, row: Row) -> Card:
    props = row["props"]
    refs = state.links.get(("deals", row["id"]), {}).get("contacts", [])
    person: Row = next((found["props"] for ref in refs if (found := state.resolve("contacts", ref))), {})
    name = " ".join(filter(None, (person.get("firstname"), person.get("lastname")))) or person.get("email", "")
    owner = " ".join(state.owners.get(props.get("hubspot_owner_id", ""), ()))
    amount = int(Decimal(props.get("amount") or 0))
    return Card(row["id"], props.get("dealname", ""), name, person.get("phone", ""), amount, (), owner)
