"""A calm world to set a scene in: no faults, nobody is killed, and time passes when the test says so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from hub.model import connection, lead, link
from hub.store.notes import mark_dirty
from tests.sync.world import CRM_ID, World

Scene = Callable[..., World]


def calm(profile: str = "two_blocks", **config: Any) -> World:
    """A world of this profile, with this configuration of its connection."""
    world = World(random.Random(1), profile)
    world.faulty, world.calm = 0.0, True
    configure(world, **config)
    return world


def configure(world: World, **config: Any) -> None:
    with world.store.write() as conn:
        known = conn.execute(select(connection.c.config).where(connection.c.id == CRM_ID)).scalar_one()
        conn.execute(update(connection).where(connection.c.id == CRM_ID).values(config={**known, **config}))
    world.accounts._connections.forget()


def leads(world: World, count: int = 1) -> list[str]:
    """Leads that have arrived over there; answers their ids."""
    with world.store.write() as conn:
        for _lead in range(count):
            world.new_lead(conn)
    settled(world)
    return [row.id for row in world_rows(world, lead)]


def settled(world: World, rounds: int = 3) -> None:
    for _round in range(rounds):
        world.clock.advance(40)
        world.pusher.drain(CRM_ID)
        world.puller.step(CRM_ID)
    world.pusher.drain(CRM_ID)


def world_rows(world: World, table: Any, **where: Any) -> list[Any]:
    with world.store.read() as conn:
        return list(
            conn.execute(select(table).where(*(table.c[k] == v for k, v in where.items())).order_by(*table.primary_key))
        )


def links(world: World, role: str = "lead") -> list[Any]:
    return world_rows(world, link, role=role)


def retitle(world: World, record: str, title: str) -> None:
    with world.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id == record).values(title=title))
        mark_dirty(conn, world.clock, [record])


def card(world: World, number: int = 0) -> Any:
    return world.crm.live("cards")[number]
