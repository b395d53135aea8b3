"""The company on the board: the Leads Inbox by its labels, then every pipeline with won and lost at its end."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint

from connectors.crms.pipedrive.sandbox.state import Account, Row
from connectors.testing.sandbox import Card, Column, Lane, board

CARDS = (
    ("Nora Feld", "Form: balcony glazing", "+12025550111"),
    ("Pavel Stern", "Call: country house", "+12025550114"),
    ("Mia Torres", "Form: roof window", "+12025550115"),
    ("Rita Blank", "Office of Blank & Sons", "+12025550117"),
)
_SHADES = {"blue": "#317ae2", "green": "#08a742", "yellow": "#ffdd3f", "red": "#f94839", "purple": "#7c5cc4"}


def pages(state: Account) -> Blueprint:
    """The board of this company."""

    def move(card: str, column: str, _lane: str) -> None:
        state.drag_card(card, column)

    return board(state.name, _lanes(state), move)


def _lanes(state: Account) -> Callable[[], list[Lane]]:
    def lanes() -> list[Lane]:
        with state.lock:
            return [_inbox(state), *(_lane(state, row) for row in state.pipelines.values())]

    return lanes


def _inbox(state: Account) -> Lane:
    cards: dict[str, list[Card]] = {"": [], "archived": []}
    staged = sorted((one for one in state.labels.values() if " · " in one["name"]), key=lambda one: one["name"])
    for row in _newest(state, "leads"):
        stage = next((one["id"] for one in staged if one["id"] in row["label_ids"]), "")
        cards.setdefault("archived" if row["is_archived"] else stage, []).append(_card(state, row))
    ends = [Column("archived", "Archive", cards["archived"], family="lead")]
    middle = [
        Column(one["id"], one["name"], cards.get(one["id"], []), _SHADES.get(one["color"], "#b9babb"), "lead")
        for one in staged
    ]
    return Lane("", "Leads Inbox", [Column("", "No label", cards[""], family="lead"), *middle, *ends])


def _lane(state: Account, pipeline: Row) -> Lane:
    stages = [one for one in state.stages.values() if one["pipeline_id"] == pipeline["id"]]
    cards: dict[str, list[Card]] = {ref: [] for ref in [*(str(one["id"]) for one in stages), "won", "lost"]}
    for row in _newest(state, "deals"):
        if row["pipeline_id"] == pipeline["id"]:
            cards[str(row["stage_id"]) if row["status"] == "open" else row["status"]].append(_card(state, row))
    columns = [Column(str(one["id"]), one["name"], cards[str(one["id"])], family="deal") for one in stages]
    closed = [Column(ref, ref.title(), cards[ref], family="deal") for ref in ("won", "lost")]
    return Lane(str(pipeline["id"]), pipeline["name"], [*columns, *closed])


def _newest(state: Account, kind: str) -> list[Row]:
    rows = [row for row in state.rows[kind].values() if not row["is_deleted"]]
    return sorted(rows, key=lambda row: row["written"], reverse=True)


def _card(state: Account, row: Row) -> Card:
    person = state.rows["persons"].get(str(row["person_id"]), {})
    phone = next((one["value"] for one in person.get("phones") or ()), "")
    money = row["value"].get("amount") if isinstance(row["value"], dict) else row["value"]
    owner = state.users.get(row["owner_id"], "")
    return Card(str(row["id"]), row["title"], person.get("name", ""), phone, int(money or 0), owner=owner)


def furnish(state: Account) -> None:
    """A furnished company for demonstrations: lead stages in blue, cards in the inbox and in the pipeline."""
    with state.lock:
        stages = [state.add_label(f"{n} · {name}", "blue")["id"] for n, name in enumerate(("New", "In work"), 1)]
        for n, (name, title, phone) in enumerate(CARDS):
            points = [{"value": phone, "primary": True, "label": "work"}]
            person = state.create("persons", {"name": name, "phones": points})["id"]
            if n < 3:
                label = {"label_ids": [stages[n % 2]], "value": {"amount": 1000 * (n + 1), "currency": "EUR"}}
                state.create("leads", {"title": title, "person_id": person, **label})
            else:
                state.create("deals", {"title": title, "person_id": person, "value": 610_000})
