"""A strict stand-in for a Twenty workspace: same rules, same refusals, kept in memory.

It imitates what breaks connectors: batches that are refused as a whole, one person per e-mail, ids chosen by the
client, phones kept in parts, pages by value, a delete that destroys unless asked not to, options in capitals with
colour names, a hundred calls a minute, signed hooks that are tried once. `/` shows the opportunities as a board.

    app = create_sandbox(rate=None)
    with serving(app) as address: ...
    app.state                         # the `Workspace`, to look at, to break and to play the people
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Flask

from connectors.crms.twenty.sandbox.routes import api
from connectors.crms.twenty.sandbox.state import Row, Workspace
from connectors.testing.sandbox import Card, Column, Lane, board, serving

__all__ = ["Sandbox", "Workspace", "create_sandbox", "furnish", "serving"]
_PAINT = {"blue": "#1961ed", "sky": "#00e0ff", "purple": "#915ffd", "gray": "#b3b3b3", "green": "#55ef3c",
          "turquoise": "#15de8f", "yellow": "#ffd338", "orange": "#ff7222", "red": "#f83e3e",
          "pink": "#f54bd0"}  # fmt: skip
_CARDS = (("NEW", "Form: balcony glazing", 0), ("NEW", "Mail: an offer, please", 0),
          ("MEETING", "Call: country house", 240), ("PROPOSAL", "Roof window", 38))  # fmt: skip


class Sandbox(Flask):
    """The WSGI application; `state` is the workspace behind it."""

    state: Workspace


def create_sandbox(
    *,
    clock: Callable[[], float] = time.time,
    rate: int | None = 2,
    lag: float = 0.0,
    latency: float = 0.0,
    token: str = "sandbox-token",  # noqa: S107
) -> Sandbox:
    """An empty workspace. `rate` calls a second, counted over a minute (None: any), `latency` and `lag` (until a
    change is seen in lists by time) in seconds."""
    app = Sandbox(__name__)
    app.state = Workspace(clock=clock, rate=rate, lag=lag, latency=latency, token=token)
    app.extensions["twenty"] = app.extensions["sandbox"] = app.state
    app.register_blueprint(api)
    app.register_blueprint(board(app.state.name, lambda: [_lane(app.state)], app.state.drag_card))
    return app


def _lane(state: Workspace) -> Lane:
    options = sorted(state.known("opportunities")["stage"]["options"], key=lambda one: float(one["position"]))
    cards: dict[str, list[Card]] = {one["value"]: [] for one in options}
    live = [row for row in state.rows["opportunities"].values() if not row["deletedAt"]]
    for row in sorted(live, key=lambda one: str(one["updatedAt"]), reverse=True):
        cards.setdefault(row["stage"], []).append(_card(state, row))
    columns = [Column(one["value"], one["label"], cards[one["value"]], _PAINT[one["color"]]) for one in options]
    return Lane("", "Opportunities", columns)


def _card(state: Workspace, row: Row) -> Card:
    person: Row = state.rows["people"].get(row["pointOfContactId"] or "", {})
    name: Any = person.get("name") or {}
    phones: Any = person.get("phones") or {}
    phone = f"{phones.get('primaryPhoneCallingCode') or ''}{phones.get('primaryPhoneNumber') or ''}"
    amount = int(row["amount"]["amountMicros"] or 0) // 1_000_000
    owner = state.members.get(row["ownerId"] or "", "")
    who = " ".join(filter(None, (name.get("firstName"), name.get("lastName"))))
    return Card(row["id"], row["name"], who, phone, amount, (), owner)


def furnish(state: Workspace) -> None:
    """Cards for a demonstration."""
    owners = list(state.members)
    for n, (stage, name, amount) in enumerate(_CARDS):
        person = state.create("people", {"name": {"firstName": "Nora", "lastName": f"Feld {n}"}})
        state.create("opportunities", {"name": name, "stage": stage, "pointOfContactId": person["id"],
                     "ownerId": owners[n % 2], "amount": {"amountMicros": amount * 1_000_000_000}})  # fmt: skip
