"""From a form into a real Tryton, through people's hands there, and back: one record is first a lead, then a deal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.contract import Record
from hub.funnel import moves
from hub.model import conversion, deal, lead
from tests.flow.conftest import embedded  # noqa: F401
from tests.flow.scene import Scene
from tests.real.stage import ANNA, remote, stage
from tests.real.tryton import DATABASE, PASSWORD, rewind, tryton_server
from tests.servers import Stack

pytestmark = pytest.mark.timeout(600)
LEAD, PARTY = "sale.opportunity", "party.party"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a Tryton, and the folder of its account."""
    folder = tmp_path_factory.mktemp("tryton")
    with tryton_server(folder) as url:
        yield url, folder


@pytest.fixture
def address(served: tuple[str, Path]) -> str:
    """An account in which nothing was done yet, for each test: a hub takes in what it finds there."""
    url, folder = served
    rewind(folder)
    return url


@pytest.fixture
def play(address: str, embedded: Stack) -> Iterator[Scene]:  # noqa: F811
    """A hub beside a Tryton: nothing can be made there, its states are matched with the hub's stages."""
    values = {"database": DATABASE, "user": "admin", "password": PASSWORD}
    with stage(embedded, "tryton", address, values) as made:
        made.hub.provision.apply(made.crm_id, made.hub.provision.plan(made.crm_id))
        yield made


def card(made: Scene) -> Record:
    """The hub's opportunity over there."""
    [record] = remote(made).find(LEAD, {"marker": made.lead().id})
    return record


def person(made: Scene) -> Record:
    [record] = remote(made).find(PARTY, {"marker": made.contact().id})
    return record


def act(made: Scene, method: str, record: Record, *values: object) -> None:
    """A person presses a button, or saves a form."""
    remote(made)._rpc.call(f"model.{record.kind}.{method}", [int(record.ref)], *values)  # type: ignore[attr-defined]


@pytest.fixture
def arrived(play: Scene) -> Scene:
    """Anna's inquiry has reached Tryton and everything is calm."""
    play.post(**ANNA)
    play.settle()
    return play


def test_a_form_becomes_an_opportunity_in_the_state_lead(arrived: Scene) -> None:
    made, anna = card(arrived), person(arrived)
    assert (made.values["state"], made.values["comment"]) == ("lead", "Нужны два окна")
    assert made.links[PARTY] == (anna.ref,)
    assert anna.values["name"] == "Анна Петрова"
    assert anna.values["phone"] == [{"value": "+79161234567", "enum_code": "phone"}]
    assert anna.values["email"] == [{"value": "anna@petrova.test", "enum_code": "email"}]
    owners = {user.ref: user.email for user in remote(arrived).describe().users}
    login = next(name for name, key in arrived.members.items() if key == arrived.lead().owner_id)
    assert owners[str(made.values["employee"])] == {"vera": "user504101", "oleg": "user504102"}[login] + "@example.com"


def test_what_people_edit_there_comes_back_and_is_not_sent_again(arrived: Scene) -> None:
    anna = person(arrived)
    act(
        arrived,
        "write",
        card(arrived),
        {"description": "Balcony", "amount": {"__class__": "Decimal", "decimal": "99.50"}},
    )
    act(arrived, "write", anna, {"name": "Anya", "contact_mechanisms": [
        ["create", [{"type": "mobile", "value": "+7 (495) 765-43-21"}]],
    ]})  # fmt: skip
    seen = card(arrived).version, person(arrived).version
    arrived.settle()
    assert arrived.lead().title == "Balcony"
    assert arrived.contact().name == "Anya"
    assert arrived.points("phone") == {"+79161234567", "+74957654321"}
    assert (card(arrived).version, person(arrived).version) == seen


def test_a_lead_taken_further_by_a_person_is_a_deal(arrived: Scene) -> None:
    act(arrived, "opportunity", card(arrived))
    arrived.settle()
    assert (arrived.lead().state, arrived.deal().state) == ("converted", "open")
    assert arrived.link("deal").remote_id == card(arrived).ref
    act(arrived, "convert", card(arrived))
    arrived.settle()
    assert arrived.deal().stage == "offer_sent"
    assert len(arrived.rows(conversion)) == len(arrived.rows(lead)) == len(arrived.rows(deal)) == 1


def test_a_conversion_in_the_hub_takes_the_opportunity_further(arrived: Scene) -> None:
    with arrived.hub.store.write() as conn:
        moves.convert_lead(conn, arrived.clock, arrived.lead().id, "member:" + arrived.members["vera"])
    arrived.settle()
    assert card(arrived).values["state"] == "opportunity"
    assert (arrived.link("deal").state, arrived.link("lead").state) == ("linked", "history")
    act(arrived, "lost", card(arrived))
    arrived.settle()
    assert arrived.deal().state == "lost"


def test_a_conversion_before_the_record_exists_makes_it_where_it_belongs(play: Scene) -> None:
    play.post(**ANNA)
    play.hub.flow.drain()
    with play.hub.store.write() as conn:
        moves.convert_lead(conn, play.clock, play.lead().id, "member:" + play.members["vera"])
    play.settle()
    assert card(play).values["state"] == "opportunity"
    assert play.link("deal").state == "linked"


def test_a_rejected_lead_is_lost_there_and_a_cancelled_one_rejected_here(arrived: Scene) -> None:
    with arrived.hub.store.write() as conn:
        moves.reject_lead(conn, arrived.clock, arrived.lead().id, "Too expensive", "member:x")
    arrived.settle()
    assert (card(arrived).values["state"], card(arrived).values["lost_reason"]) == ("lost", "Too expensive")
    act(arrived, "lead", card(arrived))
    arrived.settle()
    assert arrived.lead().state == "open"
    act(arrived, "cancel", card(arrived))
    arrived.settle()
    assert arrived.lead().state == "rejected"
    assert card(arrived).values["state"] == "cancelled"
    assert not arrived.rows(deal)
