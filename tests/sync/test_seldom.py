"""Scenes that schedules found and that seldom come about, each by itself."""

from __future__ import annotations

from typing import Any

from hub.funnel import moves
from hub.identity.shown import enter
from hub.model import contact, lead, link
from hub.store.notes import mark_dirty
from hub.sync.decide import asked
from hub.sync.health import health
from tests.sync.scenes import Scene, card, leads, settled, world_rows
from tests.sync.world import CRM_ID, World


def name_it(world: World, contact_id: str, **values: str) -> None:
    with world.store.write() as conn:
        enter(conn, contact_id, values, "member:v", world.clock.now())
        mark_dirty(conn, world.clock, [contact_id])


def night(world: World) -> str:
    """What the nightly comparison says."""
    return world.auditor.run(CRM_ID)


def test_a_decision_that_is_asked_for_outlives_another_write(scene: Scene) -> None:
    world = scene("conditional")
    leads(world)
    (person,) = world_rows(world, contact)
    name_it(world, person.id, language="here")
    world.crm.edit(world.crm.live("people")[0], language="there")
    settled(world)
    name_it(world, person.id, position="Head of sales")
    settled(world)
    assert night(world).startswith("0 differences")
    there = world.crm.live("people")[0].values
    assert (there["position"], there["language"]) == ("Head of sales", "there")
    with world.store.read() as conn:
        assert [(one.field, one.here, one.there) for one in asked(conn, 9)] == [("language", "here", "there")]


def test_no_stage_is_told_to_a_lead_that_is_a_deal_over_there(scene: Scene) -> None:
    world = scene("native")
    (lead_id,) = leads(world)
    with world.store.write() as conn:
        moves.move_lead(conn, world.clock, lead_id, "warm", "member:v")
        moves.convert_lead(conn, world.clock, lead_id, "member:v")
        mark_dirty(conn, world.clock, [lead_id])
    settled(world)
    assert len(world.crm.live("cards")) == 1
    assert world.crm.live("leads")[0].values["stage"] == "converted"


def test_a_lead_that_stays_here_again_says_so_of_its_card(scene: Scene) -> None:
    """Where leads stay in the hub, a deal that was taken back leaves a card behind."""
    world = scene("held")
    with world.store.write() as conn:
        world.new_lead(conn)
    lead_id = world_rows(world, lead)[0].id
    with world.store.write() as conn:
        deal_id = moves.convert_lead(conn, world.clock, lead_id, "member:v")
    settled(world)
    with world.store.write() as conn:
        moves.revert_conversion(conn, world.clock, deal_id, "warm", "member:v")
    settled(world)
    with world.store.read() as conn:
        assert [(one.code, one.action) for one in health(conn)[0].troubles] == [("stays_here", "none")]
    assert night(world).startswith("0 differences")
    assert converted_once_more(world, lead_id) == ("", "linked", card(world).ref)


def converted_once_more(world: World, lead_id: str) -> tuple[Any, ...]:
    with world.store.write() as conn:
        deal_id = moves.convert_lead(conn, world.clock, lead_id, "member:v")
    settled(world)
    (row,) = world_rows(world, link, record_id=deal_id)
    return row.code, row.state, row.remote_id
