"""From a form into a real BottleCRM, through people's hands there, and back: leads of their own, converted by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connectors.contract import Record
from hub.clock import HOUR
from hub.funnel import moves
from hub.funnel.remarks import plan, remark
from hub.model import company, conversion, deal, lead
from tests.flow.conftest import embedded  # noqa: F401
from tests.flow.scene import Scene
from tests.real.bottle import Bottle, bottle_server
from tests.real.stage import ANNA, remote, stage
from tests.servers import Stack

pytestmark = pytest.mark.timeout(600)
LEADS, DEALS, CONTACTS, ACCOUNTS = "leads", "opportunities", "contacts", "accounts"


@pytest.fixture(scope="module")
def bottle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bottle]:
    with bottle_server(tmp_path_factory.mktemp("bottle")) as served:
        yield served


@pytest.fixture
def play(bottle: Bottle, embedded: Stack) -> Iterator[Scene]:  # noqa: F811
    """A hub beside a BottleCRM in which nothing was done but that a hub set it up: the first time this one, later one
    before it, whose fields and stages this one finds."""
    bottle.rewind()
    with stage(embedded, "bottlecrm", bottle.address, {"token": bottle.token}) as made:
        made.hub.provision.apply(made.crm_id, made.hub.provision.plan(made.crm_id))
        bottle.keep()
        yield made


@pytest.fixture
def anna(request: pytest.FixtureRequest) -> dict[str, str]:
    """Her inquiry, with a mail that no other test's lead keeps."""
    return {**ANNA, "email": f"anna{abs(hash(request.node.name))}@petrova.test"}


def there(made: Scene, kind: str) -> Record:
    """The only record of a kind that is listed."""
    [record] = [one for one in remote(made).changes(kind, "").records if not one.deleted]
    return record


def edit(made: Scene, kind: str, ref: str, **values: object) -> None:
    """A person changes a record over there, by the API its pages use."""
    remote(made)._api.send("PATCH", f"{kind}/{ref}/", values)  # type: ignore[attr-defined]


def convert(made: Scene) -> str:
    with made.hub.store.write() as conn:
        return moves.convert_lead(conn, made.clock, made.lead().id, "member:" + made.members["vera"])


def test_the_set_up_is_whole_and_can_be_taken_back(play: Scene) -> None:
    assert play.hub.provision.plan(play.crm_id).empty
    names = [one.name for one in remote(play).describe().fields[LEADS]]
    assert "hub_utm_source" in names
    assert play.hub.provision.undo(play.crm_id)
    assert "hub_utm_source" not in [one.name for one in remote(play).describe().fields[LEADS]]


def test_a_lead_goes_there_is_edited_converted_and_won_by_people(play: Scene, anna: dict[str, str]) -> None:
    play.post(**anna)
    play.settle()
    card, person, opened = there(play, LEADS), there(play, CONTACTS), play.lead()
    assert [card.values[name] for name in ("source_ref", "description", "status", "hub_utm_source")] == [
        opened.id, "Нужны два окна", "assigned", "ya",
    ]  # fmt: skip
    assert (card.values["email"], card.values["phone"]) == (anna["email"], "+79161234567")
    assert card.links[CONTACTS] == (person.ref,)
    owners = {user.ref: user.email for user in remote(play).describe().users}
    login = next(name for name, key in play.members.items() if key == opened.owner_id)
    assert owners[str(card.values["assigned_to"])].startswith({"vera": "user504101", "oleg": "user504102"}[login])

    edit(play, LEADS, card.ref, title="Balcony", status="in process")
    edit(play, CONTACTS, person.ref, first_name="Anya", phone="+7 495 765-43-21")
    play.settle()
    assert play.lead().title == "Balcony"
    assert play.contact().first_name == "Anya"
    assert play.points("phone") == {"+74957654321"}
    assert play.lead().stage != opened.stage
    assert there(play, CONTACTS).values["hub_phones"] == [{"value": "+7 495 765-43-21"}]

    edit(play, LEADS, card.ref, status="converted")
    play.settle()
    assert (play.lead().state, play.deal().state) == ("converted", "open")
    made = there(play, DEALS)
    assert play.link("deal").remote_id == made.ref
    assert made.values["source_ref"] == opened.id

    edit(play, DEALS, made.ref, stage="CLOSED_WON", amount="125000.00", closed_on="2026-11-22")
    play.settle()
    assert (play.deal().state, play.deal().amount) == ("won", "125000.00")
    assert len(play.rows(conversion)) == len(play.rows(lead)) == len(play.rows(deal)) == 1


@pytest.mark.parametrize("mailed", [True, False])
def test_a_conversion_in_the_hub_is_the_vendors_conversion(play: Scene, anna: dict[str, str], mailed: bool) -> None:
    play.post(**{**anna, **({} if mailed else {"email": ""})})
    play.settle()
    card = there(play, LEADS)
    convert(play)
    play.settle()
    [read] = remote(play).get(LEADS, [card.ref])
    assert read is not None
    made = there(play, DEALS)
    assert (read.values["status"], read.links[DEALS]) == ("converted", (made.ref,))
    assert (play.link("deal").state, play.link("deal").remote_id) == ("linked", made.ref)
    assert len(play.rows(conversion)) == 1
    assert play.deal().state == "open"


def test_a_rejected_lead_is_closed_there_and_comes_back(play: Scene, anna: dict[str, str]) -> None:
    play.post(**anna)
    play.settle()
    with play.hub.store.write() as conn:
        moves.reject_lead(conn, play.clock, play.lead().id, "Too expensive", "member:x")
    play.settle()
    card = there(play, LEADS)
    assert (card.values["status"], card.values["hub_reject_reason"]) == ("closed", "Too expensive")
    edit(play, LEADS, card.ref, status="in process")
    play.settle()
    assert play.lead().state == "open"


def test_the_second_inquiry_of_a_person_is_a_second_lead_there(play: Scene, anna: dict[str, str]) -> None:
    play.post(**anna)
    play.settle()
    with play.hub.store.write() as conn:
        moves.reject_lead(conn, play.clock, play.lead().id, "Too expensive", "member:x")
    play.post(**{**anna, "submission_id": "s-2"})
    play.settle()
    cards = remote(play).changes(LEADS, "").records
    assert sorted(str(card.values["status"]) for card in cards) == ["assigned", "closed"]
    assert {card.links[CONTACTS] for card in cards} == {(there(play, CONTACTS).ref,)}


def test_a_company_a_note_and_a_next_step_go_along(play: Scene, anna: dict[str, str]) -> None:
    play.post(**{**anna, "company": "ООО «Ромашка»"})
    play.settle()
    firm, card = there(play, ACCOUNTS), there(play, LEADS)
    assert (firm.values["name"], there(play, CONTACTS).links[ACCOUNTS]) == ("ООО «Ромашка»", (firm.ref,))
    with play.hub.store.write() as conn:
        remark(conn, play.clock, "lead", play.lead().id, "Wants oak", play.members["vera"])
        plan(conn, play.clock, "lead", play.lead(), "Call her", play.clock.now() + HOUR, play.members["vera"])
    play.settle(1)
    crm = remote(play)
    for kind, words in ((crm.note_kind, "Wants oak"), (crm.task_kind, "Call her")):
        [told] = [crm.activity(one) for one in crm.find(kind, {LEADS: card.ref})]
        assert told is not None
        assert told.text == words
    edit(play, ACCOUNTS, firm.ref, name="Ромашка и Ко", phone="+7 495 765-43-21")
    play.settle()
    assert play.row(company).name == "Ромашка и Ко"
    convert(play)
    play.settle()
    assert there(play, DEALS).links[ACCOUNTS] == (there(play, ACCOUNTS).ref,) == (firm.ref,)
    assert play.link("deal").state == "linked"
