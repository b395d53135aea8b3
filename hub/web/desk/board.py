"""The board: the lead block, the border, the deal block, as the hub sees them. The lead desk sees the lead block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from sqlalchemy import Connection, select

from hub.model import contact, deal, direction, lead, member
from hub.web.desk.access import guard
from hub.web.desk.scope import Scope, my_scope

bp = Blueprint("board", __name__)
guard(bp, "admin", "lead_desk", "sales")

CARDS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """One stage with its newest cards; `more` says that there are others."""

    stage: Any
    cards: Sequence[Any]
    more: bool


@dataclass(frozen=True, slots=True)
class Funnel:
    """One direction: its columns by block."""

    name: str
    blocks: dict[str, list[Column]]


@bp.get("/board")
def show() -> str:
    """All directions."""
    scope = my_scope()
    with current_app.extensions["hub"].store.read() as conn:
        stages = list(conn.execute(scope.stages()))
        directions = list(conn.execute(select(direction).order_by(direction.c.main.desc(), direction.c.position)))
        funnels = [_funnel(conn, scope, row, stages) for row in directions]
    return render_template("desk/board.html", funnels=funnels)


def _funnel(conn: Connection, scope: Scope, row: Any, stages: Sequence[Any]) -> Funnel:
    blocks = {
        block: [_column(conn, scope, one) for one in stages if (one.direction_id, one.block) == (row.id, block)]
        for block in scope.blocks
    }
    return Funnel(row.name, blocks)


def _column(conn: Connection, scope: Scope, one: Any) -> Column:
    table, mine = (lead, scope.leads()) if one.block == "lead" else (deal, scope.deals())
    state = one.final or "open"
    place = table.join(contact, contact.c.id == table.c.contact_id).outerjoin(member, member.c.id == table.c.owner_id)
    columns = (
        table.c.id,
        table.c.title,
        table.c.tags,
        table.c.active_at,
        contact.c.name.label("person"),
        member.c.name.label("owner"),
    )
    query = select(*columns).select_from(place).where(
        table.c.direction_id == one.direction_id, table.c.state == state, table.c.stage == one.key, mine
    )  # fmt: skip
    cards = list(conn.execute(query.order_by(table.c.active_at.desc(), table.c.id.desc()).limit(CARDS + 1)))
    return Column(one, cards[:CARDS], len(cards) > CARDS)
