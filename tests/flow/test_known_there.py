"""A person whom only the CRM knows writes to us: the contact over there is theirs, and no second one is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors import registry
from connectors.contract import Op
from hub.model import contact, contact_point, journal, lead, link, mirror, review
from tests.flow.far import Far, far
from tests.servers import Stack

CRMS = ("amocrm", "bitrix24", "hubspot")
ANNA = {"name": "Анна Серова", "phones": ["+79161234507"], "emails": ["serova-a@pochta.test"]}
FAMILY = {"name": "Олег Серов", "phones": ["+79161234507"], "emails": ["oleg-s@pochta.test"]}


@pytest.fixture(params=CRMS)
def there(request: pytest.FixtureRequest, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """An account that is set up, on both stacks."""
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(stack, request.param, monkeypatch) as made:
        made.set_up(registry.crm(made.person.name).facts.strategies[0])
        yield made


@pytest.fixture
def amo(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    with far(embedded, "amocrm", monkeypatch) as made:
        made.set_up(registry.crm(made.person.name).facts.strategies[0])
        yield made


def entered(far: Far, **person: Any) -> str:
    """Somebody enters a contact in the CRM; answers its id."""
    first, _, last = person.pop("name").partition(" ")
    wish = {"first_name": first, "last_name": last, **person}
    values = far.account.mapping.write("contact", wish, {}).values
    outcome = far.do(Op(far.account.kind("contact"), values, marker=""))
    return str(outcome.record.ref)  # type: ignore[union-attr]


def read(far: Far) -> None:
    """The list of contacts is read to its end."""
    far.made.advance(far.account.lag + 600)
    far.made.pull()


def writes(far: Far, **fields: Any) -> None:
    far.made.post(**{"message": "Нужен забор", **fields})
    far.made.hub.flow.drain()


def test_no_second_card_is_made_of_somebody_the_crm_has(there: Far) -> None:
    ref = entered(there, **ANNA)
    read(there)
    writes(there, name="Анна", phone="8 916 123-45-07")
    mine = there.made.link("contact")
    assert (mine.state, mine.remote_id) == ("linked", ref)
    there.made.settle()
    assert [one.ref for one in there.all("contact")] == [ref]
    assert there.made.link("contact").state == "linked"
    assert there.record("lead").links[there.account.kind("contact")] == (ref,)
    assert there.made.points("email") == {"serova-a@pochta.test"}


def test_who_is_known_by_number_is_known_by_mail_too(there: Far) -> None:
    """The record brings its other addresses, so the second inquiry by another way is no second person."""
    entered(there, **ANNA)
    read(there)
    writes(there, name="Анна", phone="+79161234507")
    writes(there, name="А. Серова", email="serova-a@pochta.test")
    assert len(there.made.rows(contact)) == len(there.made.rows(lead)) == 1


def test_a_relative_on_one_phone_gets_a_card_of_their_own(there: Far) -> None:
    ref = entered(there, **FAMILY)
    read(there)
    writes(there, name="Анна Серова", phone="+79161234507")
    there.made.settle()
    assert there.made.link("contact").remote_id != ref
    assert len(there.all("contact")) == 2


def test_while_the_list_is_being_read_the_crm_is_asked(there: Far) -> None:
    """The mirror knows nobody yet: one look-up before the card is made, and none when the list was read."""
    ref = entered(there, **ANNA)
    there.made.advance(there.account.lag + 60)
    writes(there, name="Анна Серова", phone="+79161234507", email="serova-a@pochta.test")
    there.made.push()
    mine = there.made.link("contact")
    assert (mine.state, mine.remote_id) == ("linked", ref)
    there.made.settle()
    assert [one.ref for one in there.all("contact")] == [ref]
    assert there.record("lead").links[there.account.kind("contact")] == (ref,)


def test_a_whole_mirror_saves_the_question(amo: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    read(amo)
    asked: list[Any] = []

    def find(*given: Any) -> tuple[()]:
        asked.append(given)
        return ()

    monkeypatch.setattr(type(amo.account.crm), "find", find)
    writes(amo, name="Анна Серова", phone="+79161234507")
    amo.made.settle()
    assert not asked
    assert len(amo.all("contact")) == 1


def test_a_contact_that_was_here_before_the_list_was_read_is_bound(amo: Far) -> None:
    ref = entered(amo, **ANNA)
    writes(amo, name="Анна Серова", phone="+79161234507")
    assert amo.made.link("contact").state == "new"
    read(amo)
    amo.made.settle()
    assert [one.ref for one in amo.all("contact")] == [ref]


def test_the_mirror_follows_the_crm(amo: Far) -> None:
    ref = entered(amo, **ANNA)
    other = entered(amo, **FAMILY)
    read(amo)
    assert {row.remote_id for row in amo.made.rows(mirror)} == {ref, other}
    values = amo.account.mapping.write("contact", {"phones": ["+79161234599"], "emails": []}, {}).values
    amo.do(Op("contacts", values, ref=ref))
    read(amo)
    writes(amo, name="Анна", phone="+79161234507")
    assert amo.made.link("contact").state == "new"
    writes(amo, name="Анна", phone="+79161234599")
    assert {row.remote_id for row in amo.made.rows(link, role="contact")} == {None, ref}
    assert {row.remote_id for row in amo.made.rows(mirror)} >= {other}


def test_a_contact_that_was_deleted_unseen_is_made_anew(amo: Far) -> None:
    """Their lists name no deletions: what the mirror knew is gone, and that is found when it is read."""
    ref = entered(amo, **ANNA)
    read(amo)
    amo.state.delete("contacts", int(ref))
    writes(amo, name="Анна Серова", phone="+79161234507")
    amo.made.settle()
    (made,) = amo.all("contact")
    assert made.ref != ref
    assert amo.made.link("contact").remote_id == made.ref
    assert amo.record("lead").links["contacts"] == (made.ref,)
    assert amo.made.rows(mirror) == []


def test_a_record_with_the_data_of_two_is_asked_about(amo: Far) -> None:
    """Known here by mail, there by number: a person shall look whether they are one."""
    writes(amo, name="Анна Серова", email="serova-a@pochta.test")
    amo.made.settle()
    entered(amo, **{**ANNA, "name": "Анна Серова"})
    read(amo)
    writes(amo, name="Анна", phone="+79161234507")
    assert len(amo.made.rows(contact)) == 2
    assert len(amo.made.rows(review, state="open")) == 1


def test_the_timeline_tells_where_the_person_was_found(amo: Far) -> None:
    ref = entered(amo, **ANNA)
    read(amo)
    writes(amo, name="Анна", phone="+79161234507")
    (line,) = amo.made.rows(journal, what="found_in_crm")
    assert line.facts["ref"] == ref
    (opened,) = amo.made.rows(journal, what="opened")
    assert opened.facts["recognised"][0]["result"] == "known_in_crm"
    assert {row.value for row in amo.made.rows(contact_point)} == {"+79161234507", "serova-a@pochta.test"}
