"""People change what the CRM is made of (X29), or take a deletion back (X30): records go on with what is left, and
nothing that somebody wrote is emptied or moved for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from hub.funnel import moves
from hub.intake.quarantine import try_again
from hub.model import connection, contact, lead, link
from hub.store.notes import mark_dirty
from tests.flow.far import Far, far
from tests.flow.scene import Scene
from tests.servers import Stack

ANNA: dict[str, Any] = {"name": "Anna Peters", "phone": "+79161234567"}
HOUR = 3601


@pytest.fixture
def calm(small: Scene) -> Scene:
    """A lead that has arrived; nothing is left to do."""
    small.post(**ANNA, message="Two windows")
    small.settle()
    return small


def edit_here(made: Scene, **values: Any) -> None:
    with made.hub.store.write() as conn:
        conn.execute(update(lead).values(**values))
        mark_dirty(conn, made.clock, [made.lead().id])
    made.settle()


def without(made: Scene, kind: str, code: str) -> None:
    """A person removes a field, and its values with it."""
    (number,) = (n for n, one in made.crm.fields[kind].items() if one["code"] == code)
    del made.crm.fields[kind][number]
    for row in made.crm.rows[kind].values():
        row["cells"].pop(number, None)
        made.crm.edit(kind, row["id"], responsible_user_id=row["responsible_user_id"])


def mended(made: Scene) -> None:
    made.hub.provision.apply(made.crm_id, made.hub.provision.plan(made.crm_id))
    made.settle()


def test_a_field_that_people_removed_empties_nothing_and_comes_back(calm: Scene) -> None:
    assert calm.cell(calm.card(), "HUB_TEXT") == "Two windows"
    with calm.hub.store.write() as conn:
        conn.execute(update(contact).values(language="en"))
        mark_dirty(conn, calm.clock, [calm.contact().id])
    calm.settle()
    assert calm.cell(calm.card("contacts"), "HUB_LANGUAGE", "contacts") == "en"
    without(calm, "leads", "HUB_TEXT")
    without(calm, "contacts", "HUB_LANGUAGE")
    calm.settle()
    assert calm.contact().language == "en"
    assert calm.lead().text == "Two windows", "a field that is not there says nothing"
    edit_here(calm, title="Windows for Anna", text="Three windows")
    assert calm.card()["name"] == "Windows for Anna", "the record continues without that field"
    calls = calm.writes()
    calm.settle()
    assert calm.writes() == calls
    mended(calm)
    assert calm.cell(calm.card(), "HUB_TEXT") == "Three windows"
    assert calm.cell(calm.card("contacts"), "HUB_LANGUAGE", "contacts") == "en"
    assert (calm.link("lead").state, calm.link("contact").state) == ("linked", "linked")


def test_a_field_that_people_renamed_is_the_same_field(calm: Scene) -> None:
    for one in calm.crm.fields["leads"].values():
        one["name"] = f"Ours: {one['name']}"
    edit_here(calm, temperature="hot")
    assert calm.cell(calm.card(), "HUB_TEMPERATURE") == "hot"
    assert calm.hub.provision.verify(calm.crm_id) == ()


def test_a_stage_that_people_removed_moves_nobody_here(calm: Scene) -> None:
    """amoCRM moves the cards of a stage that is removed to the first one that is left."""
    calm.drag("lead", "warm")
    calm.settle()
    assert calm.lead().stage == "warm"
    pipeline, stage = calm.spot("lead", "warm")
    del calm.crm.pipelines.all[pipeline]["statuses"][stage]
    assert any("Warm" in one for one in calm.hub.provision.verify(calm.crm_id))
    edit_here(calm, title="Still here")
    assert (calm.card()["name"], calm.lead().state) == ("Still here", "open")
    mended(calm)
    assert calm.hub.provision.verify(calm.crm_id) == ()
    calm.drag("lead", "cold")
    calm.settle()
    assert calm.lead().stage == "cold"


def test_an_owner_who_left_the_account_takes_no_lead_along(calm: Scene) -> None:
    (number,) = (n for n, name in calm.crm.users.items() if n == calm.card()["responsible_user_id"])
    before = calm.lead().owner_id
    del calm.crm.users[number]
    edit_here(calm, title="Still here")
    assert (calm.card()["name"], calm.lead().owner_id) == ("Still here", before)


def test_a_card_that_people_take_out_of_the_bin_is_no_second_lead(calm: Scene) -> None:
    number = calm.card()["id"]
    calm.crm.delete("leads", number)
    calm.advance(HOUR)
    calm.settle()
    assert calm.link("lead").state == "tombstoned"
    calm.crm.restore("leads", number)
    calm.settle()
    edit_here(calm, title="Anna again")
    assert [row["id"] for row in calm.cards()] == [number]
    assert len(calm.rows(lead)) == 1


def test_a_field_that_people_retyped_stays_behind_alone_and_comes_when_it_is_mended(calm: Scene) -> None:
    calm.post(name="Boris", phone="+79161234568", submission_id="s-2")
    calm.settle()
    (field,) = (one for one in calm.crm.fields["leads"].values() if one["code"] == "HUB_TEMPERATURE")
    was, field["type"] = field["type"], "numeric"
    anna, boris = sorted(calm.rows(lead), key=lambda row: row.opened_at)
    with calm.hub.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id == anna.id).values(title="Windows for Anna", temperature="hot"))
        conn.execute(update(lead).where(lead.c.id == boris.id).values(title="Doors for Boris"))
        mark_dirty(conn, calm.clock, [anna.id, boris.id])
    calm.push()
    assert {card["name"] for card in calm.cards()} == {"Windows for Anna", "Doors for Boris"}
    told = calm.row(link, record_id=anna.id)
    assert (told.state, told.code) == ("linked", "left_out")
    assert "HUB_TEMPERATURE: The value you selected is not a valid choice." in told.why
    assert calm.row(link, record_id=boris.id).code == ""
    field["type"] = was
    mended(calm)
    assert "hot" in [calm.cell(card, "HUB_TEMPERATURE") for card in calm.cards()]
    assert calm.row(link, record_id=anna.id).code == ""


@pytest.fixture
def bitrix(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A lead in an account with leads."""
    with far(embedded, "bitrix24", monkeypatch) as one:
        one.set_up("native")
        one.made.post(**ANNA)
        one.made.settle(2)
        yield one


def test_a_field_that_is_required_now_parks_that_card_and_try_again_moves_it(bitrix: Far) -> None:
    made, state = bitrix.made, bitrix.state
    state.required["leads", bitrix.spot("lead", "hot")[1]] = "contractNumber"
    made.post(name="Boris", phone="+79161234568", submission_id="s-2")
    made.settle(1)
    anna, boris = sorted(made.rows(lead), key=lambda row: row.opened_at)
    with made.hub.store.write() as conn:
        for row, stage in ((anna, "hot"), (boris, "warm")):
            moves.move_lead(conn, made.clock, row.id, stage, "member:x")
    made.settle(1)
    told = made.row(link, record_id=anna.id)
    assert (told.state, told.code) == ("parked", "refuse")
    assert told.why == 'Bitrix24 refuses this: The "contractNumber" field is required'
    assert made.row(link, record_id=boris.id).state == "linked"
    assert [row["stageId"] for row in state.rows["leads"].values()].count(bitrix.spot("lead", "warm")[1]) == 1
    state.required.clear()
    with made.hub.store.write() as conn:
        assert try_again(conn, made.clock, "member:x", told.id) == 1
    made.settle(1)
    assert made.row(link, record_id=anna.id).state == "linked"
    assert bitrix.spot("lead", "hot")[1] in [row["stageId"] for row in state.rows["leads"].values()]


def test_leads_that_people_switched_off_stop_the_connection_and_it_goes_on_when_they_are_back(bitrix: Far) -> None:
    """Bitrix24 makes a deal of what is written as a lead then: the first shows it, no second one is written."""
    made = bitrix.made
    bitrix.state.leads = False
    for number, name in enumerate(("Boris", "Vera")):
        made.post(name=name, phone=f"+791612345{70 + number}", submission_id=name)
        made.settle(2)
    assert made.row(connection, id=made.crm_id).state == "paused"
    assert "works without leads" in made.row(connection, id=made.crm_id).why
    assert {row.title: row.state for row in made.rows(lead) if row.title in ("Boris", "Vera")} == {
        "Boris": "converted",
        "Vera": "open",
    }
    bitrix.state.leads = True
    with made.hub.store.write() as conn:
        conn.execute(connection.update().where(connection.c.id == made.crm_id).values(state="active", why=""))
    made.hub.connections.forget()
    made.settle(3)
    assert {row.state for row in made.rows(link)} == {"linked"}
    assert len(bitrix.state.rows["leads"]) == 3
