"""Scenes that schedules found and that seldom come about, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import update

from connectors.contract import Failed, Op, Outcome
from hub.funnel import moves
from hub.identity.shown import enter
from hub.model import contact, deal, journal, lead, link
from hub.store.notes import mark_dirty
from hub.sync.causes import follow_again
from hub.sync.decide import asked
from hub.sync.health import health
from tests.sync.scenes import Scene, card, leads, retitle, settled, world_rows
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
    lead_id = new_lead(world)
    deal_id = convert(world, lead_id)
    settled(world)
    with world.store.write() as conn:
        moves.revert_conversion(conn, world.clock, deal_id, "warm", "member:v")
    settled(world)
    with world.store.read() as conn:
        assert [(one.code, one.action) for one in health(conn)[0].troubles] == [("stays_here", "none")]
    assert night(world).startswith("0 differences")
    assert converted_once_more(world, lead_id) == ("", "linked", card(world).ref)


def converted_once_more(world: World, lead_id: str) -> tuple[Any, ...]:
    deal_id = convert(world, lead_id)
    settled(world)
    (row,) = world_rows(world, link, record_id=deal_id)
    return row.code, row.state, row.remote_id


def test_a_deal_that_is_a_lead_again_waits_where_its_card_is_another_leads(scene: Scene) -> None:
    world = scene("two_blocks")
    lead_id = new_lead(world)
    deal_id = convert(world, lead_id)
    settled(world)
    (held,) = world_rows(world, link, record_id=deal_id)
    other = new_lead(world)
    with world.store.write() as conn:  # people merged its card into this one over there
        there = {"remote_id": held.remote_id, "remote_kind": held.remote_kind, "state": "history", "dirty": 0}
        conn.execute(update(link).where(link.c.record_id == other).values(there))
        moves.revert_conversion(conn, world.clock, deal_id, "warm", "member:v")
    (row,) = world_rows(world, link, record_id=lead_id)
    assert (row.state, row.code, row.remote_id) == ("held", "same_remote", None)


def new_lead(world: World) -> str:
    """A lead that no CRM has yet."""
    before = {row.id for row in world_rows(world, lead)}
    with world.store.write() as conn:
        world.new_lead(conn)
    return str(({row.id for row in world_rows(world, lead)} - before).pop())


def convert(world: World, lead_id: str) -> str:
    with world.store.write() as conn:
        return moves.convert_lead(conn, world.clock, lead_id, "member:v")


@pytest.mark.parametrize("converted_here", [False, True])
def test_a_deal_that_is_listed_before_its_conversion_is_the_leads(scene: Scene, converted_here: bool) -> None:
    """A person converts over there, and the list of deals shows it first, without a word about leads."""
    world = scene("native", strangers="import")
    (lead_id,) = leads(world)
    lead_there = world.crm.live("leads")[0]
    deal_there = world.crm.make("cards", {"title": "By hand", "pipeline": "p", "stage": "deal-in_work"})
    settled(world)
    if converted_here:
        world.crm.fault = lambda call: "before" if call == "write" else ""
        convert(world, lead_id)
        world.pusher.drain(CRM_ID)
        world.crm.fault = lambda call: ""
    world.crm.convert_row(lead_there, deal_there)
    settled(world, 6)
    (mine,) = [row for row in world_rows(world, deal) if row.lead_id == lead_id]
    (row,) = world_rows(world, link, role="deal", state="linked")
    assert (row.record_id, row.remote_id, mine.stage) == (mine.id, deal_there.ref, "in_work")
    assert world_rows(world, lead)[0].state == "converted"
    assert len(world.crm.live("cards")) == 1
    assert night(world).startswith("0 differences")


@pytest.mark.parametrize("moved", ["hung", "dragged"])
def test_a_move_that_was_not_possible_is_followed_on_a_word(scene: Scene, moved: str) -> None:
    """Both say the same: somebody has an open lead already. When that one is closed, it is."""
    world = scene("two_blocks")
    mine, other = leads(world, 2)
    first, second = (next(row for row in world_rows(world, lead) if row.id == one) for one in (mine, other))
    busy, ours = (world_rows(world, link, record_id=one.contact_id)[0].remote_id for one in (second, first))
    there = world.crm.rows[world_rows(world, link, record_id=mine)[0].remote_id]
    if moved == "dragged":
        convert(world, mine)
        settled(world)
        with world.store.write() as conn:
            conn.execute(update(lead).where(lead.c.id == other).values(contact_id=first.contact_id))
        world.crm.edit(there, stage="lead-hot")
    else:
        world.crm.hang(there, "people", world.crm.rows[busy])
    settled(world)
    with world.store.write() as conn:
        assert [one.code for one in health(conn)[0].troubles] == ["has_open_lead"]
        moves.reject_lead(conn, world.clock, other, "no money", "member:v")
        assert follow_again(conn, world.clock, CRM_ID, "has_open_lead") == 1
    settled(world)
    with world.store.read() as conn:
        assert health(conn)[0].troubles == ()
    (now,) = world_rows(world, lead, id=mine)
    assert now.contact_id == (first if moved == "dragged" else second).contact_id
    assert now.stage == ("hot" if moved == "dragged" else "new")
    assert ours != busy


def test_a_deal_that_people_merged_is_no_second_one(scene: Scene) -> None:
    """The converted lead goes on naming the card that is gone."""
    world = scene("native", strangers="import")
    (lead_id,) = leads(world)
    convert(world, lead_id)
    settled(world)
    (mine,) = world.crm.live("cards")
    other = world.crm.make("cards", {"title": "By hand", "pipeline": "p", "stage": "deal-in_work"})
    world.crm.merge_rows(other, mine)
    settled(world)
    world.crm.touch(world.crm.live("leads")[0])
    settled(world)
    (row,) = world_rows(world, link, role="deal", state="linked")
    assert row.remote_id == other.ref
    with world.store.read() as conn:
        assert health(conn)[0].troubles == ()


def of_a_company(world: World) -> str:
    """Their contact is of a new company since now; answers its id."""
    with world.store.write() as conn:
        world.firms.hire_here(conn)
    (row,) = world_rows(world, contact)
    return str(row.company_id)


@pytest.mark.parametrize("says", ["nothing", "none"])
def test_who_is_merged_over_there_stays_with_their_company(scene: Scene, says: str) -> None:
    """The card that is left says nothing of companies, or that it has none."""
    world = scene("strong")
    leads(world)
    of_a_company(world)
    settled(world)
    (mine,), (firm,) = world.crm.live("people"), world.crm.live("firms")
    assert mine.links["firms"] == (firm.ref,)
    other = world.crm.make("people", {"name": mine.values["name"]})
    if says == "none":
        world.crm.hang(other, "firms", None)
    world.crm.merge_rows(other, mine)
    settled(world)
    assert other.links["firms"] == (firm.ref,)
    assert night(world).startswith("0 differences")


def test_that_a_card_was_not_taken_for_a_company_is_forgotten_with_the_company(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody deletes the company over there when its contact was told of it, and the contact's card was not yet."""
    world = scene("strong")
    leads(world)
    write, refused = world.crm.write, list[Outcome]()

    def deleted_between(ops: Sequence[Op]) -> Sequence[Outcome]:
        told = list[Outcome]()
        for op in ops:
            told += write([op])
            if op.kind == "people" and "firms" in op.links:
                world.crm.remove(world.crm.live("firms")[0])
        refused.extend(one for one in told if isinstance(one, Failed))
        return told

    monkeypatch.setattr(world.crm, "write", deleted_between)
    of_a_company(world)
    settled(world)
    assert len(refused) == 1, "the scene is not the one that it should be"
    assert night(world).startswith("0 differences")
    assert not any(row.base.get("@refused") for row in world_rows(world, link))


@pytest.mark.parametrize("found_by", ["a look", "a list", ""])
def test_a_card_on_its_way_is_found_also_when_its_deal_is_a_lead_again(scene: Scene, found_by: str) -> None:
    """Where leads stay here: the answer to a create was lost, and the conversion was taken back meanwhile."""
    arrived = bool(found_by)
    world = scene("held", strangers="import")
    lead_id = new_lead(world)
    deal_id = convert(world, lead_id)
    world.crm.fault = lambda call: ("after" if arrived else "before") if call == "write" else ""
    world.pusher.drain(CRM_ID)
    world.crm.fault = lambda call: ""
    with world.store.write() as conn:
        moves.revert_conversion(conn, world.clock, deal_id, "warm", "member:v")
    if found_by == "a list":
        world.clock.advance(40)
        world.puller.step(CRM_ID)
    settled(world, 6)
    (row,) = world_rows(world, link, role="lead")
    found = (row.state, row.code, row.remote_id)
    assert found == (("linked", "stays_here", card(world).ref) if arrived else ("new", "", None))
    assert len(world_rows(world, deal)) == 1, "our own card is no stranger"


def test_a_conversion_over_there_that_is_not_possible_here_waits_for_it(scene: Scene) -> None:
    """The lead was closed here, its person has another open one, and somebody converts the closed one over there."""
    world = scene("native")
    mine, other = leads(world, 2)
    (first,) = world_rows(world, lead, id=mine)
    with world.store.write() as conn:
        moves.reject_lead(conn, world.clock, mine, "no money", "member:v")
        conn.execute(update(lead).where(lead.c.id == other).values(contact_id=first.contact_id))
    there = world.crm.rows[world_rows(world, link, record_id=mine)[0].remote_id]
    world.crm.convert_row(there, world.crm.make("cards", {"title": "Deal", "pipeline": "p", "stage": "deal-in_work"}))
    settled(world, 6)
    with world.store.read() as conn:
        assert [one.code for one in health(conn)[0].troubles] == ["has_open_lead"]
    assert [row.what for row in world_rows(world, journal, subject_id=mine)].count("not_followed") == 1
    with world.store.write() as conn:
        moves.reject_lead(conn, world.clock, other, "no money", "member:v")
        assert follow_again(conn, world.clock, CRM_ID, "has_open_lead") == 1
    settled(world)
    (deal_here,) = world_rows(world, deal)
    assert (deal_here.lead_id, deal_here.stage) == (mine, "in_work")
    with world.store.read() as conn:
        assert health(conn)[0].troubles == ()


def test_calls_that_never_arrive_are_no_fight(scene: Scene) -> None:
    """Nobody over there turned anything back: the same value was told again and again because no call got through."""
    world = scene("two_blocks")
    (lead_id,) = leads(world)
    retitle(world, lead_id, "Ours")
    world.crm.fault = lambda call: "before" if call == "write" else ""
    settled(world, 6)
    world.crm.fault = lambda call: ""
    world.clock.advance(600)
    settled(world)
    assert card(world).values["title"] == "Ours"
    with world.store.read() as conn:
        assert health(conn)[0].troubles == ()
