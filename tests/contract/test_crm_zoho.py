"""Zoho CRM against its strict stand-in: the common contract, and what only Zoho does."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.contract import Activity, Done, Failed, Hint, Lost, Op, Raw, Record, Schema, Step
from connectors.crms.zoho import Zoho
from connectors.crms.zoho.doings import STATES
from connectors.crms.zoho.sandbox import Organisation, create_sandbox, serving
from connectors.crms.zoho.sandbox.__main__ import furnish
from connectors.crms.zoho.sandbox.state import HUMAN
from connectors.crms.zoho.shape import (
    CALLS,
    DEALS,
    EVENTS,
    FIRMS,
    KINDS,
    LEADS,
    MOST_FIELDS,
    NOTES,
    PEOPLE,
    TASKS,
    UNKNOWN,
)
from connectors.errors import Conflict, Missing, Pause, Refuse, Retry, Unsupported
from connectors.http import Wire
from connectors.oauth import Bearer, Tokens
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Clock, Says, Wires, calls, done
from tests.contract.lenses import fits

TOKEN = "sandbox-token"
PAGE = 200


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Organisation, str]]:
    app = create_sandbox(clock=clock)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def organisation(served: tuple[Organisation, str]) -> Organisation:
    return served[0]


@pytest.fixture
def connect(served: tuple[Organisation, str], wires: Wires) -> Callable[..., Zoho]:
    def make(token: str = TOKEN, **settings: str) -> Zoho:
        return Zoho({"address": served[1], "page": str(PAGE), **settings}, {"token": token}, wires(served[1]))

    return make


MARKERS = [Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID"}, under=kind) for kind in KINDS]


@pytest.fixture
def crm(connect: Callable[..., Zoho]) -> Zoho:
    """Set up, and its fields known: the next call is the one a test means."""
    made = connect()
    made.provision(MARKERS)
    for kind in (*KINDS, *made.activity_kinds):
        made.columns(kind)
    return made


@pytest.fixture
def heard(organisation: Organisation) -> queue.Queue[bytes]:
    """What the notifications say."""
    told: queue.Queue[bytes] = queue.Queue()
    organisation.postman.deliver = lambda _where, body, _headers: told.put(body)  # type: ignore[method-assign,assignment]
    return told


def sample(n: int) -> dict[str, Any]:
    return {"Last_Name": f"Feld {n}", "Company": f"Feld & Sons {n}", "Designation": f"Head {n}"}


def steps(schema: Schema) -> list[Step]:
    options = ["lead", "deal"]
    return [
        Step(
            "field", "create", {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": options}, under=LEADS
        ),
        Step("field", "create", {"name": "Inquiry", "type": "textarea", "code": "HUB_TEXT"}, under=DEALS),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
    ]


def made_call(organisation: Organisation) -> dict[str, Any]:
    """A call that somebody made this moment."""
    stamp = organisation.stamp()
    return {"Subject": "Call", "Call_Type": "Outbound", "Call_Start_Time": stamp, "Call_Duration": "02:30"}


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: Zoho, organisation: Organisation, clock: Clock, heard: queue.Queue[bytes]) -> Rig:
        organisation.lag = crm.facts.lag - 1
        organisation.index_lag = crm.facts.lag - 1
        address = "https://hub.example.com/in/abc"

        def fail(what: str, seconds: float) -> None:
            organisation.fail("drop_after" if what == "lost" else what, seconds=seconds)

        def hook() -> Raw:
            clock.tick(crm.facts.lag)
            crm.check()
            return Raw(heard.get(timeout=30), AT)

        return Rig(
            crm,
            LEADS,
            sample,
            lambda n: {"Designation": f"Chief {n}"},
            {"Last_Name": "Bad", "Company": "Bad", "Phone": 7},
            lambda ref, n: organisation.edit(LEADS, ref, Designation=f"Chief {n}"),
            clock.tick,
            fail,
            lambda: sum(organisation.calls.values()),
            PAGE,
            steps,
            lambda: crm.provision([Step("hook", "create", {"address": address})]) and None,
            hook,
            lambda ref: organisation.delete(LEADS, ref),
            act=lambda ref: organisation.act(LEADS, ref, **made_call(organisation)),
        )

    test_hooks_get_lost_and_come_twice = None  # notifications are heard in place here


# ── few calls ────────────────────────────────────────────────────────────────────────────────────


def with_contact(n: int, firm: bool = False) -> Op:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "Mobile"}]
    person = {"Full_Name": f"Nora Feld {n}", "phones": phones, "emails": [{"value": f"nora{n}@feld.test"}]}
    parts = [Op(PEOPLE, person, marker=f"C-{n}")]
    parts += [Op(FIRMS, {"Account_Name": f"Feld {n}"}, marker=f"F-{n}")] if firm else []
    return Op(LEADS, {"Designation": f"Head {n}"}, marker=f"L-{n}", includes=tuple(parts))


def test_leads_with_their_people_go_a_hundred_a_call(crm: Zoho, organisation: Organisation) -> None:
    outcomes: list[Any] = []
    called = calls(organisation, lambda: outcomes.extend(crm.write([with_contact(n) for n in range(1000)])))
    assert called == {"POST Contacts/upsert": 10, "POST Leads/upsert": 10}
    one = outcomes[777]
    assert isinstance(one, Done)
    [lead] = crm.get(LEADS, [one.record.ref])
    [person] = crm.get(PEOPLE, [one.includes[0].ref])
    assert lead
    assert person
    assert (lead.values["HUB_ID"], person.values["HUB_ID"]) == ("L-777", "C-777")
    assert lead.values["Full_Name"] == person.values["Full_Name"] == "Nora Feld 777"
    assert lead.values["phones"] == [{"value": "+12025550777", "enum_code": "Mobile"}]
    assert lead.values["Company"] == UNKNOWN


def test_a_thousand_changes_are_four_calls(
    connect: Callable[..., Zoho], organisation: Organisation, clock: Clock
) -> None:
    crm = connect(page="")
    crm.provision(MARKERS)
    crm.columns(LEADS)
    clock.tick(500)
    cursor = crm.changes(LEADS, "").cursor
    done(crm.write([Op(LEADS, sample(n), marker=f"L-{n}") for n in range(1000)]))
    found: list[Record] = []

    def scan(cursor: str) -> None:
        told = crm.changes(LEADS, cursor)
        found.extend(told.records)
        if told.more:
            scan(told.cursor)

    assert calls(organisation, lambda: scan(cursor)) == {"GET Leads": 2, "POST coql": 1, "GET Leads/deleted": 1}
    assert len(found) == 1000


def test_a_company_is_made_before_its_person(crm: Zoho) -> None:
    [outcome] = crm.write([with_contact(1, firm=True)])
    assert isinstance(outcome, Done)
    [person] = crm.get(PEOPLE, [outcome.includes[0].ref])
    [lead] = crm.get(LEADS, [outcome.record.ref])
    assert person
    assert lead
    assert person.links == {FIRMS: (outcome.includes[1].ref,)}
    assert lead.values["Company"] == "Feld 1"


def test_a_create_that_is_sent_again_makes_no_second(crm: Zoho, organisation: Organisation) -> None:
    organisation.fail("drop_after")
    assert [type(one) for one in crm.write([with_contact(1)])] == [Lost]
    [lead] = done(crm.write([with_contact(1)]))
    assert list(organisation.rows[LEADS]) == [lead.ref]
    assert len(organisation.rows[PEOPLE]) == 1


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


def test_refusals_name_the_field_and_nothing_of_the_value(crm: Zoho) -> None:
    outcomes = crm.write([
        Op(LEADS, {**sample(1), "emails": [{"value": "secret"}]}),
        Op(LEADS, {**sample(1), "Nowhere": "secret"}),
        Op(DEALS, {"Deal_Name": "D"}),
        Op(DEALS, {"Deal_Name": "D", "Stage": "Proposal", "Amount": "secret"}),
    ])  # fmt: skip
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    told = [list(error.fields) for error in errors if isinstance(error, Refuse)]
    assert told == [["Email"], ["Nowhere"], ["Stage"], ["Amount"]]
    assert "secret" not in " ".join(map(str, errors))


def test_a_twin_is_a_conflict_that_names_it(crm: Zoho, organisation: Organisation) -> None:
    organisation.fields[PEOPLE]["Email"]["unique"] = {"casesensitive": "false"}
    [one] = done(crm.write([Op(PEOPLE, {"Last_Name": "Moss", "emails": ["ada@moss.test"]}, marker="C-1")]))
    [other] = crm.write([Op(PEOPLE, {"Last_Name": "Moss", "emails": ["ada@moss.test"]}, marker="C-2")])
    assert isinstance(other, Failed)
    assert isinstance(other.error, Conflict)
    assert other.error.ref == one.ref


def test_a_deleted_record_fails_alone(crm: Zoho, organisation: Organisation) -> None:
    refs = [one.ref for one in done(crm.write([Op(LEADS, sample(n)) for n in range(3)]))]
    organisation.delete(LEADS, refs[1])
    outcomes = crm.write([Op(LEADS, {"Designation": "x"}, ref=ref) for ref in refs])
    assert [type(one) for one in outcomes] == [Done, Failed, Done]
    assert isinstance(outcomes[1], Failed)
    assert isinstance(outcomes[1].error, Missing)


@pytest.mark.parametrize(
    "op",
    [
        Op(LEADS, {}, ref="a b"),
        Op("Cases", {"Subject": "x"}),
        Op(NOTES, {"Note_Title": "x"}),
        Op(LEADS, {**sample(1), "Owner": "Vera"}),
    ],
)
def test_what_zoho_has_no_words_for_is_refused_alone(crm: Zoho, op: Op) -> None:
    bad, good = crm.write([op, Op(LEADS, sample(1))])
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert isinstance(good, Done)


@pytest.mark.parametrize("how", ["credits", "limit"])
def test_used_up_credits_are_a_wait(crm: Zoho, organisation: Organisation, how: str) -> None:
    if how == "credits":
        organisation.credits = organisation.spent + 1
    else:
        organisation.fail("slow")
        organisation.fail("limit", times=2)
    outcomes = crm.write([Op(LEADS, sample(n)) for n in range(250)])
    assert [type(one) for one in outcomes] == [Done] * 100 + [Failed] * 150
    waits = [one.error for one in outcomes if isinstance(one, Failed)]
    assert all(isinstance(error, Retry) and error.after == 60 and not error.effect for error in waits)


def test_a_dead_token_pauses(connect: Callable[..., Zoho]) -> None:
    crm = connect("dead")
    for call in (crm.check, crm.describe, lambda: crm.changes(LEADS, ""), lambda: crm.write([Op(LEADS, sample(1))])):
        with pytest.raises(Pause, match="connect the account"):
            call()


# ── OAuth ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "accounts"),
    [
        ("", "https://accounts.zoho.com"),
        ("https://www.zohoapis.eu", "https://accounts.zoho.eu"),
        ("www.zohoapis.com.au", "https://accounts.zoho.com.au"),
        ("https://www.zohoapis.ca", "https://accounts.zohocloud.ca"),
    ],
)
def test_each_data_centre_has_its_accounts(address: str, accounts: str) -> None:
    grant = Zoho({"address": address, "client_id": "id"}, {"client_secret": "s"}, Says(b"")).grant(
        "https://hub.test/back"
    )
    assert grant
    assert grant.url == f"{accounts}/oauth/v2/token"
    assert "access_type=offline" in grant.consent("state")


def test_tokens_go_under_zohos_own_name(served: tuple[Organisation, str]) -> None:
    class Safe:
        def load(self) -> Tokens:
            return Tokens(TOKEN, "refresh", 2e9)

    wire = Wire(allow=[served[1].removeprefix("http://")])
    grant = Zoho({"address": served[1]}, {"client_secret": "s"}, wire).grant()
    assert grant
    http = Bearer(wire, grant, Safe(), lambda: 1e9)  # type: ignore[arg-type]
    assert Zoho({"address": served[1]}, {"client_secret": "s"}, http).check().name == "Northwind Windows"
    wire.close()


# ── conversion ───────────────────────────────────────────────────────────────────────────────────

DEAL = {"Deal_Name": "Winter garden", "Stage": "Proposal", "Pipeline": "Standard", "Amount": 5000.0}


def converted(crm: Zoho, lead: str, person: str, **more: Any) -> Any:
    return crm.write([Op(DEALS, {**DEAL, **more}, marker="D-1", links={LEADS: (lead,), PEOPLE: (person,)})])[0]


def test_a_conversion_is_the_vendors_own_and_one_call(crm: Zoho, organisation: Organisation) -> None:
    [made] = crm.write([with_contact(1)])
    assert isinstance(made, Done)
    outcome: list[Any] = []
    lead, person = made.record.ref, made.includes[0].ref
    called = calls(organisation, lambda: outcome.append(converted(crm, lead, person)))
    assert called == {f"POST Leads/{lead}/actions/convert": 1}
    [read] = crm.get(LEADS, [lead])
    [deal] = crm.get(DEALS, [outcome[0].record.ref])
    assert read
    assert deal
    assert read.links[DEALS] == (deal.ref,)
    assert read.links[PEOPLE] == (person,)
    assert {name: deal.values[name] for name in DEAL} == DEAL
    assert deal.values["HUB_ID"] == "D-1"
    assert len(organisation.rows[PEOPLE]) == len(organisation.rows[DEALS]) == 1


def test_a_conversion_that_is_sent_again_finds_its_deal(crm: Zoho, organisation: Organisation) -> None:
    [made] = crm.write([with_contact(1)])
    assert isinstance(made, Done)
    lead, person = made.record.ref, made.includes[0].ref
    refused = converted(crm, lead, person, Amount="many")
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, Refuse)
    organisation.fail("drop_after")
    assert isinstance(converted(crm, lead, person), Lost)
    again = converted(crm, lead, person, Deal_Name="Summer garden")
    assert isinstance(again, Done), again
    assert [row["Deal_Name"] for row in organisation.rows[DEALS].values()] == ["Summer garden"]


def test_a_conversion_by_people_is_seen(crm: Zoho, organisation: Organisation, clock: Clock) -> None:
    one, two = done(crm.write([Op(LEADS, sample(n)) for n in range(2)]))
    clock.tick(400)
    cursor = crm.changes(LEADS, "").cursor
    told = organisation.convert(
        one.ref, {"Deals": {"Deal_Name": "D", "Stage": "Proposal", "Closing_Date": "2026-12-31"}}
    )
    organisation.delete(LEADS, two.ref)
    seen = {record.ref: record for record in crm.changes(LEADS, cursor).records}
    assert seen[one.ref].links[DEALS] == (told["Deals"]["id"],)
    assert seen[two.ref].deleted


def test_leads_of_a_known_contact_have_its_name(crm: Zoho) -> None:
    [person] = done(crm.write([Op(PEOPLE, {"First_Name": "Ada", "Last_Name": "Moss", "emails": ["ada@moss.test"]})]))
    [lead] = done(crm.write([Op(LEADS, {"Designation": "x"}, marker="L-1", links={PEOPLE: (person.ref,)})]))
    [read] = crm.get(LEADS, [lead.ref])
    assert read
    assert (read.values["Full_Name"], read.values["Email"]) == ("Ada Moss", "ada@moss.test")


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def test_phones_and_mails_spread_over_their_fields(crm: Zoho, organisation: Organisation) -> None:
    phones = [{"value": f"+1202555000{n}", "enum_code": "WORK"} for n in range(3)]
    mails = ["ada@moss.test", "a@moss.test"]
    [made] = done(crm.write([Op(PEOPLE, {"Full_Name": "Ada Moss", "phones": phones, "emails": mails})]))
    row = organisation.rows[PEOPLE][made.ref]
    assert (row["Phone"], row["Mobile"], row["Home_Phone"]) == ("+12025550000", "+12025550001", "+12025550002")
    assert (row["Email"], row["Secondary_Email"]) == ("ada@moss.test", "a@moss.test")
    for key, wanted in (("phone", "+1 (202) 555-0002"), ("email", "A@moss.test".lower())):
        assert [one.ref for one in crm.find(PEOPLE, {key: wanted})] == [made.ref]
    done(crm.write([Op(PEOPLE, {"phones": phones[1:2]}, ref=made.ref)]))
    assert (row["Phone"], row["Mobile"], row["Home_Phone"]) == ("+12025550001", None, None)


def test_owners_are_ids_and_tags_are_names(crm: Zoho, organisation: Organisation) -> None:
    owner = "554023000000235012"
    [made] = done(crm.write([Op(LEADS, {**sample(1), "Owner": owner, "tags": ["vip"]})]))
    [read] = crm.get(LEADS, [made.ref])
    assert read
    assert (read.values["Owner"], read.values["tags"]) == (owner, ["vip"])
    assert organisation.rows[LEADS][made.ref]["Owner"] == {"id": owner}


def test_a_marker_with_a_quote_breaks_no_query(crm: Zoho) -> None:
    [made] = done(crm.write([Op(LEADS, sample(1), marker="L-'1")]))
    assert [one.ref for one in crm.find(LEADS, {"marker": "L-'1"})] == [made.ref]


def test_notes_and_tasks_hang_on_their_record(crm: Zoho, organisation: Organisation) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    links = {LEADS: (lead.ref,)}
    note, task = done(crm.write([
        Op(NOTES, {"Note_Title": "Call", "Note_Content": "called"}, links=links),
        Op(TASKS, {"Subject": "Call"}, links=links),
    ]))  # fmt: skip
    assert organisation.rows[NOTES][note.ref]["Parent_Id"]["id"] == lead.ref
    assert organisation.rows[TASKS][task.ref]["What_Id"]["id"] == lead.ref


def said(crm: Zoho, kind: str) -> list[tuple[Record, Activity]]:
    """What is listed of this hour, and what it says."""
    told = [(one, crm.activity(one)) for one in crm.changes(kind, "1").records]
    return [(record, activity) for record, activity in told if activity]


SCHEDULED = {"Call_Duration": None, "Outgoing_Call_Status": "Scheduled"}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, ("out", True, False)),
        ({"Call_Duration": "00:00"}, ("out", False, False)),
        ({"Call_Type": "Inbound"}, ("in", True, False)),
        ({"Call_Type": "Missed", "Call_Duration": None}, ("in", False, False)),
        ({**SCHEDULED}, ("out", False, True)),
        ({**SCHEDULED, "Call_Start_Time": "2027-01-01T10:00:00+02:00"}, ("out", False, True)),
        ({"Outgoing_Call_Status": "Overdue"}, ("out", False, True)),
        ({"Outgoing_Call_Status": "Cancelled"}, ("out", False, True)),
    ],
)
def test_a_call_counts_that_was_made(
    crm: Zoho, organisation: Organisation, values: dict[str, Any], told: tuple[str, bool, bool]
) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    organisation.act(LEADS, lead.ref, **{**made_call(organisation), "Description": "Wants oak", **values})
    [(record, activity)] = said(crm, CALLS)
    assert record.links == {LEADS: (lead.ref,)}
    assert (activity.way, activity.answered, activity.open) == told
    assert (activity.what, activity.text, activity.by) == ("call", "Wants oak", HUMAN)
    assert activity.at is not None


@pytest.mark.parametrize("name", STATES)
def test_the_state_of_a_call_is_read_under_each_of_its_names(name: str) -> None:
    values = {"Call_Type": "Outbound", "Call_Duration": "01:00", name: "Scheduled"}
    told = Zoho({}, {"token": "t"}, Says(b"")).activity(Record(CALLS, "1", values))
    assert told
    assert told.open


def test_a_call_that_begins_later_than_it_was_saved_is_a_plan() -> None:
    """Whatever its state is called in the language of the organisation."""
    values = {"Call_Type": "Outbound", "Call_Duration": "00:15", "Call_Start_Time": "2026-06-01T10:00:00+02:00"}
    told = Zoho({}, {"token": "t"}, Says(b"")).activity(Record(CALLS, "1", values, updated_at=AT))
    assert told
    assert told.open


@pytest.mark.parametrize(
    ("start", "end", "held"), [(-7200, -3600, True), (-3600, 3600, False), (3600, 7200, False)]
)  # fmt: skip
def test_a_meeting_counts_that_was_saved_when_it_was_over(
    crm: Zoho, organisation: Organisation, clock: Clock, start: int, end: int, held: bool
) -> None:
    [person] = done(crm.write([Op(PEOPLE, {"Full_Name": "Ada Moss"})]))
    times = {"Start_DateTime": organisation.stamp(clock() + start), "End_DateTime": organisation.stamp(clock() + end)}
    organisation.act(PEOPLE, person.ref, EVENTS, Event_Title="At their office", **times)
    [(record, activity)] = said(crm, EVENTS)
    assert record.links == {PEOPLE: (person.ref,)}
    assert (activity.what, activity.text, activity.by) == ("meeting", "At their office", HUMAN)
    assert (activity.open, activity.answered) == (not held, held)
    if not held:
        clock.tick(86_400)
        assert [one.open for _record, one in said(crm, EVENTS)] == [True], "a plan stays one"
        organisation.edit(EVENTS, record.ref, Description="They were content")
        assert [(one.open, one.text) for _record, one in said(crm, EVENTS)] == [(False, "They were content")]


def test_who_checked_in_is_there(crm: Zoho, organisation: Organisation, clock: Clock) -> None:
    [deal] = done(crm.write([Op(DEALS, {"Deal_Name": "D", "Stage": "Proposal", "Pipeline": "Standard"})]))
    times = {"Start_DateTime": organisation.stamp(), "End_DateTime": organisation.stamp(clock() + 3600)}
    organisation.act(DEALS, deal.ref, EVENTS, Event_Title="At their office", **times)
    [row] = organisation.rows[EVENTS].values()
    assert [one.open for _record, one in said(crm, EVENTS)] == [True]
    row["Check_In_Time"] = organisation.stamp()
    [(record, activity)] = said(crm, EVENTS)
    assert (activity.open, record.links) == (False, {DEALS: (deal.ref,)})


def test_a_task_is_done_when_it_is_closed(crm: Zoho, organisation: Organisation) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    organisation.act(LEADS, lead.ref, TASKS, Subject="Offer", Status="In Progress")
    [(record, activity)] = said(crm, TASKS)
    assert (activity.what, activity.text, activity.open) == ("task", "Offer", True)
    organisation.edit(TASKS, record.ref, Status="Completed")
    [(_record, activity)] = said(crm, TASKS)
    assert (activity.open, activity.at is not None) == (False, True)


def test_what_a_call_hangs_on_is_asked_for_when_there_is_news(crm: Zoho, organisation: Organisation) -> None:
    [lead, other] = done(crm.write([Op(LEADS, sample(n)) for n in range(2)]))
    [person] = done(crm.write([Op(PEOPLE, {"Full_Name": "Ada Moss"})]))
    [firm] = done(crm.write([Op(FIRMS, {"Account_Name": "Moss"})]))
    for kind, ref in ((LEADS, lead.ref), (PEOPLE, person.ref), (FIRMS, firm.ref), (LEADS, other.ref)):
        organisation.act(kind, ref, **made_call(organisation))
    organisation.convert(other.ref, {})
    found: list[tuple[Record, Activity]] = []
    asked = {"POST coql": 1, "GET Leads": 1, "GET Deals": 1, "GET Contacts": 1}
    assert calls(organisation, lambda: found.extend(said(crm, CALLS))) == asked
    links = [record.links for record, _activity in found]
    assert links == [{LEADS: (lead.ref,)}, {PEOPLE: (person.ref,)}, {}, {LEADS: (other.ref,)}]


def test_where_activities_are_not_shown_the_rest_goes_on(crm: Zoho, organisation: Organisation) -> None:
    organisation.fail("403", path="/crm/v8/coql")
    with pytest.raises(Refuse):
        crm.changes(CALLS, "")
    assert crm.changes(LEADS, "").records == ()


def test_no_more_fields_are_asked_for_than_zoho_shows(crm: Zoho, organisation: Organisation) -> None:
    for n in range(60):
        organisation.add_field(LEADS, {"field_label": f"A {n}", "data_type": "text"})
    crm.describe()
    names = crm.columns(LEADS)
    assert len(names) < MOST_FIELDS
    assert "HUB_ID" in names
    [made] = done(crm.write([Op(LEADS, sample(1))]))
    assert [one.ref for one in crm.changes(LEADS, "").records] == [made.ref]
    assert crm.get(LEADS, [made.ref])[0]


def test_a_field_that_people_removed_is_forgotten(crm: Zoho, organisation: Organisation) -> None:
    [made] = done(crm.write([Op(LEADS, sample(1))]))
    del organisation.fields[LEADS]["HUB_ID"]
    [seen] = crm.changes(LEADS, "").records
    assert seen.ref == made.ref
    with pytest.raises(Pause, match="HUB_ID"):
        crm.find(LEADS, {"marker": "L-1"})


def test_a_module_that_cannot_be_read_pauses(crm: Zoho, organisation: Organisation) -> None:
    for read, times in ((lambda: crm.changes(LEADS, ""), 2), (lambda: crm.get(LEADS, ["1"]), 1)):
        organisation.fail("400", times=times)
        with pytest.raises(Pause, match="user and its scopes"):
            read()


# ── set-up and notifications ─────────────────────────────────────────────────────────────────────


def test_statuses_and_stages_are_pipelines(crm: Zoho, organisation: Organisation) -> None:
    leads, deals = crm.describe().pipelines
    assert (leads.kind, leads.ref, deals.kind, deals.ref) == (LEADS, "", DEALS, "Standard")
    assert [(stage.ref, stage.final) for stage in leads.stages] == [
        ("Not Contacted", ""), ("Contacted", ""), ("Junk Lead", "lost"),
    ]  # fmt: skip
    assert [(stage.final, stage.colour) for stage in deals.stages][1:] == [
        ("", "#f8e199"), ("won", "#25b52a"), ("lost", "#eb4d4d"),
    ]  # fmt: skip
    organisation.pipelines = False
    _, plain = crm.describe().pipelines
    assert (plain.ref, [stage.final for stage in plain.stages]) == ("", ["", "", "won", "lost"])


def test_a_field_is_renamed(crm: Zoho, organisation: Organisation) -> None:
    [ref] = crm.provision(MARKERS[:1])
    crm.provision([Step("field", "change", {"name": "Number"}, ref=ref, under=LEADS, before={"name": "Hub id"})])
    assert organisation.fields[LEADS]["HUB_ID"]["field_label"] == "Number"


@pytest.mark.parametrize(("what", "action"), [("stage", "create"), ("pipeline", "create")])
def test_what_people_do_in_setup_is_unsupported(crm: Zoho, what: str, action: str) -> None:
    with pytest.raises(Unsupported, match="Setup"):
        crm.provision([Step(what, action, {"name": "x"})])


def test_a_notification_without_our_token_hints_at_nothing(crm: Zoho) -> None:
    told = {"module": LEADS, "ids": ["1", "2"], "token": crm.hook_token}
    assert crm.touched(Raw(json.dumps(told).encode(), AT)) == [Hint(LEADS, "1"), Hint(LEADS, "2")]
    for wrong in ({"token": "guessed"}, {"token": None}, {"module": "Cases"}, {"ids": 5}, {"module": []}):
        assert list(crm.touched(Raw(json.dumps({**told, **wrong}).encode(), AT))) == []


def test_the_default_mapping_fits_the_account(crm: Zoho) -> None:
    kinds = {"contact": PEOPLE, "company": FIRMS, "lead": LEADS, "deal": DEALS}
    fits(crm, kinds, "HUB_", {"owners": {"7": "554023000000235012"}})


# ── answers that make no sense ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [200, 207, 400, 404, 500])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"7", b"[1]", b"[[]]", b'{"data": 1}', b'{"data": [1]}', b"<html>", b"[" * 100_000,
     b'{"fields": [{"api_name": "Last_Name", "pick_list_values": [1]}], "data": [{}], "org": [{}], "info": 3}',
     b'{"fields": [{"api_name": []}], "data": [{"status": "error", "details": 4}], "layouts": [{}], "users": [{}]}',
     b'{"code": 4, "details": []}'],
)  # fmt: skip
def test_nonsense_is_no_crash(body: bytes, status: int) -> None:
    crm = Zoho({}, {"token": "t"}, Says(body, status))
    for call in (crm.check, crm.describe, lambda: crm.changes(LEADS, ""), lambda: crm.get(LEADS, ["1"])):
        try:
            call()
        except (Retry, Pause, Refuse, Missing):
            continue
    try:
        outcomes = crm.write([Op(LEADS, {}), Op(DEALS, {}, links={LEADS: ("1",)})])
    except Pause:
        return
    assert all(isinstance(one, Failed | Lost) for one in outcomes)


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_the_demo_and_moves_cards() -> None:
    app = create_sandbox()
    furnish(app.state)
    page = app.test_client().get("/").get_data(as_text=True)
    assert "Panorama, 3 panes" in page
    card = next(iter(app.state.rows[DEALS]))
    moved = app.test_client().post("/move", data={"card": card, "column": "Closed Won", "lane": DEALS})
    assert moved.status_code == 302
    assert app.state.rows[DEALS][card]["Stage"] == "Closed Won"
