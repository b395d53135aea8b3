"""The account on the board: stages of leads, and one lane for each pipeline of deals."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from connectors.crms.bitrix24.sandbox.schema import Row, stages_of
from connectors.crms.bitrix24.sandbox.state import Account
from connectors.testing.sandbox import Card, Column, Lane, board


def pages(state: Account) -> Blueprint:
    """The board of this account."""

    def move(card: str, column: str, lane: str) -> None:
        state.drag_card(int(card), column, None if lane == "leads" else int(lane))

    return board(state.name, _lanes(state), move)


def _lanes(state: Account) -> Callable[[], list[Lane]]:
    def lanes() -> list[Lane]:
        with state.lock:
            found = [_lane(state, "leads", "Leads", "leads", "STATUS")] if state.leads else []
            for number, one in state.stages.categories.items():
                found.append(_lane(state, str(number), str(one["name"]), "deals", stages_of(number)))
            return found

    return lanes


def _lane(state: Account, ref: str, name: str, kind: str, where: str) -> Lane:
    """Cards are shown newest first."""
    stages = sorted(state.stages.all[where], key=lambda one: int(one["SORT"]))
    cards: dict[str, list[Card]] = {one["STATUS_ID"]: [] for one in stages}
    for row in sorted(state.rows[kind].values(), key=lambda row: row["_written"], reverse=True):
        if row["stageId"] in cards and (kind == "leads" or str(row["categoryId"]) == ref):
            cards[row["stageId"]].append(_card(state, row))
    family = "lead" if kind == "leads" else ""
    columns = []
    for one in stages:
        stage = one["STATUS_ID"]
        columns.append(Column(stage, one["NAME"], cards[stage], one["COLOR"].lower(), _family(one, family)))
    return Lane(ref, name, columns)


def _family(stage: Row, family: str) -> str:
    return family or ("deal" if stage["SEMANTICS"] else "")


def _card(state: Account, row: Row) -> Card:
    people = [one for ref in row["contactIds"][:1] if (one := state.rows["contacts"].get(ref))]
    multi = people[0]["fm"] if people else row["fm"]
    phone = next((one["value"] for one in multi if one["typeId"] == "PHONE"), "")
    person = people[0] if people else row
    name = f"{person.get('name') or ''} {person.get('lastName') or ''}".strip()
    owner = state.users.get(row["assignedById"], "")
    return Card(str(row["id"]), row["title"] or "", name, phone, int(row["opportunity"] or 0), (), owner)
