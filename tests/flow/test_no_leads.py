"""No leads: an inquiry is a deal at once, here and in the CRM, and everything else is done with it as ever."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from hub.funnel.evidence import CALL, show
from hub.funnel.questions import add_defaults, give_answer
from hub.intake.straight import NO_LEADS, choose
from hub.model import connection, conversion, deal, inquiry, journal, lead, link
from tests.flow.scene import CRM_USERS, Scene
from tests.flow.test_whole_way import ANNA


@pytest.fixture
def straight(play: Scene) -> Scene:
    """The CRM is set up to have no leads."""
    play.hub.provision.apply(play.crm_id, play.hub.provision.plan(play.crm_id, strategy=NO_LEADS))
    return play


def test_an_inquiry_is_a_deal_here_and_there_in_one_commit(straight: Scene) -> None:
    straight.post(**ANNA)
    straight.hub.flow.drain()
    made = straight.deal()
    assert (straight.lead().state, made.lead_id, made.state) == ("converted", straight.lead().id, "open")
    assert made.owner_id in straight.members.values()
    straight.settle()
    card = straight.card()
    assert straight.stands(card) == straight.spot("deal", made.stage)
    assert straight.cell(card, "HUB_BLOCK") == "deal"
    assert card["links"]["contacts"] == [straight.card("contacts")["id"]]
    assert card["responsible_user_id"] in CRM_USERS.values()
    assert [row.role for row in straight.rows(link) if row.role in ("lead", "deal")] == ["deal"]
    assert len(straight.rows(conversion)) == 1
    told = [row.what for row in straight.rows(journal, subject="lead")]
    assert "converted" in told


def test_whoever_writes_again_joins_the_deal(straight: Scene) -> None:
    straight.post(**ANNA)
    straight.settle()
    straight.post(**{**ANNA, "submission_id": "s-2", "message": "And a door"})
    straight.settle()
    assert len(straight.cards()) == len(straight.rows(deal)) == len(straight.rows(lead)) == 1
    assert len(straight.rows(inquiry)) == 2


def test_what_the_border_holds_back_stays_a_lead_of_which_the_crm_hears_nothing(straight: Scene) -> None:
    with straight.hub.store.write() as conn:
        add_defaults(conn, straight.clock, straight.direction_id)
    straight.post(**ANNA)
    straight.settle()
    assert straight.lead().state == "open"
    assert straight.rows(deal) == straight.cards() == []
    (line,) = straight.rows(journal, what="target_waits")
    assert line.facts["missing"]


def test_a_lead_that_was_held_back_is_a_deal_with_the_last_thing_that_was_missing(straight: Scene) -> None:
    with straight.hub.store.write() as conn:
        add_defaults(conn, straight.clock, straight.direction_id)
    straight.post(**ANNA)
    straight.settle()
    with straight.hub.store.write() as conn:
        show(conn, straight.clock, straight.lead().id, CALL, "member:m", way="out")
        for name in ("need", "portrait"):
            assert straight.rows(deal) == []
            give_answer(conn, straight.clock, straight.lead().id, name, "known", "member:m")
    straight.hub.timers.step()
    straight.settle()
    assert straight.lead().state == "converted"
    assert straight.cell(straight.card(), "HUB_BLOCK") == "deal"


def test_the_policy_is_remembered_and_taken_back(straight: Scene) -> None:
    provision = straight.hub.provision
    assert provision.plan(straight.crm_id).strategy == NO_LEADS
    assert provision.verify(straight.crm_id) == ()
    provision.apply(straight.crm_id, provision.plan(straight.crm_id, strategy="two_pipelines"))
    straight.post(**ANNA)
    straight.settle()
    assert straight.lead().state == "open"
    assert straight.cell(straight.card(), "HUB_BLOCK") == "lead"


def test_one_direction_without_leads_beside_a_crm_with_leads(play: Scene) -> None:
    with play.hub.store.write() as conn:
        assert choose(conn, play.clock, "member:x", play.direction_id, True)
        assert not choose(conn, play.clock, "member:x", play.direction_id, True)
    play.post(**ANNA)
    play.settle()
    assert play.cell(play.card(), "HUB_BLOCK") == "deal"
    assert len(play.cards()) == 1
    with play.hub.store.write() as conn:
        assert choose(conn, play.clock, "member:x", play.direction_id, False)
    play.post(name="Boris Falk", phone="+7 912 345-67-77", message="A door", submission_id="s-9")
    play.settle()
    assert sorted(row.state for row in play.rows(lead)) == ["converted", "open"]
    assert len(play.rows(journal, what=NO_LEADS)) == 2


def test_a_connection_that_is_off_converts_nothing(straight: Scene) -> None:
    with straight.hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == straight.crm_id).values(state="off"))
    straight.post(**ANNA)
    straight.hub.flow.drain()
    assert straight.lead().state == "open"
