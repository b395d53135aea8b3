"""People change what the CRM is made of (X29), or take a deletion back (X30): records go on with what is left, and
nothing that somebody wrote is emptied or moved for it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from hub.model import contact, lead
from hub.store.notes import mark_dirty
from tests.flow.scene import Scene

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
