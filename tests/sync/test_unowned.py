"""Cards that people made in the CRM for nobody here get their owners as leads that come in do."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import insert, select, update

from hub.model import assignment, connection, deal, direction, journal, lead, member, rotation, rule
from hub.routing.explain import sentences
from hub.routing.ledger import deviations, read_ledger
from hub.sync.match import welcome_all
from tests.sync.world import CRM_ID, World

PLACE = {"pipeline": "p", "stage": "lead-warm"}


def world_with(*people: str) -> World:
    """A CRM whose cards are welcome, and people who share the desk."""
    world = World(random.Random(1), "two_blocks")
    world.faulty, world.calm = 0.0, True
    with world.store.write() as conn:
        known = conn.execute(select(connection.c.config).where(connection.c.id == CRM_ID)).scalar_one()
        conn.execute(update(connection).values(config={**known, "strangers": "import"}))
        world.accounts._connections.forget()
        conn.execute(update(member).values(active=False))
        for name in people:
            row = {"id": name, "login": name, "name": name, "password_hash": "", "role": "sales", "locale": "en",
                   "active": True, "created_at": 1}  # fmt: skip
            conn.execute(insert(member).values(row))
            conn.execute(insert(rotation).values(pool="desk", member_id=name, weight=1, credit=0, given=0))
        place = conn.execute(select(direction.c.id)).scalar()
        told = {"id": "all", "position": 1, "name": "All", "conditions": [], "direction_id": place, "pool": "desk"}
        conn.execute(insert(rule).values({**told, "active": True}))
    return world


def imported(world: World, *stages: str) -> list[Any]:
    for number, stage in enumerate(stages):
        person = world.crm.make("people", {"name": f"Somebody {'ABCDEFGH'[number]}"})
        card = {"title": f"Card {number}", "pipeline": "p", "stage": stage}
        world.crm.make("cards", card, links={"people": (person.ref,)})
    welcome_all(world.store, world.clock, world.account, "member:x")
    world.accounts._connections.forget()
    for _round in range(3):
        world.clock.advance(40)
        world.puller.step(CRM_ID)
    with world.store.read() as conn:
        return list(conn.execute(select(lead).order_by(lead.c.id)))


def test_ownerless_cards_go_by_turns_and_say_why() -> None:
    world = world_with("ann", "ben")
    made = imported(world, *["lead-warm"] * 4)
    assert sorted(row.owner_id for row in made) == ["ann", "ann", "ben", "ben"]
    with world.store.read() as conn:
        turns, lineups = read_ledger(conn)
        facts = conn.execute(select(journal.c.facts).where(journal.c.what == "imported", journal.c.subject == "lead"))
        [*told] = [row.facts["route"] for row in facts]
    assert deviations(turns, lineups) == []
    assert len(turns) == 4
    assert any("It was the turn of Ann" in one for one in sentences(told[0], {"ann": "Ann", "ben": "Ann"}, "en"))


def test_a_won_card_takes_no_turn() -> None:
    world = world_with("ann", "ben")
    imported(world, "W", "W")
    with world.store.read() as conn:
        assert conn.execute(select(assignment.c.id)).first() is None
        assert {row.owner_id for row in conn.execute(select(deal))} == {"ann"}


def test_without_anybody_who_works_here_nothing_is_lost() -> None:
    world = world_with()
    assert len(imported(world, "lead-warm")) == 1
