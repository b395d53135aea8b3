"""The account as people see it: pipelines as columns in the colours of their stages, cards to drag.

Stages of one colour family stand together; where the family changes, a border is drawn: left of it leads,
right of it deals.
"""

from __future__ import annotations

import colorsys
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request

from connectors.crms.amocrm.sandbox.routes import account
from connectors.crms.amocrm.sandbox.state import Account, Row

board = Blueprint("board", __name__, template_folder="templates", static_folder="static", static_url_path="/static")
CARDS = 40


@board.get("/")
def show() -> str:
    """All pipelines; `?part` answers the columns only, for the refresh."""
    state = account()
    with state.lock:
        views = [_view(state, pipeline) for pipeline in state.pipelines.all.values()]
        page = "part.html" if "part" in request.args else "board.html"
        return render_template(page, account=state.name, pipelines=views)


@board.post("/move")
def move() -> Any:
    """Drag a card."""
    state, form = account(), request.form
    try:
        state.drag_card(int(form["lead"]), int(form["status"]), int(form["pipeline"]))
    except (KeyError, ValueError):
        return Response("no such card", status=404)
    return Response(status=204) if "quiet" in form else redirect("/")


def _view(state: Account, pipeline: Row) -> Row:
    """Cards are shown newest change first, a column at most 40."""
    columns: dict[int, Row] = {}
    previous = ""
    for stage in sorted(pipeline["statuses"].values(), key=lambda one: one["sort"]):
        family = _family(stage)
        columns[stage["id"]] = {**stage, "family": family, "border": bool(previous) and family == "deal" != previous,
                                "cards": [], "count": 0, "sum": 0}  # fmt: skip
        previous = family
    for number in reversed(state.order["leads"]):
        row = state.rows["leads"][number]
        if row["pipeline_id"] == pipeline["id"] and not row["is_deleted"]:
            column = columns[row["status_id"]]
            column["count"] += 1
            column["sum"] += row["price"] or 0
            if len(column["cards"]) < CARDS:
                column["cards"].append(_card(state, row))
    blocks = {"lead": 0, "deal": 0}
    for column in columns.values():
        blocks[column["family"]] += column["count"]
    split = any(column["border"] for column in columns.values())
    return {
        "id": pipeline["id"],
        "name": pipeline["name"],
        "columns": list(columns.values()),
        "blocks": blocks,
        "split": split,
    }


def _family(stage: Row) -> str:
    """Blue, grey and the system's incoming stage read as leads, everything warm or green as deals."""
    if stage["id"] in {142, 143}:
        return "deal"
    red, green, blue = (int(stage["color"][n : n + 2], 16) / 255 for n in (1, 3, 5))
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    return "lead" if stage["type"] == 1 or saturation < 0.2 or 0.5 < hue < 0.75 else "deal"


def _card(state: Account, row: Row) -> Row:
    contacts = [state.rows["contacts"][ref] for ref in row["links"].get("contacts", ())[:1]]
    phone = next((value["value"] for one in contacts for n, values in one["cells"].items() for value in values
                  if state.fields["contacts"].get(n, {}).get("code") == "PHONE"), "")  # fmt: skip
    owner = state.users.get(row["responsible_user_id"], "")
    return {"id": row["id"], "name": row["name"], "price": row["price"], "phone": phone, "tags": row["tags"],
            "contact": contacts[0]["name"] if contacts else "", "owner": owner,
            "initials": "".join(word[0] for word in owner.split()[:2])}  # fmt: skip
