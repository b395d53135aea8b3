"""Directions and their stages as admins change them.

Guarantees: names are never empty nor taken twice; keys of stages never change. Every change stands in the journal.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import Clock
from hub.funnel.defaults import add_direction
from hub.model import direction, stage
from hub.store.notes import note
from hub.told import Unusable


def directions(conn: Connection) -> list[tuple[Any, list[Any]]]:
    """Each direction with its stages, lead block first."""
    rows = list(conn.execute(select(stage).order_by(stage.c.block.desc(), stage.c.position)))
    order = (direction.c.main.desc(), direction.c.position, direction.c.id)
    return [
        (one, [row for row in rows if row.direction_id == one.id])
        for one in conn.execute(select(direction).order_by(*order))
    ]


def new_direction(conn: Connection, clock: Clock, actor: str, name: str, locale: str) -> str:
    """A direction with the default stages, after the others; answers its id."""
    name = _free_name(conn, name)
    last = conn.execute(select(func.max(direction.c.position))).scalar() or 0
    direction_id = add_direction(conn, clock, name, locale)
    conn.execute(update(direction).where(direction.c.id == direction_id).values(position=last + 1))
    note(conn, clock, "direction", direction_id, "added", actor, {"name": name})
    return direction_id


def rename_direction(conn: Connection, clock: Clock, actor: str, direction_id: str, name: str) -> None:
    """Another name; raises `Unusable` when it is empty or taken."""
    name = _free_name(conn, name, direction_id)
    conn.execute(update(direction).where(direction.c.id == direction_id).values(name=name))
    note(conn, clock, "direction", direction_id, "renamed", actor, {"name": name})


def _free_name(conn: Connection, name: str, but: str = "") -> str:
    name = name.strip()
    if not name:
        raise Unusable({"name": "is missing"})
    taken = select(direction.c.id).where(direction.c.name == name, direction.c.id != but)
    if conn.execute(taken).first():
        raise Unusable({"name": "is taken"})
    return name


def rename_stage(
    conn: Connection, clock: Clock, actor: str, place: tuple[str, str, str], name: str, colour: str
) -> None:
    """`place` is (direction id, block, key); `colour` like #98cbff. Keys never change: rules and links use them."""
    direction_id, block, key = place
    if not name.strip():
        raise Unusable({"name": "is missing"})
    if not (len(colour) == 7 and colour[0] == "#" and all(c in "0123456789abcdef" for c in colour[1:].lower())):
        raise Unusable({"colour": "looks like #98cbff"})
    here = (stage.c.direction_id == direction_id) & (stage.c.block == block) & (stage.c.key == key)
    conn.execute(update(stage).where(here).values(name=name.strip(), colour=colour.lower()))
    note(conn, clock, "direction", direction_id, "stage", actor, {"stage": key, "name": name.strip()})
