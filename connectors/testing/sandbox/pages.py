"""An account as people see it: pipelines as columns in the colours of their stages, cards to drag.

Where the columns change from leads to deals a border is drawn. Cards go to any column, as people do it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request

CARDS = 40
Move = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Card:
    """One card; `amount` is a whole number."""

    ref: str
    name: str
    contact: str = ""
    phone: str = ""
    amount: int = 0
    tags: Sequence[str] = ()
    owner: str = ""

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.owner.split()[:2])


@dataclass(frozen=True, slots=True)
class Column:
    """A stage and its cards, newest first. `family` is "lead", "deal" or "" for "as its colour looks"."""

    ref: str
    name: str
    cards: Sequence[Card]
    colour: str = ""
    family: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """A pipeline, or a list of records with statuses."""

    ref: str
    name: str
    columns: Sequence[Column]


def board(title: str, lanes: Callable[[], Sequence[Lane]], move: Move) -> Blueprint:
    """The page at "/" (`?part`: the columns only, for the refresh) and "/move". `move(card, column, lane)` raises
    KeyError or ValueError when there is no such card or column. Styles come from "/board/": every application keeps
    "/static/" for itself."""
    pages = Blueprint("board", __name__, template_folder="templates", static_folder="static", static_url_path="/board")

    @pages.get("/")
    def show() -> str:
        page = "part.html" if "part" in request.args else "board.html"
        return render_template(page, account=title, pipelines=[_view(lane) for lane in lanes()])

    @pages.post("/move")
    def drag() -> Any:
        form = request.form
        try:
            move(form["card"], form["column"], form["lane"])
        except (KeyError, ValueError):
            return Response("no such card", status=404)
        return Response(status=204) if "quiet" in form else redirect("/")

    return pages


def _view(lane: Lane) -> dict[str, Any]:
    columns: list[dict[str, Any]] = []
    blocks = {"lead": 0, "deal": 0}
    for column in lane.columns:
        family = column.family or family_of(column.colour)
        border = bool(columns) and family == "deal" != columns[-1]["family"]
        blocks[family] += len(column.cards)
        columns.append({
            "ref": column.ref, "name": column.name, "colour": column.colour or "#e6e8ea", "family": family,
            "border": border, "cards": column.cards[:CARDS], "count": len(column.cards),
            "sum": sum(card.amount for card in column.cards),
        })  # fmt: skip
    split = any(column["border"] for column in columns)
    return {"ref": lane.ref, "name": lane.name, "columns": columns, "blocks": blocks, "split": split}


def family_of(colour: str) -> str:
    """Blue and grey read as leads, everything warm or green as deals."""
    if not colour:
        return "lead"
    red, green, blue = (int(colour.lstrip("#")[n : n + 2], 16) / 255 for n in (0, 2, 4))
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    return "lead" if saturation < 0.2 or 0.5 < hue < 0.75 else "deal"
