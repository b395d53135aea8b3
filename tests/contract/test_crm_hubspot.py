"""HubSpot against its strict stand-in: the common contract, and what only HubSpot does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.contract import Done, Failed, Lost, Op, Outcome, Raw, Record, Schema, Step
from connectors.crms.hubspot import HubSpot
from connectors.crms.hubspot.letters import chunks, letter
from connectors.crms.hubspot.sandbox import Account, create_sandbox, serving
from connectors.crms.hubspot.sandbox.hooks import signature
from connectors.crms.hubspot.shape import flat, properties
from connectors.errors import Conflict, Missing, Pause, Refuse, Retry, Unverified
from connectors.http import Gate, Wire
from connectors.oauth import Bearer, Tokens
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Safe, Wires, done
from tests.contract.lenses import LEAD, PERSON, reads_the_same

TOKEN = "sandbox-token"
SECRET = "sandbox-secret"


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def connect(served: tuple[Account, str], wires: Wires) -> Callable[..., HubSpot]:
    def make(gate: Gate | None = None, token: str = TOKEN, **settings: str) -> HubSpot:
        told = {"address": served[1], "searches": "1000", **settings}
        return HubSpot(told, {"token": token, "client_secret": SECRET}, wires(served[1], gate))

    return make


def set_up(crm: HubSpot) -> HubSpot:
    crm.provision([
        Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID"}, under=kind)
        for kind in crm.facts.kinds
    ])  # fmt: skip
    return crm


@pytest.fixture
def crm(connect: Callable[..., HubSpot], account: Account) -> HubSpot:
    made = set_up(connect())
    account.calls.clear()
    return made


def sample(n: int) -> dict[str, Any]:
    return {"dealname": f"Window {n}", "amount": str(1000 + n), "dealtype": f"campaign {n}"}


def steps(schema: Schema) -> list[Step]:
    main = next(one for one in schema.pipelines if one.main)
    last = main.stages[2]
    return [
        Step("stage", "create", {"name": "Qualified", "position": 15, "colour": "#99ccff"}, under=main.ref),
        Step("field", "create", {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": ["lead", "deal"]},
             under="deals"),
        Step("pipeline", "create", {"name": "Leads", "position": 30}),
        Step("stage", "change", {"name": "Offer made", "position": 20}, ref=last.ref, under=main.ref,
             before={"name": last.name, "position": last.position}),
    ]  # fmt: skip


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: HubSpot, account: Account, clock: Clock, ear: Ear) -> Rig:
        account.lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            account.fail("drop_after" if what == "lost" else what, seconds=seconds)

        def subscribe() -> None:
            account.hook_address = ear.address

        return Rig(
            crm,
            "deals",
            sample,
            lambda n: {"amount": str(50_000 + n)},
            {"dealname": "Bad", "amount": "ten"},
            lambda ref, n: account.edit("deals", ref, amount=str(50_000 + n)),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            200,
            steps,
            subscribe,
            ear.hears,
            lambda ref: account.delete("deals", ref),
            account.postman.trouble,
            act=lambda ref: account.act("calls", "deals", ref, hs_call_status="COMPLETED", hs_call_body="Spoke"),
        )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def person(n: int) -> dict[str, Any]:
    return {
        "firstname": "Nora",
        "lastname": f"Feld {n}",
        "phones": [{"value": f"+1202555{n:04}", "enum_code": "phone"}],
        "emails": [{"value": f"person{n}@feld.test", "enum_code": "email"}],
    }


def with_contact(n: int) -> Op:
    return Op("deals", sample(n), marker=f"L-{n}", includes=(Op("contacts", person(n), marker=f"C-{n}"),))


def refused(outcome: Outcome) -> Refuse:
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse), outcome.error
    return outcome.error


def test_a_thousand_leads_with_contacts_are_twenty_calls(crm: HubSpot, account: Account) -> None:
    outcomes = crm.write([with_contact(n) for n in range(1000)])
    assert sum(account.calls.values()) == 20
    lead = outcomes[777]
    assert isinstance(lead, Done)
    [read] = crm.get("deals", [lead.record.ref])
    [who] = crm.get("contacts", [lead.includes[0].ref])
    assert read
    assert who
    assert read.links["contacts"] == (who.ref,)
    assert (read.values["hub_id"], who.values["hub_id"]) == ("L-777", "C-777")
    assert who.values["phones"] == person(777)["phones"]


def test_a_thousand_changes_are_five_searches(crm: HubSpot, account: Account, clock: Clock) -> None:
    for start in range(0, 1000, 100):
        done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(start, start + 100)]))
        clock.tick(0.2)
    clock.tick(1000)
    account.calls.clear()
    found: set[str] = set()
    cursor, more = "", True
    while more:
        page = crm.changes("deals", cursor)
        found |= {one.ref for one in page.records}
        cursor, more = page.cursor, page.more
    assert len(found) == 1000
    assert account.calls == {"POST crm/v3/objects/deals/search": 5, "GET crm/v3/properties/deals": 1}


@pytest.mark.parametrize("fault", ["drop_after", "500_after"])
def test_a_create_may_be_repeated(crm: HubSpot, account: Account, fault: str) -> None:
    ops = [with_contact(n) for n in range(5)]
    account.fail(fault, path="crm/v3/objects/deals/batch/create")
    assert all(isinstance(one, Lost) for one in crm.write(ops))
    first = done(crm.write(ops))
    again = done(crm.write(ops))
    assert [one.ref for one in first] == [one.ref for one in again]
    assert len(account.rows["deals"]) == len(account.rows["contacts"]) == 5
    for read in crm.get("deals", [one.ref for one in again]):
        assert read
        assert len(read.links["contacts"]) == 1


def test_a_repeat_among_new_ones_is_found_and_linked(crm: HubSpot, account: Account) -> None:
    [who] = done(crm.write([Op("contacts", person(1), marker="C-1")]))
    [old] = done(crm.write([Op("deals", sample(1), marker="L-1")]))
    links = {"contacts": (who.ref,)}
    made = done(crm.write([Op("deals", sample(n), marker=f"L-{n}", links=links) for n in range(3)]))
    assert made[1].ref == old.ref
    reads = crm.get("deals", [one.ref for one in made])
    assert [one and one.links["contacts"] for one in reads] == [(who.ref,)] * 3


def test_a_bad_contact_fails_its_lead_and_names_the_field(crm: HubSpot) -> None:
    ops = [with_contact(n) for n in range(3)]
    bad = {**person(1), "emails": [{"value": "x@", "enum_code": "email"}]}
    ops[1] = Op("deals", sample(1), marker="L-1", includes=(Op("contacts", bad, marker="C-1"),))
    good, wrong, also = crm.write(ops)
    assert isinstance(good, Done)
    assert isinstance(also, Done)
    assert refused(wrong).fields == {"emails": "INVALID_EMAIL"}


def test_a_bad_update_fails_alone_though_hubspot_refuses_them_all(crm: HubSpot, account: Account) -> None:
    refs = [one.ref for one in done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(100)]))]
    ops = [Op("deals", {"dealname": "x"}, ref=ref) for ref in refs]
    ops[30] = Op("deals", {"amount": "ten"}, ref=refs[30])
    account.calls.clear()
    outcomes = [*crm.write(ops)]
    assert refused(outcomes.pop(30)).fields == {"amount": "INVALID_INTEGER"}
    done(outcomes)
    assert sum(account.calls.values()) == 3  # all, the others, the one suspect


def test_an_update_of_what_is_gone_fails_alone(crm: HubSpot, account: Account) -> None:
    one, two, three = (o.ref for o in done(crm.write([Op("deals", sample(n)) for n in range(3)])))
    account.delete("deals", two)
    first, gone, third = crm.write([Op("deals", {"amount": "5"}, ref=ref) for ref in (one, two, three)])
    assert isinstance(gone, Failed)
    assert isinstance(gone.error, Missing)
    done([first, third])


def test_a_refusal_that_names_nobody_is_halved(crm: HubSpot, account: Account) -> None:
    account.fail("blind400", times=3, path="crm/v3/objects/deals/batch")
    done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(8)]))
    assert len(account.rows["deals"]) == 8
    account.fail("blind400", times=1, path="crm/v3/objects/deals/batch")
    assert not refused(*crm.write([Op("deals", sample(9), marker="L-9")])).fields


def test_the_same_record_twice_in_a_write_keeps_its_order(crm: HubSpot) -> None:
    [made] = done(crm.write([Op("deals", sample(1), marker="L-1")]))
    done(crm.write([Op("deals", {"amount": str(n)}, ref=made.ref) for n in range(4)]))
    done(crm.write([Op("deals", {**sample(2), "amount": str(n)}, marker="L-2") for n in range(4)]))
    [read], [other] = crm.get("deals", [made.ref]), crm.find("deals", {"marker": "L-2"})
    assert read
    assert (read.values["amount"], other.values["amount"]) == ("3", "3")


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(1, 7))
@settings(max_examples=200)
def test_batches_are_full_sets_in_order(keys: list[int], size: int) -> None:
    letters = [letter(n, Op("deals", {}, ref=str(key)), {}) for n, key in enumerate(keys)]
    batches = chunks(letters, size)
    assert all(len(batch) <= size and len({one.key for one in batch}) == len(batch) for batch in batches)
    sent = [one for batch in batches for one in batch]
    for key in set(keys):
        assert [one.n for one in sent if one.key == str(key)] == [n for n, one in enumerate(keys) if one == key]
    assert len(sent) == len(letters)
    if len(set(keys)) == len(keys):
        assert len(batches) == -(-len(keys) // size)


@pytest.mark.parametrize(
    "op",
    [
        Op("deals", {"dealname": "x"}, ref="abc"),
        Op("leads", {"dealname": "x"}),
        Op("deals", {"dealname": {"a": 1}}),
        Op("deals", {"dealname": "x"}, links={"contacts": ("999999",)}),
        Op("deals", {"dealname": "x"}, links={"notes": ("1",)}),
        Op("deals", {"dealname": "x", "no_such_property": "x"}),
        Op("deals", {"dealname": "x", "dealstage": "nowhere"}),
        Op("deals", {"dealname": "x", "hs_object_id": "7"}),
        Op("deals", {"dealname": "x"}, includes=(Op("notes", {"hs_note_body": "x", "hs_timestamp": "1"}),)),
    ],
)
def test_what_hubspot_has_no_words_for_is_refused_alone(crm: HubSpot, op: Op) -> None:
    bad, good = crm.write([op, Op("deals", sample(1))])
    refused(bad)
    assert isinstance(good, Done)


def test_fields_are_cleared_and_third_numbers_are_kept(crm: HubSpot) -> None:
    numbers = [{"value": f"+1202555011{n}", "enum_code": "phone"} for n in range(4)]
    values = {"firstname": "Ada", "jobtitle": "Head", "phones": numbers, "website": "https://moss.test"}
    [made] = done(crm.write([Op("contacts", values, marker="C-1")]))
    [read] = crm.get("contacts", [made.ref])
    assert read
    places = ["phone", "mobilephone", "hub_more_phones", "hub_more_phones"]
    assert read.values["phones"] == [{**one, "enum_code": p} for one, p in zip(numbers, places, strict=True)]
    kept = read.values["phones"][1:3]
    done(crm.write([Op("contacts", {"phones": kept, "jobtitle": None}, ref=made.ref)]))
    [read] = crm.get("contacts", [made.ref])
    assert read
    assert [one["value"] for one in read.values["phones"]] == [kept[1]["value"], kept[0]["value"]]
    assert read.values["jobtitle"] is None
    assert read.values["website"] == "https://moss.test"


def test_additional_emails_are_read_and_never_written() -> None:
    row = {"id": "1", "properties": {"email": "a@moss.test", "hs_additional_emails": "b@moss.test;c@moss.test"}}
    emails = flat("contacts", row).values["emails"]
    assert [one["value"] for one in emails] == ["a@moss.test", "b@moss.test", "c@moss.test"]
    new = {"value": "d@moss.test", "enum_code": "email"}
    assert properties("contacts", {"emails": [*emails, new]}, creating=False) == {
        "email": "a@moss.test", "hub_more_emails": "d@moss.test"}  # fmt: skip


PARTS = st.lists(st.text("0123456789+", min_size=3, max_size=5), max_size=6, unique=True)


@given(
    PARTS, st.lists(st.sampled_from(["", "phone", "mobilephone", "hub_more_phones", "WORK"]), min_size=6, max_size=6)
)
def test_no_number_is_lost_on_the_way(values: list[str], codes: list[str]) -> None:
    told = [{"value": value, "enum_code": code} for value, code in zip(values, codes, strict=False)]
    sent = properties("contacts", {"phones": told}, creating=False)
    read = flat("contacts", {"id": "1", "properties": sent}).values["phones"]
    assert sorted(one["value"] for one in read) == sorted(values)
    assert flat("contacts", {"id": "1", "properties": properties("contacts", {"phones": read}, creating=False)}).values[
        "phones"
    ] == read  # fmt: skip


def test_known_contacts_are_linked_on_create_and_on_update(crm: HubSpot, account: Account) -> None:
    who, firm = done(
        crm.write([Op("contacts", person(1), marker="C-1"), Op("companies", {"name": "Keller"}, marker="K")])
    )
    links = {"contacts": (who.ref,), "companies": (firm.ref,)}
    made, bare = done(
        crm.write([Op("deals", sample(1), marker="L-1", links=links), Op("deals", sample(2), marker="L-2")])
    )
    [also] = done(crm.write([Op("deals", {"amount": "3"}, ref=bare.ref, links=links)]))
    [only] = done(crm.write([Op("deals", {}, ref=bare.ref, links=links)]))
    assert also.ref == only.ref
    for ref in (made.ref, bare.ref):
        assert account.links["deals", ref] == {"contacts": [who.ref], "companies": [firm.ref]}


def test_a_link_that_is_not_certain_is_lost(crm: HubSpot, account: Account) -> None:
    [who] = done(crm.write([Op("contacts", person(1), marker="C-1")]))
    [made] = done(crm.write([Op("deals", sample(1), marker="L-1")]))
    for fault in ("drop_after", "400", "html"):
        account.fail(fault, path="crm/v4")
        [outcome] = crm.write([Op("deals", {"amount": "3"}, ref=made.ref, links={"contacts": (who.ref,)})])
        assert isinstance(outcome, Lost), fault


def test_notes_and_tasks_hang_on_their_records(crm: HubSpot, account: Account) -> None:
    [who] = done(crm.write([Op("contacts", person(1), marker="C-1")]))
    [deal] = done(crm.write([Op("deals", sample(1), marker="L-1", links={"contacts": (who.ref,)})]))
    links = {"deals": (deal.ref,), "contacts": (who.ref,)}
    when = {"hs_timestamp": "2026-03-02T09:00:00Z"}
    note, task, undated = crm.write([
        Op(crm.note_kind, {"hs_note_body": "Called back", **when}, links=links),
        Op(crm.task_kind, {"hs_task_subject": "Send the offer", "hs_task_status": "NOT_STARTED", **when}, links=links),
        Op(crm.note_kind, {"hs_note_body": "When?"}, links=links),
    ])  # fmt: skip
    assert refused(undated).fields == {"hs_timestamp": "MISSING_REQUIRED_PROPERTY"}
    refs = [one.ref for one in done([note, task])]
    assert account.links["deals", deal.ref] == {"contacts": [who.ref], "notes": refs[:1], "tasks": refs[1:]}


def test_a_lead_crosses_the_border_between_pipelines(crm: HubSpot) -> None:
    stage = Step("stage", "create", {"name": "Rejected", "position": 20, "final": "lost"}, under="")
    [ref] = crm.provision([Step("pipeline", "create", {"name": "Leads", "first": {"name": "New"}})])
    [lost] = crm.provision([Step("stage", "create", stage.values, under=ref)])
    leads = next(one for one in crm.describe().pipelines if one.ref == ref)
    assert [(one.name, one.final) for one in leads.stages] == [("New", ""), ("Rejected", "lost")]
    assert leads.stages[1].ref == lost
    [made] = done(
        crm.write([Op("deals", {**sample(1), "pipeline": ref, "dealstage": leads.stages[0].ref}, marker="L")])
    )
    done(crm.write([Op("deals", {"pipeline": "default", "dealstage": "closedwon"}, ref=made.ref)]))
    [read] = crm.get("deals", [made.ref])
    assert read
    assert (read.values["pipeline"], read.values["dealstage"]) == ("default", "closedwon")
    half = refused(*crm.write([Op("deals", {"pipeline": ref}, ref=made.ref)]))
    assert half.fields == {"dealstage": "INVALID_OPTION"}
    with pytest.raises(Refuse, match="referenced"):
        crm.provision([Step("stage", "remove", {}, ref="closedwon", under="default")])


def test_without_the_marker_property_we_say_so(connect: Callable[..., HubSpot]) -> None:
    crm = connect()
    [outcome] = crm.write([Op("contacts", person(1), marker="C-1")])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Pause)
    with pytest.raises(Pause, match="hub_id"):
        crm.find("deals", {"marker": "L-1"})


# ── one contact per e-mail ───────────────────────────────────────────────────────────────────────


def test_a_contact_with_this_email_becomes_ours_and_keeps_what_it_has(crm: HubSpot, account: Account) -> None:
    theirs = account.create("contacts", {"email": "person1@feld.test", "lastname": "Field"}, {})
    lead, other = crm.write([with_contact(1), with_contact(2)])
    assert isinstance(lead, Done)
    assert isinstance(other, Done)
    assert lead.includes[0].ref == theirs["id"]
    [read] = crm.get("contacts", [theirs["id"]])
    assert read
    assert {name: read.values[name] for name in ("lastname", "firstname", "hub_id")} == {
        "lastname": "Field", "firstname": "Nora", "hub_id": "C-1"}  # fmt: skip
    assert read.values["phones"] == person(1)["phones"]
    [deal] = crm.get("deals", [lead.record.ref])
    assert deal
    assert deal.links["contacts"] == (theirs["id"],)
    assert len(account.rows["contacts"]) == 2


def test_what_was_adopted_is_read_again(crm: HubSpot, account: Account) -> None:
    account.create("contacts", {"email": "person1@feld.test", "lastname": "Field"}, {})
    [outcome] = crm.write([Op("contacts", person(1), marker="C-1")])
    assert isinstance(outcome, Done)
    assert not outcome.echoed


def test_a_contact_of_another_hub_record_is_a_conflict(crm: HubSpot) -> None:
    [first] = done(crm.write([Op("contacts", person(1), marker="C-1")]))
    [outcome] = crm.write([Op("contacts", person(1), marker="C-2")])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Conflict)
    assert outcome.error.ref == first.ref
    twins = crm.write([Op("contacts", person(5), marker=f"C-5{n}") for n in range(2)])
    assert sorted(type(one).__name__ for one in twins) == ["Done", "Failed"]


def test_two_of_ours_never_adopt_the_same_contact(crm: HubSpot, account: Account) -> None:
    account.create("contacts", {"email": "person1@feld.test"}, {})
    outcomes = crm.write([Op("contacts", person(1), marker=f"C-{n}") for n in range(2)])
    assert sorted(type(one).__name__ for one in outcomes) == ["Done", "Failed"]
    assert len(account.rows["contacts"]) == 1


def test_an_email_of_another_contact_stays_behind(crm: HubSpot) -> None:
    one, two = done(crm.write([Op("contacts", person(n), marker=f"C-{n}") for n in (1, 2)]))
    [outcome] = crm.write([Op("contacts", {"emails": person(1)["emails"], "firstname": "Ada"}, ref=two.ref)])
    assert refused(outcome).fields == {"emails": f"belongs to contact {one.ref}"}


def test_adopting_when_reading_fails_is_for_later(crm: HubSpot, account: Account) -> None:
    account.create("contacts", {"email": "person1@feld.test"}, {})
    account.fail("503", path="crm/v3/objects/contacts/batch/read")
    [outcome] = crm.write([Op("contacts", person(1), marker="C-1")])
    assert isinstance(outcome, Failed)
    assert len(account.rows["contacts"]) == 1


# ── finding, deleting, merging ───────────────────────────────────────────────────────────────────


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: HubSpot) -> None:
    done(crm.write([Op("contacts", person(n), marker=f"C-{n}") for n in range(3)]))
    done(crm.write([Op("contacts", {"lastname": "called +12025550001"}, marker="C-9")]))
    [by_phone] = crm.find("contacts", {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find("contacts", {"email": "Person1@Feld.test"})
    assert by_phone == by_mail
    assert by_phone.values["lastname"] == "Feld 1"
    assert crm.find("contacts", {"email": "person"}) == []
    assert crm.find("deals", {"email": "person1@feld.test"}) == []


def test_a_marker_is_found_at_once(crm: HubSpot, account: Account) -> None:
    account.lag = 3600.0
    [made] = done(crm.write([Op("deals", sample(1), marker="L-1")]))
    assert [one.ref for one in crm.find("deals", {"marker": "L-1"})] == [made.ref]
    assert crm.changes("deals", "").records == ()


def test_merged_records_say_into_which(crm: HubSpot, account: Account, clock: Clock) -> None:
    one, two, three = done(crm.write([Op("contacts", person(n), marker=f"C-{n}") for n in range(3)]))
    clock.tick(400)
    cursor = crm.changes("contacts", "").cursor
    made = account.merge("contacts", one.ref, two.ref)
    clock.tick(400)
    told = {record.ref: record for record in crm.changes("contacts", cursor).records}
    for reads in (crm.get("contacts", [one.ref, two.ref, three.ref, made]), crm.get("contacts", [one.ref])):
        assert reads[0]
        assert reads[0].deleted
    for gone in (one.ref, two.ref):
        assert (told[gone].deleted, told[gone].merged_into) == (True, made)
    assert not told[made].deleted
    assert crm.find("contacts", {"email": "person1@feld.test"})[0].ref == made


def test_a_merge_without_a_list_of_the_old_ones_is_understood(crm: HubSpot, account: Account) -> None:
    one, two, three = done(crm.write([Op("contacts", person(n), marker=f"C-{n}") for n in range(3)]))
    made = account.merge("contacts", one.ref, two.ref)
    del account.rows["contacts"][made]["props"]["hs_merged_object_ids"]
    reads = crm.get("contacts", [one.ref, three.ref, two.ref])
    assert [(r.ref, r.merged_into) for r in reads if r] == [(one.ref, made), (three.ref, ""), (two.ref, made)]


def test_we_delete_merge_and_notice_both(crm: HubSpot, clock: Clock) -> None:
    refs = [one.ref for one in done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(4)]))]
    crm.delete("deals", refs[:1])
    crm.merge("deals", refs[1], refs[2])
    reads = crm.get("deals", refs)
    assert [one.merged_into != "" if one else None for one in reads] == [None, True, True, False]
    with pytest.raises(Missing):
        crm.merge("deals", refs[1], "999999")


def test_the_bin_is_read_now_and_then_in_pages(crm: HubSpot, account: Account, clock: Clock) -> None:
    refs = [one.ref for one in done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(250)]))]
    clock.tick(400)
    cursor = _scan(crm, "")[1]
    crm.delete("deals", refs[:210])
    found, cursor = _scan(crm, cursor)
    assert {one.ref for one in found if one.deleted} == set(refs[:210])
    account.calls.clear()
    crm.delete("deals", refs[210:220])
    clock.tick(60)
    found, cursor = _scan(crm, cursor)
    assert not [one for one in found if one.deleted]
    assert not [call for call in account.calls if call.startswith("GET crm/v3/objects")]
    clock.tick(3600)
    found, cursor = _scan(crm, cursor)
    assert set(refs[210:220]) <= {one.ref for one in found if one.deleted}
    clock.tick(3700)
    found, cursor = _scan(crm, cursor)
    assert not [one for one in found if one.deleted and one.ref in refs[:210]]
    account.restore("deals", refs[215])
    clock.tick(400)
    assert refs[215] in [one.ref for one in _scan(crm, cursor)[0] if not one.deleted]


def _scan(crm: HubSpot, cursor: str) -> tuple[list[Record], str]:
    found: list[Record] = []
    while True:
        page = crm.changes("deals", cursor)
        found += page.records
        cursor = page.cursor
        if not page.more:
            return found, cursor


def test_a_bulk_edit_of_many_thousands_is_read_to_its_end(crm: HubSpot, account: Account, clock: Clock) -> None:
    """They share one millisecond, and a search ends at ten thousand (here: at a thousand)."""
    account.window = 1000
    with account.lock:
        made = {account.create("deals", {"dealname": str(n)}, {})["id"] for n in range(2100)}
    clock.tick(400)
    assert {one.ref for one in _scan(crm, "")[0]} == made


# ── the account as a whole ───────────────────────────────────────────────────────────────────────


def test_a_wrong_token_pauses(connect: Callable[..., HubSpot]) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op("deals", {})]), lambda: crm.changes("deals", "")):
        with pytest.raises(Pause, match="token"):
            call()


def test_a_missing_scope_pauses_and_names_it(crm: HubSpot, account: Account) -> None:
    account.fail("scopes")
    with pytest.raises(Pause, match=r"crm\.objects\.deals\.write"):
        crm.write([Op("deals", sample(1))])


def test_a_token_revoked_midway_loses_no_outcome(crm: HubSpot, account: Account) -> None:
    original = account.create

    def then_revoke(*given: Any) -> Any:
        account.access = set()
        return original(*given)

    account.create = then_revoke  # type: ignore[assignment, method-assign]
    outcomes = crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(150)])
    assert [type(one) for one in outcomes] == [Done] * 100 + [Failed] * 50
    assert isinstance(outcomes[149], Failed)
    assert isinstance(outcomes[149].error, Pause)


@pytest.mark.parametrize(
    ("fault", "wait"), [("daily", 600.0), ("429", 1.0), ("423", 2.0), ("477", 60.0), ("403", 60.0)]
)
def test_every_form_of_not_now_stops_the_whole_write(crm: HubSpot, account: Account, fault: str, wait: float) -> None:
    account.fail(fault)
    outcomes = crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(250)])
    assert sum(account.calls.values()) == 1
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    assert len(errors) == 250
    assert all(isinstance(error, Retry) and error.after == wait and not error.effect for error in errors)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 521, 523, 524])
def test_a_broken_server_is_lost_for_writes_and_later_for_reads(crm: HubSpot, account: Account, status: int) -> None:
    account.fail(str(status))
    assert isinstance(crm.write([Op("deals", sample(1), marker="L-1")])[0], Lost)
    account.fail(str(status))
    with pytest.raises(Retry):
        crm.get("deals", ["1"])


def test_the_declared_budget_and_pace_never_meet_a_429() -> None:
    app = create_sandbox(clock=time.time, rate=10)
    with serving(app) as address:
        wire = Wire(Gate(HubSpot.facts.budget), allow=[address.removeprefix("http://")], patience=30)
        crm = set_up(HubSpot({"address": address}, {"token": TOKEN}, wire))
        for _ in range(8):
            crm.changes("deals", "")
        wire.close()
        assert sum(app.state.calls.values()) == len(app.state.stamps)


def test_search_has_a_limit_of_its_own(crm: HubSpot, account: Account) -> None:
    account.searches = 5
    for _ in range(5):
        crm.changes("deals", "")
    with pytest.raises(Retry) as caught:
        crm.changes("deals", "")
    assert caught.value.after == 1.0


def test_a_robot_that_edits_right_after_us_is_seen(crm: HubSpot, account: Account, clock: Clock) -> None:
    account.robots.append(lambda kind, row: account.change(kind, row, {"dealtype": "robot"}, "workflow"))
    [made] = done(crm.write([Op("deals", sample(1), marker="L-1")]))
    clock.tick(400)
    [seen] = crm.changes("deals", "").records
    assert (seen.ref, seen.values["dealtype"]) == (made.ref, "robot")


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────


def test_hooks_tell_of_edits_deletions_and_merges(crm: HubSpot, account: Account, ear: Ear) -> None:
    deal, gone = done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in (1, 2)]))
    one, two = done(crm.write([Op("contacts", person(n), marker=f"C-{n}") for n in (1, 2)]))
    account.hook_address = ear.address
    account.edit("deals", deal.ref, amount="7", dealname="New name")
    account.delete("deals", gone.ref)
    made = account.merge("contacts", one.ref, two.ref)
    heard = [[(h.kind, h.ref) for h in crm.touched(ear.hears())] for _ in range(3)]
    assert heard == [
        [("deals", deal.ref)],
        [("deals", gone.ref)],
        [("contacts", made), ("contacts", one.ref), ("contacts", two.ref)],
    ]


def test_our_own_writes_are_no_news(crm: HubSpot, account: Account, ear: Ear) -> None:
    account.hook_address = ear.address
    account.robots.append(lambda kind, row: account.change(kind, row, {"dealtype": "robot"}, "workflow"))
    first, second = done(crm.write([Op("deals", sample(n), marker=f"L-{n}") for n in (1, 2)]))
    assert [hint.ref for hint in crm.touched(ear.hears())] == [first.ref, second.ref]  # the robot's
    account.robots.clear()
    done(crm.write([Op("deals", {"amount": "7"}, ref=first.ref)]))
    assert crm.touched(ear.hears()) == []
    crm.delete("deals", [first.ref])
    assert [hint.ref for hint in crm.touched(ear.hears())] == [first.ref]


def test_what_was_made_in_the_set_up_is_read_at_once(connect: Callable[..., HubSpot], account: Account) -> None:
    crm = connect()
    account.create("deals", {"dealname": "x"}, {})
    assert "hub_id" not in crm.changes("deals", "").records[0].values
    set_up(crm)
    assert "hub_id" in crm.changes("deals", "").records[0].values


BODY = json.dumps([{"subscriptionType": "deal.creation", "objectId": 9001}]).encode()
ADDRESS = "https://hub.example.com/in/abc?tenant=a%20b"
STAMP = int(AT.timestamp() * 1000)


def hook(**given: Any) -> Raw:
    signed = {name.lower(): value for name, value in signature(SECRET, ADDRESS, BODY, STAMP).items()}
    headers = {**signed, "host": "hub.example.com", **given.pop("headers", {})}
    return Raw(
        **{"body": BODY, "received_at": AT, "path": "/in/abc", "query": "tenant=a%20b", **given, "headers": headers}
    )


def test_a_signed_hook_is_read(connect: Callable[..., HubSpot]) -> None:
    crm = connect()
    assert [(h.kind, h.ref) for h in crm.touched(hook())] == [("deals", "9001")]
    behind = hook(headers={"host": "10.0.0.7:8080", "x-forwarded-host": "hub.example.com"})
    assert crm.touched(behind)
    hidden = hook(headers={"host": "10.0.0.7:8080"}, path="/elsewhere")
    assert connect(hook_address=ADDRESS).touched(hidden)


def test_hubspot_signs_some_signs_of_the_address_plain(connect: Callable[..., HubSpot]) -> None:
    plain = "https://hub.example.com/in/abc?next=https://a.test/b,c"
    headers = {name.lower(): value for name, value in signature(SECRET, plain, BODY, STAMP).items()}
    assert connect().touched(hook(headers=headers, query="next=https%3A%2f%2Fa.test%2Fb%2Cc"))


@pytest.mark.parametrize(
    "raw",
    [
        hook(body=BODY + b" "),
        hook(query="tenant=b"),
        hook(method="PUT"),
        hook(headers={"x-hubspot-request-timestamp": str(STAMP + 1)}),
        hook(headers={"x-hubspot-request-timestamp": ""}),
        hook(headers={"x-hubspot-request-timestamp": "²"}),
        hook(headers={"x-hubspot-signature-v3": "é"}),
        hook(received_at=datetime.fromtimestamp(STAMP / 1000 + 301, UTC)),
        hook(received_at=datetime.fromtimestamp(STAMP / 1000 - 301, UTC)),
        Raw(BODY, AT),
        Raw(BODY, AT, {"x-hubspot-signature": "00"}),
    ],
)
def test_what_is_not_signed_right_is_not_believed(connect: Callable[..., HubSpot], raw: Raw) -> None:
    with pytest.raises(Unverified):
        connect().touched(raw)


def test_without_a_secret_nothing_is_believed(served: tuple[Account, str]) -> None:
    crm = HubSpot({"address": served[1]}, {"token": TOKEN}, Wire())
    with pytest.raises(Unverified, match="client secret"):
        crm.touched(hook())


@pytest.mark.parametrize(
    "event",
    [
        {"subscriptionType": "deal.creation"},
        {"subscriptionType": "deal.creation", "objectId": True},
        {"subscriptionType": "deal.creation", "objectId": {"a": 1}},
        {"subscriptionType": 7, "objectId": 1},
        {"subscriptionType": "conversation.creation", "objectId": 1},
        {"subscriptionType": "object.creation", "objectTypeId": "2-99", "objectId": 1},
        {"subscriptionType": "deal.merge", "mergedObjectIds": 5},
        "deal",
    ],
)
def test_strange_events_are_passed_over(connect: Callable[..., HubSpot], event: Any) -> None:
    assert connect().touched(Raw(json.dumps([event]).encode(), AT)) == []


def test_a_deep_body_is_no_crash(connect: Callable[..., HubSpot]) -> None:
    assert connect().touched(Raw(b"[" * 200_000, AT)) == []


# ── answers that make no sense ───────────────────────────────────────────────────────────────────

STRANGE: list[Any] = [
    [], {}, None, 5, "x", {"results": None}, {"results": {}}, {"results": [None, 5, []]}, {"results": [{"id": None}]},
    {"results": [{"id": "x", "properties": []}]}, {"results": [{"id": {}, "properties": {"a": {}}}]},
    {"results": [], "errors": [{"context": 5, "category": []}]}, {"results": [], "errors": 7},
    {"results": [{"id": "1", "properties": {"hs_lastmodifieddate": "never"}}], "paging": {"next": 5}},
    {"results": [{"id": "1", "associations": [], "properties": {"hs_merged_object_ids": "a;b"}}], "paging": []},
    {"message": "Property values were not valid: [1", "category": "VALIDATION_ERROR"},
    {"message": "Property values were not valid: [1, {}]", "category": "VALIDATION_ERROR"},
]  # fmt: skip


class Script:
    """An `Http` that answers one thing after the other, and remembers what it was asked."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers, self.asked = list(answers), list[Any]()

    def send(self, *_: Any, **given: Any) -> Odd:
        self.asked.append(given.get("json"))
        status, told = self.answers.pop(0)
        return Odd(told, status)


def test_what_an_answer_leaves_out_is_sent_again_alone() -> None:
    rows = [{"id": "7", "objectWriteTraceId": "op-0"}, {"id": "8", "objectWriteTraceId": "op-1"}]
    http = Script((200, {"results": rows[:1]}), (200, {"results": rows[1:]}))
    made = done(HubSpot({}, {}, http).write([Op("contacts", person(n), marker=f"C-{n}") for n in range(2)]))
    assert [one.ref for one in made] == ["7", "8"]
    assert [len(body["inputs"]) for body in http.asked] == [2, 1]
    http = Script((200, {"results": rows[:1]}))
    links = {"contacts": ("1",)}  # what may have been created is not created again
    outcomes = HubSpot({}, {}, http).write([Op("deals", sample(n), marker=f"L-{n}", links=links) for n in range(2)])
    assert [type(one) for one in outcomes] == [Done, Lost]


def test_half_a_read_is_no_deletion() -> None:
    told = {"results": [{"id": "1"}], "errors": [{"category": "OBJECT_NOT_FOUND", "context": {"ids": ["2"]}}]}
    names = (200, {"results": [{"name": "dealname"}]})
    with pytest.raises(Retry, match="leaves out"):
        HubSpot({}, {}, Script(names, (207, told))).get("contacts", ["1", "2", "3"])
    reads = HubSpot({}, {}, Script(names, (207, told))).get("contacts", ["1", "2"])
    assert [one and one.ref for one in reads] == ["1", None]


class Odd:
    """An `Http` that always answers the same."""

    def __init__(self, told: Any, status: int) -> None:
        self.body, self.status = json.dumps(told).encode(), status
        self.headers = {"date": "Mon, 02 Mar 2026 09:00:00 GMT"}

    def json(self) -> Any:
        return json.loads(self.body)

    def send(self, *_: Any, **__: Any) -> Odd:
        return self


@pytest.mark.parametrize("status", [200, 207, 400, 404, 418])
@pytest.mark.parametrize("told", STRANGE, ids=range(len(STRANGE)))
def test_no_answer_breaks_us(told: Any, status: int) -> None:
    crm = HubSpot({"searches": "1000"}, {"token": TOKEN}, Odd(told, status))
    outcomes = crm.write([
        Op("deals", sample(1), marker="L-1", links={"contacts": ("1",)}), Op("contacts", person(1), marker="C-1"),
        Op("deals", {"amount": "1"}, ref="1"),
    ])  # fmt: skip
    assert len(outcomes) == 3
    reads: list[Callable[[], Any]] = [
        crm.check, crm.describe, lambda: crm.changes("deals", ""), lambda: crm.get("deals", ["1", "2"]),
        lambda: crm.find("contacts", {"phone": "+12025550001"}), lambda: crm.changes("deals", "1:1:1:bin:0::5"),
        lambda: crm.provision(steps_of_one()),
    ]  # fmt: skip
    for read in reads:
        try:
            read()
        except (Retry, Pause, Refuse, Missing) as error:
            assert str(error)  # noqa: PT017


def steps_of_one() -> list[Step]:
    return [Step("field", "create", {"name": "Block", "code": "HUB_BLOCK"}, under="deals")]


# ── OAuth ────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_that_ends_in_the_middle_of_a_write_is_renewed(
    served: tuple[Account, str], crm: HubSpot, clock: Clock
) -> None:
    account, address = served
    wire = Wire(allow=[address.removeprefix("http://")])
    told = {"address": address, "client_id": "id"}
    grant = HubSpot(told, {"client_secret": "s"}, wire).grant()
    assert grant
    safe = Safe(Tokens("stale", "refresh-1", 0.0))
    mine = HubSpot(told, {"client_secret": "s"}, Bearer(wire, grant, safe, clock))
    original = account.create

    def then_expire(*given: Any) -> Any:
        account.expires[safe.tokens.access] = 0.0
        return original(*given)

    account.create = then_expire  # type: ignore[assignment, method-assign]
    done(mine.write([Op("deals", sample(n), marker=f"L-{n}") for n in range(150)]))
    assert account.calls["POST oauth/v1/token"] == 2
    assert safe.tokens.refresh == "refresh-1"
    wire.close()


# ── with its mapping ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "kind", "told"), [("lead", "deals", LEAD), ("contact", "contacts", PERSON)])
def test_what_the_mapping_writes_reads_the_same(crm: HubSpot, role: str, kind: str, told: dict[str, Any]) -> None:
    reads_the_same(crm, role, kind, told)


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_and_moves_cards(crm: HubSpot, served: tuple[Account, str], wires: Wires) -> None:
    _, address = served
    [made] = done(crm.write([with_contact(7)]))
    board = Board(wires(address), address)
    page = board.page()
    assert "Window 7" in page
    assert "+12025550007" in page
    assert board.move(made.ref, "closedwon", "default") == 204
    assert board.move(1, 2, 3) == 404
    [read] = crm.get("deals", [made.ref])
    assert read
    assert read.values["dealstage"] == "closedwon"
