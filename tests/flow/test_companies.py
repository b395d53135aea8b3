"""Companies beside the stand-in of every CRM that has them: made before their people, edited on both sides, merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from connectors import registry
from connectors.contract import Done, Failed, Op
from connectors.errors import Refuse
from hub.cli_sandbox import rehearsable
from hub.clock import FixedClock
from hub.funnel.moves import convert_lead
from hub.identity.merging import Merge
from hub.identity.review import join
from hub.model import company, contact, journal, lead, link, pull_state
from hub.store.notes import mark_dirty
from hub.sync.undo import Undo, runs
from mappings import load, shipped
from tests.flow.far import Far, far
from tests.real.stage import ANNA
from tests.servers import Stack

FIRMS = [name for name in rehearsable() if registry.crm(name).company_kind]


def maps(name: str, field: str) -> bool:
    """Whether a company's field is in step with this CRM as it comes."""
    return any((line.kind, line.hub) == ("company", field) for line in load(shipped(name)).lines)


HERE = {**ANNA, "company": "ООО «Ромашка-Север»"}
NO_LEADS = ("salesforce", "zoho", "espocrm", "odoo", "bottlecrm")
"""There a lead hangs on its person alone, or on nobody before it is converted."""
ONE_MADE = ("salesforce", "zoho", "bottlecrm")
"""There a conversion makes a company of its own where the lead has none."""


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM, set up as it is best."""
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    name, _, strategy = request.param.partition(":")
    with far(embedded, name, monkeypatch) as made:
        made.set_up(strategy or registry.crm(name).facts.strategies[0])
        made.made.settle(1)
        yield made


each = pytest.mark.parametrize("there", FIRMS, indirect=True)
amo = pytest.mark.parametrize("there", ["amocrm"], indirect=True)


def writes(far: Far, **fields: Any) -> None:
    """The form is sent, and everything that comes of it is done."""
    far.made.post(**{"submission_id": far.made.clock.new_id(), **fields})
    far.made.settle(4)


def tied(far: Far) -> tuple[str, ...]:
    return tuple(far.record("contact").links.get(far.person.company_kind, ()))


def edit(far: Far, **values: Any) -> None:
    """A member changes the company here."""
    row = far.made.row(company)
    with far.made.hub.store.write() as conn:
        conn.execute(update(company).where(company.c.id == row.id).values(values))
        mark_dirty(conn, far.made.clock, [row.id])


@each
def test_a_company_comes_with_its_person_and_both_sides_follow(there: Far) -> None:
    writes(there, **HERE)
    firm, made = there.record("company"), there.made
    assert {row.role: row.state for row in made.rows(link)} == {
        role: "linked" for role in ("company", "contact", "lead")
    }
    assert there.told("company")["name"] == HERE["company"]
    assert tied(there) == (firm.ref,)
    assert len(there.all("company")) == len(made.rows(company)) == 1
    if there.person.name not in NO_LEADS:
        assert there.record("lead").links[there.person.company_kind] == (firm.ref,)
    before = len(there.sent)
    there.write("company", name="Ромашка и Ко")
    made.settle(2)
    assert made.row(company).name == "Ромашка и Ко"
    assert there.sent[before:] == [], "what people did is not sent back to them"
    edit(there, name="Ромашка-Юг")
    made.settle(2)
    assert there.told("company")["name"] == "Ромашка-Юг"
    assert len(there.sent) - before == 1
    made.settle(2)
    assert len(there.sent) - before == 1


@pytest.mark.parametrize("there", [name for name in FIRMS if maps(name, "phones")], indirect=True)
def test_a_company_is_reached_by_the_same_phones_on_both_sides(there: Far) -> None:
    writes(there, **HERE)
    made, two = there.made, ["+74957654321", "+74957654322"]
    there.write("company", phones=two[:1])
    made.settle(4)
    assert made.row(company).phones == two[:1]
    before = len(there.sent)
    edit(there, phones=two)
    made.settle(3)
    room = there.person.facts.room.get(there.person.company_kind, {}).get("phones") or 2
    assert sorted(there.told("company")["phones"]) == two[:room]
    assert sorted(made.row(company).phones) == two
    assert len(there.sent) - before == (1 if room == 2 else 0)


@amo
def test_a_company_goes_before_its_people_also_while_time_passes(there: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    def later(clock: FixedClock) -> int:
        clock.at += 1
        return clock.at

    monkeypatch.setattr(FixedClock, "now", later)
    writes(there, **HERE)
    assert [(op.kind, op.ref) for op in there.sent] == [("companies", None), ("leads", None)]
    assert tied(there) == (there.record("company").ref,)


@amo
def test_the_first_company_goes_as_soon_as_the_list_was_read(there: Far) -> None:
    made = there.made
    with made.hub.store.write() as conn:
        unread = {"whole_at": None, "due_at": made.clock.now()}
        conn.execute(update(pull_state).where(pull_state.c.kind == there.account.kind("company")).values(unread))
    made.post(**HERE)
    made.hub.flow.drain()
    made.push()
    assert [op.kind for op in there.sent] == ["leads"], "a lead waits for nothing, its company for the list"
    made.hub.puller.step(made.crm_id)
    made.push()
    assert [op.kind for op in there.sent][1] == "companies"
    assert tied(there) == (there.record("company").ref,)


@each
def test_a_company_that_people_made_comes_with_its_person(there: Far) -> None:
    writes(there, **{**ANNA, "email": ""})
    assert there.made.rows(company) == []
    kind, made = there.person.company_kind, there.made
    values = there.account.mapping.outbound("company", {"name": "Кедр-Строй"}, {})
    firm = there.do(Op(kind, values))
    assert isinstance(firm, Done)
    person = there.record("contact")
    there.do(Op(person.kind, {}, ref=person.ref, links={kind: (firm.record.ref,)}))
    made.advance(120)
    made.settle(3)
    assert made.row(company).name == "Кедр-Строй"
    assert made.contact().company_id == made.row(company).id
    assert made.link("company").remote_id == firm.record.ref
    before = len(there.sent)
    made.settle(2)
    assert there.sent[before:] == []
    writes(there, name="Борис", phone="+79161234599", company="Кедр-Строй")
    assert len(there.all("company")) == 1, "the next one of this company hangs on the same card"


@each
def test_a_company_that_is_there_is_not_made_again(there: Far) -> None:
    kind = there.person.company_kind
    values = there.account.mapping.outbound("company", {"name": HERE["company"]}, {})
    firm = there.do(Op(kind, values))
    assert isinstance(firm, Done)
    there.made.advance(1200)
    there.made.settle(2)
    writes(there, **HERE)
    there.made.settle(2)
    assert there.made.link("company").remote_id == firm.record.ref
    assert tied(there) == (firm.record.ref,)
    assert len(there.all("company")) == 1


@amo
def test_no_company_no_call(there: Far) -> None:
    there.made.settle(1)
    before = dict(there.state.calls)
    writes(there, **{**ANNA, "email": ""})
    asked = {call for call, n in there.state.calls.items() if n > before.get(call, 0)}
    assert not [call for call in asked if "companies" in call]


@amo
def test_a_refused_company_holds_nobody_up(there: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    real = type(there.person).write

    def write(crm: Any, ops: Any) -> Any:
        bad = [op.kind == "companies" for op in ops]
        return [Failed(Refuse("no")) for _ in ops] if any(bad) else real(crm, ops)

    monkeypatch.setattr(type(there.person), "write", write)
    writes(there, **HERE)
    assert there.made.link("company").state == "parked"
    assert (there.made.link("contact").state, there.made.link("lead").state) == ("linked", "linked")
    assert tied(there) == ()
    monkeypatch.setattr(type(there.person), "write", real)
    with there.made.hub.store.write() as conn:
        again = {"state": "new", "dirty": 1, "attempts": 0, "due_at": there.made.clock.now()}
        conn.execute(update(link).where(link.c.role == "company").values(again))
    there.made.settle(3)
    assert tied(there) == (there.record("company").ref,)


@amo
def test_a_merge_of_contacts_keeps_the_company(there: Far) -> None:
    writes(there, **HERE)
    writes(there, name="Анна П.", phone="+79161234588")
    first, second = sorted(there.made.rows(contact), key=lambda row: row.company_id is None)
    with there.made.hub.store.write() as conn:
        clock = there.made.clock
        join(conn, Merge(clock.new_id(), second.id, first.id, clock.now(), "member:x", ()))
    there.made.settle(3)
    (kept,) = [row for row in there.made.rows(contact) if row.merged_into is None]
    assert kept.company_id == there.made.row(company).id
    (card,) = there.made.rows(link, role="contact", state="linked")
    [person] = there.person.get("contacts", [card.remote_id])
    assert person is not None
    assert person.links["companies"] == (there.record("company").ref,)


@amo
def test_an_edit_of_a_company_is_taken_back(there: Far) -> None:
    writes(there, **HERE)
    there.write("company", name="Ромашка и Ко")
    there.made.settle(2)
    with there.made.hub.store.read() as conn:
        newest = next(run.id for run in runs(conn, there.made.crm_id) if run.here)
    told = Undo(there.made.hub.store, there.made.clock, there.made.hub.accounts).undo(newest, "member:x")
    assert told.done
    there.made.settle(2)
    assert there.made.row(company).name == there.told("company")["name"] == HERE["company"]


@amo
def test_companies_are_audited(there: Far) -> None:
    writes(there, **HERE)
    there.made.advance(7200)
    there.made.settle(1)
    sentence = there.made.hub.auditor.run(there.made.crm_id)
    assert sentence.startswith("0 differences on 3 records"), sentence
    assert there.made.rows(lead)
    assert there.made.rows(journal, what="in_crm", subject="company")


LATE = [
    f"{name}:two_blocks" if name in ONE_MADE else name
    for name in FIRMS
    if registry.crm(name).company_on and name != "bottlecrm"  # there is no conversion there without a company
]


@pytest.mark.parametrize("there", LATE, indirect=True)
def test_a_company_that_is_known_late_gets_the_card_too(there: Far) -> None:
    writes(there, **{**ANNA, "email": ""})
    kind, made, role = there.person.company_kind, there.made, "lead"
    if there.account.kind(role) not in there.person.company_on:
        role = "deal"
        convert_here(there)
    assert not there.record(role).links.get(kind)
    hired_late(there, "Кедр-Строй")
    made.settle(3)
    firm = there.record("company")
    assert tied(there) == there.record(role).links[kind] == (firm.ref,)
    before = len(there.sent)
    hired_late(there, "Берёза")
    made.settle(3)
    assert there.record(role).links[kind] == (firm.ref,), "a card that names a company is its people's own"
    assert [op.kind for op in there.sent[before:]] == [kind, there.person.contact_kind]
    made.settle(2)
    assert len(there.sent) == before + 2


def convert_here(far: Far) -> None:
    with far.made.hub.store.write() as conn:
        convert_lead(conn, far.made.clock, far.made.row(lead).id, "member:x")
    far.made.settle(3)


def hired_late(far: Far, name: str) -> None:
    """A member says whose the contact is."""
    clock, who = far.made.clock, far.made.contact().id
    with far.made.hub.store.write() as conn:
        values = {"id": clock.new_id(), "name": name, "key": "", "created_at": clock.now()}
        conn.execute(company.insert().values(values))
        conn.execute(update(contact).where(contact.c.id == who).values(company_id=values["id"]))
        mark_dirty(conn, clock, [who])
