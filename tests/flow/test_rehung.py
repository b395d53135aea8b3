"""A card is hung on another contact, here or over there: the other side follows; beside stand-ins of real CRMs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from connectors import registry
from connectors.contract import Done, Op
from hub.model import contact, lead, link
from hub.store.notes import mark_dirty
from tests.flow.far import Far, far
from tests.real.stage import ANNA
from tests.servers import Stack

BORIS = {"name": "Борис Титов", "phone": "+79161234599", "email": ""}


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM, set up as it is best."""
    with far(embedded, request.param, monkeypatch) as made:
        made.set_up(registry.crm(request.param).facts.strategies[0])
        made.made.settle(1)
        made.made.post(**{**ANNA, "email": ""})
        made.made.settle(4)
        yield made


each = pytest.mark.parametrize("there", ["amocrm", "bitrix24", "pipedrive"], indirect=True)
only_one = pytest.mark.parametrize("there", ["bitrix24", "pipedrive"], indirect=True)
"""A card of amoCRM has many contacts: another one does not push the first aside."""


def new_person(there: Far) -> str:
    """Somebody over there makes a contact."""
    values = there.account.mapping.outbound("contact", {"name": BORIS["name"], "phones": [BORIS["phone"]]}, {})
    made = there.do(Op(there.person.contact_kind, values))
    assert isinstance(made, Done)
    return made.record.ref


def hung_on(there: Far) -> tuple[str, ...]:
    return tuple(there.record("lead").links.get(there.person.contact_kind, ()))


@only_one
def test_a_card_that_people_hang_on_somebody_else_is_theirs_here_too(there: Far) -> None:
    card, ref = there.record("lead"), new_person(there)
    done = there.do(Op(card.kind, {}, ref=card.ref, links={there.person.contact_kind: (ref,)}))
    assert isinstance(done, Done), done
    assert hung_on(there) == (ref,)
    there.made.advance(120)
    there.made.settle(3)
    sent = len(there.sent)
    people: Any = {row.name: row.id for row in there.made.rows(contact)}
    assert there.made.row(lead).contact_id == people[BORIS["name"]]
    there.made.settle(2)
    assert there.sent[sent:] == []


@each
def test_a_lead_that_is_somebody_elses_here_hangs_on_them_there(there: Far) -> None:
    there.made.post(submission_id="2", **BORIS)
    there.made.settle(4)
    first, second = sorted(there.made.rows(lead), key=lambda row: row.opened_at)
    with there.made.hub.store.write() as conn:  # a person may have one open lead
        conn.execute(update(lead).where(lead.c.id == second.id).values(state="rejected", reason="x", closed_at=1))
        conn.execute(update(lead).where(lead.c.id == first.id).values(contact_id=second.contact_id))
        mark_dirty(conn, there.made.clock, [first.id])
    there.made.settle(3)
    [card] = there.made.rows(link, role="lead", record_id=first.id)
    [person] = there.made.rows(link, role="contact", record_id=second.contact_id)
    [seen] = there.person.get(there.account.kind("lead"), [card.remote_id])
    assert seen is not None
    assert person.remote_id in seen.links[there.person.contact_kind]
    sent = len(there.sent)
    there.made.settle(2)
    assert there.sent[sent:] == []


@each
def test_somebody_who_is_not_there_is_made_before_a_lead_hangs_on_them(there: Far) -> None:
    row, clock = there.made.row(lead), there.made.clock
    who = clock.new_id()
    with there.made.hub.store.write() as conn:
        values = {"id": who, "name": BORIS["name"], "created_at": clock.now(), "updated_at": clock.now()}
        conn.execute(contact.insert().values(values))
        conn.execute(update(lead).where(lead.c.id == row.id).values(contact_id=who))
        mark_dirty(conn, clock, [row.id])
    before = len(there.sent)
    there.made.settle(3)
    person = there.made.row(link, role="contact", record_id=who)
    assert person.state == "linked"
    assert person.remote_id in hung_on(there)
    assert [op.kind for op in there.sent[before:]] == [there.person.contact_kind, there.account.kind("lead")]
    there.made.settle(2)
    assert len(there.sent) == before + 2
    assert there.made.row(lead).contact_id == who


def test_a_deal_that_comes_back_on_somebody_with_an_open_lead_stops_nothing(
    embedded: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dragged back over the border and hung on another contact before anybody looked."""
    with far(embedded, "bitrix24", monkeypatch) as there:
        there.set_up("two_blocks")
        there.made.post(**{**ANNA, "email": ""})
        there.made.settle(3)
        there.convert()
        there.made.settle(2)
        there.made.post(submission_id="boris", message="Two doors", **BORIS)
        there.made.settle(3)
        card = there.made.row(link, role="deal", state="linked")
        [boris] = [row for row in there.made.rows(contact) if row.name == BORIS["name"]]
        ref = there.made.row(link, role="contact", record_id=boris.id).remote_id
        there.drag("deal", "lead", "warm")
        there.do(Op(card.remote_kind, {}, ref=card.remote_id, links={there.person.contact_kind: (ref,)}))
        there.made.advance(120)
        there.made.settle(3)
        [back] = there.made.rows(link, role="lead", remote_id=card.remote_id)
        assert (back.state, back.code) == ("linked", "has_open_lead")
        assert len({row.contact_id for row in there.made.rows(lead, state="open")}) == 2, "everybody keeps their own"
