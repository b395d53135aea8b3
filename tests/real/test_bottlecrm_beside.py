"""BottleCRM itself: companies, and what hangs on a record there: comments, tasks, tags."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.contract import Activity, Done, Failed, Op, Record, Step
from connectors.crms.bottlecrm import BottleCRM
from connectors.errors import Conflict, Refuse
from connectors.http import Wire
from tests.real.bottle import Bottle, bottle_server

pytestmark = pytest.mark.timeout(600)
LEADS, DEALS, CONTACTS, ACCOUNTS = "leads", "opportunities", "contacts", "accounts"
MARK = Step("field", "create", {"name": "Hub id", "code": "hub_id"}, under=ACCOUNTS)


@pytest.fixture(scope="module")
def bottle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bottle]:
    with bottle_server(tmp_path_factory.mktemp("bottle")) as served:
        yield served


@pytest.fixture
def crm(bottle: Bottle) -> Iterator[BottleCRM]:
    bottle.rewind()
    wire = Wire(allow=[bottle.address.removeprefix("http://")], patience=0.1)
    yield BottleCRM({"address": bottle.address}, {"token": bottle.token}, wire)
    wire.close()


def made(crm: BottleCRM, kind: str, links: dict[str, tuple[str, ...]] | None = None, **values: Any) -> str:
    """A new record's id."""
    [outcome] = crm.write([Op(kind, values, marker=f"M-{values}", links=links or {})])
    assert isinstance(outcome, Done), outcome
    return outcome.record.ref


def changed(crm: BottleCRM, kind: str, ref: str, **values: Any) -> Record:
    """A record after these values were written."""
    [outcome] = crm.write([Op(kind, values, ref=ref)])
    assert isinstance(outcome, Done), outcome
    return read(crm, kind, ref)


def read(crm: BottleCRM, kind: str, ref: str) -> Record:
    [record] = crm.get(kind, [ref])
    assert record is not None
    return record


# ── companies ────────────────────────────────────────────────────────────────────────────────────


def test_a_company_is_kept_with_its_people_and_deals(crm: BottleCRM) -> None:
    crm.provision([MARK, Step("field", "create", {"name": "More phones", "code": "hub_phones"}, under=ACCOUNTS)])
    phones = [{"value": "+74957654321"}, {"value": "+74957654322"}]
    values = {"name": "Northwind", "website": "https://northwind.test", "address_line": "Main St 1"}
    [outcome] = crm.write([Op(ACCOUNTS, {**values, "hub_phones": phones}, marker="F-1")])
    assert isinstance(outcome, Done)
    firm = outcome.record.ref
    kept = read(crm, ACCOUNTS, firm).values
    assert {name: kept[name] for name in values} == values
    assert (kept["hub_phones"], kept["hub_emails"], kept["hub_id"]) == (phones, [], "F-1")
    assert [one.ref for one in crm.find(ACCOUNTS, {"marker": "F-1"})] == [firm]
    assert crm.find(ACCOUNTS, {"marker": "F-2"}) == []
    assert [one.ref for one in crm.changes(ACCOUNTS, "").records] == [firm]
    contact = made(crm, CONTACTS, {ACCOUNTS: (firm,)}, first_name="Anna")
    deal = made(crm, DEALS, {ACCOUNTS: (firm,), CONTACTS: (contact,)}, name="Balcony")
    assert read(crm, CONTACTS, contact).links == {ACCOUNTS: (firm,)}
    assert read(crm, DEALS, deal).links == {ACCOUNTS: (firm,), CONTACTS: (contact,)}
    assert [one.links[ACCOUNTS] for one in crm.changes(DEALS, "").records] == [(firm,)]
    assert changed(crm, ACCOUNTS, firm, name="Northwind Ltd", hub_phones=phones[:1]).values["hub_phones"] == phones[:1]


def test_a_company_whose_name_somebody_has_is_a_conflict_with_that_one(crm: BottleCRM) -> None:
    first = made(crm, ACCOUNTS, name="Northwind")
    [outcome] = crm.write([Op(ACCOUNTS, {"name": "northWIND"}, marker="F-2")])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.ref == first
    [wrong] = crm.write([Op(ACCOUNTS, {"name": "Other", "website": "no page"}, marker="F-3")])
    assert isinstance(wrong, Failed)
    assert isinstance(wrong.error, Refuse)
    assert set(wrong.error.fields) == {"website"}


def test_a_company_that_has_deals_is_not_deleted_with_them(crm: BottleCRM) -> None:
    firm = made(crm, ACCOUNTS, name="Northwind")
    deal = made(crm, DEALS, {ACCOUNTS: (firm,)}, name="Balcony")
    with pytest.raises(Refuse):
        crm.delete(ACCOUNTS, [firm])
    assert read(crm, DEALS, deal).links[ACCOUNTS] == (firm,)
    crm.delete(DEALS, [deal])
    crm.delete(ACCOUNTS, [firm])
    assert list(crm.get(ACCOUNTS, [firm])) == [None]


def test_a_lead_is_converted_into_its_persons_company(crm: BottleCRM) -> None:
    firm = made(crm, ACCOUNTS, name="Northwind")
    mails = [{"value": "anna@northwind.test"}]
    contact = made(crm, CONTACTS, {ACCOUNTS: (firm,)}, first_name="Anna", hub_emails=mails)
    lead = made(crm, LEADS, {CONTACTS: (contact,)}, title="Balcony")
    assert read(crm, LEADS, lead).values["company_name"] == "Northwind"
    deal = made(crm, DEALS, {LEADS: (lead,)}, name="Balcony of Anna")
    assert read(crm, DEALS, deal).links == {ACCOUNTS: (firm,), CONTACTS: (contact,)}
    assert [one.ref for one in crm.changes(ACCOUNTS, "").records] == [firm], "no second one was made"


# ── comments, tasks, tags ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", [LEADS, DEALS, ACCOUNTS, CONTACTS])
def test_a_comment_and_a_task_hang_where_they_were_hung(crm: BottleCRM, kind: str) -> None:
    name = {LEADS: "title", CONTACTS: "first_name"}.get(kind, "name")
    one, other = (made(crm, kind, **{name: f"Anna {n}"}) for n in range(2))
    said = "Wants <b>oak</b>;\nsays «maybe» 50 % 😀"
    due = datetime(2026, 12, 1, 10, 30, tzinfo=UTC)
    for what, hangs in (("note", crm.note_kind), ("task", crm.task_kind)):
        ops = [Op(hangs, crm.worded(Activity(what, said, due)), links={kind: (one,)})]
        if (what, kind) == ("task", CONTACTS):
            [outcome] = crm.write(ops)
            assert isinstance(outcome, Failed), "a task is about a lead, a deal or a company"
            continue
        refs = [outcome.record.ref for outcome in crm.write(ops * 2) if isinstance(outcome, Done)]
        assert len(set(refs)) == 2, "the same words twice are two"
        found = crm.find(hangs, {kind: one})
        assert {record.ref for record in found} == set(refs)
        told = [crm.activity(record) for record in found]
        assert {(act.what, " ".join(act.text.split())) for act in told if act} == {(what, " ".join(said.split()))}
        assert crm.find(hangs, {kind: other}) == []


def test_a_task_has_a_day_an_owner_and_a_title_of_its_first_line(crm: BottleCRM) -> None:
    owner = crm.describe().users[0].ref
    ref = made(crm, LEADS, title="Balcony")
    act = Activity("task", "Call Anna", datetime(2026, 12, 1, 10, 30, tzinfo=UTC), owner)
    [outcome] = crm.write([Op(crm.task_kind, crm.worded(act), links={LEADS: (ref,)})])
    assert isinstance(outcome, Done)
    [found] = crm.find(crm.task_kind, {LEADS: ref})
    told = crm.activity(found)
    assert told == Activity("task", "Call Anna", datetime(2026, 12, 1, tzinfo=UTC), owner, open=True)
    long = crm.worded(Activity("task", "x" * 300))
    [outcome] = crm.write([Op(crm.task_kind, long, links={LEADS: (ref,)})])
    assert isinstance(outcome, Done), outcome


def test_tags_are_made_when_they_are_first_wanted_and_taken_off(crm: BottleCRM) -> None:
    ref = made(crm, LEADS, title="Balcony", tags=["VIP", "Окна"])
    assert sorted(read(crm, LEADS, ref).values["tags"]) == ["VIP", "Окна"]
    assert changed(crm, LEADS, ref, tags=["vip", "Garden!", "garden"]).values["tags"] == ["Garden!", "VIP"]
    deal = made(crm, DEALS, {LEADS: (made(crm, LEADS, title="Door", first_name="Ann", tags=["Door"]),)}, name="Door")
    assert read(crm, DEALS, deal).values["tags"] == ["Door"], "the deal of a lead inherits them"
    assert changed(crm, DEALS, deal, tags=[]).values["tags"] == []
    [outcome] = crm.write([Op(LEADS, {"tags": ["!!!"]}, ref=ref)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse)
    assert set(outcome.error.fields) == {"tags"}
