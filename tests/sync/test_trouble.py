"""One record's trouble: fields the CRM refuses, robots that turn back what we write, a lead converted twice. In
each the rest of the record, and everybody else, goes on, and a person is told what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import update

from connectors.contract import Done, Failed, Op, Outcome
from connectors.errors import Refuse
from hub.model import contact, journal, lead, link
from hub.store.notes import mark_dirty
from hub.sync.decide import asked, settle
from hub.sync.fight import ROUNDS
from hub.sync.health import health
from tests.sync.scenes import Scene, card, leads, links, retitle, settled, world_rows
from tests.sync.world import CRM_ID, MAPPING, World


def picky(world: World, kind: str, field: str, bad: str, names_it: bool = True) -> None:
    """This CRM refuses one value, and with it the whole call it is in."""
    real = world.crm.effect

    def effect(op: Op) -> Outcome:
        for one in (op, *op.includes):
            if one.kind == kind and one.values.get(field) == bad:
                return Failed(Refuse("Validation failed", {field: "not like this"} if names_it else {}))
        return real(op)

    world.crm.effect = effect  # type: ignore[method-assign]


def causes(world: World) -> dict[str, str]:
    with world.store.read() as conn:
        (found,) = health(conn)
    return {one.code: one.action for one in found.troubles}


def remap(world: World, text: str, **more: Any) -> None:
    with world.store.write() as conn:
        world.change(conn, mapping=text, **more)


def waiting(world: World, name: str) -> None:
    with world.store.write() as conn:
        world.new_lead(conn)
        conn.execute(update(contact).values(name=name))


@pytest.mark.parametrize("profile", ["two_blocks", "conditional"], ids=["one call for both", "one call each"])
def test_a_lead_arrives_whose_contact_has_a_field_that_is_refused(scene: Scene, profile: str) -> None:
    world = scene(profile)
    waiting(world, "Bad name")
    picky(world, "people", "name", "Bad name")
    settled(world)
    (person,) = world.crm.live("people")
    assert card(world).links == {"people": (person.ref,)}
    assert "name" not in person.values
    assert {row.state for row in [*links(world), *links(world, "contact")]} == {"linked"}
    assert causes(world) == {"left_out": "correct"}
    assert "name: not like this" in links(world, "contact")[0].why


def test_a_lead_arrives_whose_contact_is_refused_without_a_word_why(scene: Scene) -> None:
    world = scene()
    waiting(world, "Bad name")
    picky(world, "people", "name", "Bad name", names_it=False)
    settled(world)
    assert len(world.crm.live("cards")) == 1
    assert [row.state for row in links(world)] == ["linked"]
    assert [(row.state, row.code) for row in links(world, "contact")] == [("parked", "refuse")]


def test_a_refused_field_is_tried_again_once_it_was_corrected(scene: Scene) -> None:
    world = scene()
    waiting(world, "Bad name")
    picky(world, "people", "name", "Bad name")
    settled(world)
    (mine,) = world_rows(world, contact)
    with world.store.write() as conn:
        conn.execute(update(contact).values(name="Good name"))
        mark_dirty(conn, world.clock, [mine.id])
    settled(world)
    assert world.crm.live("people")[0].values["name"] == "Good name"
    assert causes(world) == {}


def test_a_mapping_that_cannot_be_read_pauses_its_connection_and_nobody_else(scene: Scene) -> None:
    world = scene()
    waiting(world, "Anna")
    good = MAPPING
    remap(world, "]" + good)
    settled(world)
    assert causes(world) == {"paused": "switch_on"}
    with world.store.read() as conn:
        (told,) = health(conn)[0].troubles
    assert told.why.startswith("Its mapping cannot be read: line 1")
    assert told.since == world_rows(world, journal, what="paused")[0].at
    remap(world, good, state="active")
    settled(world)
    assert len(world.crm.live("cards")) == 1
    assert causes(world) == {}


# ── fights ───────────────────────────────────────────────────────────────────────────────────────


def fight(world: World, lead_id: str, rounds: int, others: Sequence[str] = ()) -> None:
    """A robot there turns the title back each time, and one here says it again."""
    for number in range(rounds):
        for one in (lead_id, *others[number : number + 1]):
            retitle(world, one, "Ours")
        settled(world, 1)
        world.crm.edit(card(world), title="Theirs")
        settled(world, 1)


def test_a_field_two_robots_fight_for_is_held_and_nobody_else_waits(scene: Scene) -> None:
    world = scene()
    mine, *others = leads(world, 4)
    before = world.crm.writes
    fight(world, mine, 8, others)
    assert world.crm.writes - before == ROUNDS + len(others), "no fourth round, and the others were told"
    (row,) = world_rows(world, link, record_id=mine)
    assert (row.state, row.code, row.dirty) == ("linked", "fight", 0)
    assert causes(world) == {"fight": "decide"}
    with world.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id == mine).values(temperature="hot"))
        mark_dirty(conn, world.clock, [mine])
    settled(world)
    assert card(world).values["temp"] == "hot", "the other fields go on"


@pytest.mark.parametrize(("side", "final"), [("hub", "Ours"), ("crm", "Theirs")])
def test_a_person_ends_a_fight(scene: Scene, side: str, final: str) -> None:
    world = scene()
    (mine,) = leads(world)
    fight(world, mine, 5)
    with world.store.write() as conn:
        (question,) = asked(conn, 10)
        assert (question.field, question.here, question.there) == ("title", "Ours", "Theirs")
        assert settle(conn, world.clock, "member:v", question.link_id, "title", side)
    settled(world)
    assert world_rows(world, lead)[0].title == card(world).values["title"] == final
    assert causes(world) == {}


# ── a lead that was converted over there by somebody else ────────────────────────────────────────


def test_a_conversion_that_happened_there_takes_the_deal_that_is_named(scene: Scene) -> None:
    """The vendor says "converted already" and which deal it is; our lead's own record is gone meanwhile."""
    world = scene("native")
    (mine,) = leads(world)
    row = world.crm.live("leads")[0]
    deal_row = world.crm.make("cards", {"title": "Theirs", "pipeline": "p", "stage": "deal-in_work"}, links=row.links)
    world.crm.convert_row(row, deal_row)
    with world.store.write() as conn:
        world.convert_here(conn)
    for _look in range(6):
        world.clock.advance(20)
        world.pusher.drain(CRM_ID)
    settled(world)
    assert [(one.state, one.remote_id) for one in links(world, "deal")] == [("linked", deal_row.ref)]
    assert len(world.crm.live("cards")) == 1
    assert mine == world_rows(world, lead)[0].id


def test_a_write_over_there_is_answered_by_what_it_made(scene: Scene) -> None:
    """The fake answers as it declares; the tests above depend on it."""
    world = scene()
    (outcome,) = world.crm.write([Op("people", {"name": "A"}, marker="m")])
    assert isinstance(outcome, Done)
    told: Any = outcome.record
    assert told.values["name"] == "A"
