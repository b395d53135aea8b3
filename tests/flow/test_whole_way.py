"""One inquiry from the form to the CRM and back, on both stacks."""

from __future__ import annotations

from typing import Any

import pytest

from hub.funnel import moves
from hub.model import conversion, deal, inquiry, journal, lead, link
from hub.store.notes import mark_dirty
from tests.flow.scene import CRM_USERS, Scene

ANNA = {
    "name": "Анна Петрова", "phone": "8 (916) 123-45-67", "email": "anna@petrova.test", "message": "Нужны два окна",
    "submission_id": "s-1", "page": "https://okna.test/?utm_source=ya",
}  # fmt: skip
LOST = 143


@pytest.fixture
def arrived(play: Scene) -> Scene:
    """Anna's inquiry has reached the CRM and everything is calm."""
    play.post(**ANNA)
    play.settle()
    return play


def convert(made: Scene) -> str:
    with made.hub.store.write() as conn:
        return moves.convert_lead(conn, made.clock, made.lead().id, "member:" + made.members["vera"])


def phones(*values: str) -> dict[str, Any]:
    """What the card's phone field is set to."""
    return {"field_code": "PHONE", "values": [{"value": one, "enum_code": "WORK"} for one in values]}


def test_a_form_becomes_a_lead_with_owner_and_next_step(play: Scene) -> None:
    receipt = play.post(**ANNA).receipt
    play.hub.flow.drain()
    opened = play.lead()
    assert opened.state == "open"
    assert opened.owner_id in play.members.values()
    assert opened.next_step == "first_touch"
    assert play.row(inquiry).event_id == receipt
    assert play.points("phone") == {"+79161234567"}
    assert play.points("email") == {"anna@petrova.test"}


def test_it_reaches_the_crm_as_one_card_with_its_contact(arrived: Scene) -> None:
    card, person, opened = arrived.card(), arrived.card("contacts"), arrived.lead()
    assert arrived.stands(card) == arrived.spot("lead", "new")
    assert arrived.cell(card, "HUB_ID") == opened.id
    assert arrived.cell(person, "HUB_ID", "contacts") == opened.contact_id
    assert arrived.cell(card, "HUB_BLOCK") == "lead"
    assert arrived.cell(card, "HUB_TEXT") == "Нужны два окна"
    assert arrived.cell(person, "PHONE", "contacts") == ["+79161234567"]
    assert arrived.cell(person, "EMAIL", "contacts") == ["anna@petrova.test"]
    assert (person["first_name"], person["last_name"]) == ("Анна", "Петрова")
    assert card["links"]["contacts"] == [person["id"]]
    owner = next(name for name, key in arrived.members.items() if key == opened.owner_id)
    assert card["responsible_user_id"] == CRM_USERS[owner]
    assert {arrived.link("lead").state, arrived.link("contact").state} == {"linked"}


def test_owners_take_turns(play: Scene) -> None:
    for number in range(4):
        play.post(name=f"Person {number}", phone=f"+7916000000{number}", submission_id=f"n-{number}")
    play.settle()
    owners = [row.owner_id for row in play.rows(lead)]
    assert sorted(owners.count(one) for one in play.members.values()) == [2, 2]
    assert sorted({card["responsible_user_id"] for card in play.cards()}) == sorted(CRM_USERS.values())


def test_a_person_edits_the_contact_in_the_crm_and_the_hub_follows(arrived: Scene) -> None:
    person, before = arrived.card("contacts"), arrived.writes()
    cells = [phones("+7 (495) 765-43-21")]
    arrived.crm.edit("contacts", person["id"], first_name="Анюта", custom_fields_values=cells)
    arrived.settle()
    assert arrived.contact().first_name == "Анюта"
    assert arrived.points("phone") == {"+74957654321"}
    assert arrived.cell(person, "PHONE", "contacts") == ["+7 (495) 765-43-21"]
    assert arrived.writes() == before
    changes = [row.facts["field"] for row in arrived.rows(journal, what="field", subject="contact")]
    assert {"first_name", "phones"} <= set(changes)


def test_odd_values_in_the_crm_stop_nothing(arrived: Scene) -> None:
    """A list with a value nobody can read stays as it is on both sides; everything else goes on."""
    person, card, before = arrived.card("contacts"), arrived.card(), arrived.writes()
    odd = ["8 916 123 45 67", "call after six", "", "0", "+7 999 000 00 00"]
    arrived.crm.edit("contacts", person["id"], custom_fields_values=[phones(*odd)])
    arrived.crm.edit("leads", card["id"], name="Балкон 😀")
    arrived.settle()
    assert arrived.lead().title == "Балкон 😀"
    assert arrived.points("phone") == {"+79161234567"}
    twice = ["8 916 123 45 67", "+79161234567", "8(916)1234567 доб. 12", "+7 999 000 00 00"]
    arrived.crm.edit("contacts", person["id"], custom_fields_values=[phones(*twice)])
    arrived.settle()
    assert arrived.points("phone") == {"+79161234567", "+79990000000"}
    assert arrived.cell(person, "PHONE", "contacts") == twice
    assert arrived.writes() == before


def test_a_card_moved_within_the_lead_block_moves_the_lead(arrived: Scene) -> None:
    arrived.drag("lead", "warm")
    arrived.settle()
    assert arrived.lead().stage == "warm"
    assert arrived.lead().state == "open"


def test_dragging_the_card_over_the_border_makes_a_deal(arrived: Scene) -> None:
    before = arrived.calls("PATCH")
    arrived.drag("deal", "in_work")
    arrived.settle()
    made = arrived.deal()
    assert (made.state, made.stage, made.lead_id) == ("open", "in_work", arrived.lead().id)
    assert arrived.lead().state == "converted"
    assert (arrived.link("deal").state, arrived.link("lead").state) == ("linked", "history")
    assert arrived.link("deal").remote_id == str(arrived.card()["id"])
    assert arrived.row(conversion).by == f"crm:{arrived.crm_id}"
    assert arrived.cell(arrived.card(), "HUB_BLOCK") == "deal"
    assert arrived.stands(arrived.card()) == arrived.spot("deal", "in_work")
    assert arrived.calls("PATCH") - before <= 1


def test_a_deal_won_in_the_crm_is_won_here(arrived: Scene) -> None:
    arrived.drag("deal", "created")
    arrived.settle()
    arrived.crm.edit("leads", arrived.card()["id"], price=125_000)
    arrived.drag("deal", "won")
    arrived.settle()
    assert (arrived.deal().state, arrived.deal().stage, arrived.deal().amount) == ("won", "won", "125000")
    assert arrived.deal().closed_at


def test_a_card_dragged_to_won_at_once_is_a_won_deal(arrived: Scene) -> None:
    arrived.drag("deal", "won")
    arrived.settle()
    assert (arrived.lead().state, arrived.deal().state) == ("converted", "won")
    assert arrived.stands(arrived.card()) == arrived.spot("deal", "won")


def test_a_conversion_in_the_hub_carries_the_card_over(arrived: Scene) -> None:
    before = arrived.calls("PATCH")
    deal_id = convert(arrived)
    assert convert(arrived) == deal_id
    arrived.settle()
    assert arrived.stands(arrived.card()) == arrived.spot("deal", "created")
    assert arrived.cell(arrived.card(), "HUB_BLOCK") == "deal"
    assert arrived.cell(arrived.card(), "HUB_ID") == arrived.lead().id
    assert len(arrived.rows(conversion)) == 1
    assert arrived.calls("PATCH") - before == 1


def test_a_conversion_before_the_card_exists_makes_one_card_in_the_deal_block(play: Scene) -> None:
    play.post(**ANNA)
    play.hub.flow.drain()
    convert(play)
    play.settle()
    assert play.stands(play.card()) == play.spot("deal", "created")
    assert [row.role for row in play.rows(link) if row.role not in ("company", "contact")] == ["deal"]


def test_a_lead_the_crm_refused_and_that_is_converted_is_made_over_there(play: Scene) -> None:
    """A parked link has no card yet: its deal must get one, not count as deleted."""
    play.post(**ANNA)
    play.hub.flow.drain()
    with play.hub.store.write() as conn:
        conn.execute(link.update().where(link.c.role == "lead").values(state="parked", code="refuse"))
    convert(play)
    play.settle()
    assert play.link("deal").state == "linked"
    assert play.stands(play.card()) == play.spot("deal", "created")


def test_both_sides_convert_at_once_and_there_is_one_deal(arrived: Scene) -> None:
    arrived.drag("deal", "offer_sent")
    convert(arrived)
    arrived.settle()
    assert len(arrived.rows(deal)) == 1
    assert arrived.stands(arrived.card()) == arrived.spot("deal", arrived.deal().stage)


def test_a_rejected_lead_closes_the_card_and_keeps_its_role(arrived: Scene) -> None:
    with arrived.hub.store.write() as conn:
        moves.reject_lead(conn, arrived.clock, arrived.lead().id, "Too expensive", "member:x")
    arrived.settle()
    assert arrived.card()["status_id"] == LOST
    assert arrived.link("lead").state == "linked"
    assert not arrived.rows(deal)
    assert arrived.lead().state == "rejected"


def test_a_card_closed_as_lost_rejects_the_lead_and_back_reopens_it(arrived: Scene) -> None:
    arrived.drag("lead", "rejected")
    arrived.settle()
    assert (arrived.lead().state, arrived.lead().reason) == ("rejected", "Closed in the CRM")
    arrived.drag("lead", "warm")
    arrived.settle()
    assert (arrived.lead().state, arrived.lead().stage) == ("open", "warm")


def test_a_card_dragged_back_over_the_border_reverts_the_conversion(arrived: Scene) -> None:
    for number in (1, 2):
        arrived.drag("deal", "created")
        arrived.settle()
        assert arrived.lead().state == "converted"
        arrived.drag("lead", "hot")
        arrived.settle()
        assert (arrived.lead().state, arrived.lead().stage) == ("open", "hot")
        assert [row.state for row in arrived.rows(deal)] == ["reverted"] * number
        assert [row.state for row in arrived.rows(conversion)] == ["reverted"] * number
        assert arrived.stands(arrived.card()) == arrived.spot("lead", "hot")
        assert arrived.cell(arrived.card(), "HUB_BLOCK") == "lead"


def test_a_rejected_card_dragged_into_the_deal_block_is_a_deal(arrived: Scene) -> None:
    with arrived.hub.store.write() as conn:
        moves.reject_lead(conn, arrived.clock, arrived.lead().id, "Too expensive", "member:x")
    arrived.settle()
    arrived.drag("deal", "in_work")
    arrived.settle()
    assert (arrived.lead().state, arrived.lead().reason, arrived.deal().stage) == ("converted", "", "in_work")
    assert arrived.stands(arrived.card()) == arrived.spot("deal", "in_work")


def test_a_move_the_hub_cannot_follow_is_not_taken_back(arrived: Scene) -> None:
    """The person has another open lead: the old card cannot come back to life here, and stays where it was put."""
    old = arrived.card()["id"]
    arrived.drag("lead", "rejected")
    arrived.settle()
    arrived.post(**{**ANNA, "submission_id": "s-9"})
    arrived.settle()
    arrived.drag("lead", "warm", old)
    arrived.settle()
    assert sorted(row.state for row in arrived.rows(lead)) == ["open", "rejected"]
    assert arrived.rows(journal, what="not_followed")
    with arrived.hub.store.write() as conn:
        mark_dirty(conn, arrived.clock, [row.id for row in arrived.rows(lead)])
    arrived.settle()
    assert arrived.stands(arrived.crm.rows["leads"][old]) == arrived.spot("lead", "warm")


def test_the_second_inquiry_joins_the_lead_and_the_third_joins_the_deal(arrived: Scene) -> None:
    arrived.post(**{**ANNA, "submission_id": "s-2", "message": "And a door"})
    arrived.settle()
    assert len(arrived.rows(lead)) == len(arrived.cards()) == 1
    assert arrived.lead().inquiries == 2
    convert(arrived)
    arrived.post(**{**ANNA, "submission_id": "s-3", "message": "And a balcony"})
    arrived.settle()
    assert len(arrived.rows(lead)) == len(arrived.cards()) == 1
    assert [row.decision for row in arrived.rows(inquiry)][-1] == "joined_deal"


def test_an_inquiry_after_the_end_opens_a_new_lead_on_the_same_contact(arrived: Scene) -> None:
    arrived.drag("deal", "won")
    arrived.settle()
    arrived.post(**{**ANNA, "submission_id": "s-4", "message": "Once more, please"})
    arrived.settle()
    assert {row.state for row in arrived.rows(lead)} == {"converted", "open"}
    assert len(arrived.cards("contacts")) == 1
    assert [card["links"]["contacts"] for card in arrived.cards()] == [[arrived.card("contacts")["id"]]] * 2
