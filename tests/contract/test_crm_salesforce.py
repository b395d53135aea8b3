"""Salesforce against its strict stand-in: the common contract, and what only Salesforce does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.contract import Activity, Done, Failed, Lost, Op, Record, Schema, Step
from connectors.crms.salesforce import Salesforce
from connectors.crms.salesforce.sandbox import Organisation, create_sandbox, serving
from connectors.crms.salesforce.sandbox.__main__ import furnish
from connectors.crms.salesforce.sandbox.state import HUMAN
from connectors.crms.salesforce.shape import DEALS, EVENTS, FIRMS, KINDS, LEADS, NOTES, PEOPLE, TASKS, UNKNOWN
from connectors.errors import Missing, Pause, Refuse, Retry, Unsupported
from connectors.testing.crm import CRMContract, Rig
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
def connect(served: tuple[Organisation, str], wires: Wires) -> Callable[..., Salesforce]:
    def make(secrets: dict[str, str] | None = None, **settings: str) -> Salesforce:
        return Salesforce(
            {"address": served[1], "page": str(PAGE), **settings}, secrets or {"token": TOKEN}, wires(served[1])
        )

    return make


MARKERS = [
    Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID__c"}, under=kind) for kind in KINDS
]


@pytest.fixture
def crm(connect: Callable[..., Salesforce]) -> Salesforce:
    """Set up, and its fields known: the next call is the one a test means."""
    made = connect()
    made.provision(MARKERS)
    for kind in (*KINDS, *made.activity_kinds):
        made.columns(kind)
    return made


def sample(n: int) -> dict[str, Any]:
    return {"LastName": f"Feld {n}", "Company": f"Feld & Sons {n}", "Title": f"Head {n}"}


def steps(schema: Schema) -> list[Step]:
    options = ["lead", "deal"]
    return [
        Step(
            "field",
            "create",
            {"name": "Block", "type": "select", "code": "HUB_BLOCK__c", "options": options},
            under=LEADS,
        ),
        Step("field", "create", {"name": "Inquiry", "type": "textarea", "code": "HUB_TEXT__c"}, under=DEALS),
    ]


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: Salesforce, organisation: Organisation, clock: Clock) -> Rig:
        organisation.lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            organisation.fail("drop_after" if what == "lost" else what, seconds=seconds)

        return Rig(
            crm,
            LEADS,
            sample,
            lambda n: {"Title": f"Chief {n}"},
            {"LastName": "Bad", "Company": "Bad", "Status": "Nowhere"},
            lambda ref, n: organisation.edit(ref, Title=f"Chief {n}"),
            clock.tick,
            fail,
            lambda: sum(organisation.calls.values()),
            PAGE,
            steps,
            None,
            None,
            organisation.delete,
            act=lambda ref: organisation.act(ref, TaskSubtype="Call", Status="Completed", Description="Spoke"),
        )

    # Changes arrive by polling only.
    test_a_hook_says_what_to_look_at = None
    test_hooks_get_lost_and_come_twice = None


# ── few calls ────────────────────────────────────────────────────────────────────────────────────


def with_contact(n: int, firm: bool = False) -> Op:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "MobilePhone"}]
    person = {"Name": f"Nora Feld {n}", "phones": phones, "emails": [{"value": f"nora{n}@feld.test"}]}
    parts = [Op(PEOPLE, person, marker=f"C-{n}")]
    parts += [Op(FIRMS, {"Name": f"Feld {n}"}, marker=f"F-{n}")] if firm else []
    return Op(LEADS, {"Title": f"Head {n}"}, marker=f"L-{n}", includes=tuple(parts))


def test_a_thousand_leads_with_their_people_are_two_calls(crm: Salesforce, organisation: Organisation) -> None:
    outcomes: list[Any] = []
    called = calls(organisation, lambda: outcomes.extend(crm.write([with_contact(n) for n in range(1000)])))
    assert called == {"POST composite": 2}
    one = outcomes[777]
    assert isinstance(one, Done)
    [lead] = crm.get(LEADS, [one.record.ref])
    [person] = crm.get(PEOPLE, [one.includes[0].ref])
    assert lead
    assert person
    assert (lead.values["HUB_ID__c"], person.values["HUB_ID__c"]) == ("L-777", "C-777")
    assert lead.values["Name"] == person.values["Name"] == "Nora Feld 777"
    assert lead.values["phones"] == person.values["phones"] == [{"value": "+12025550777", "enum_code": "MobilePhone"}]
    assert lead.values["Company"] == UNKNOWN


def test_a_thousand_changes_are_one_call(connect: Callable[..., Salesforce], organisation: Organisation) -> None:
    crm = connect(page="")
    crm.provision(MARKERS)
    crm.columns(LEADS)
    made: list[Any] = []
    ops = [Op(LEADS, sample(n), marker=f"L-{n}") for n in range(1000)]
    assert calls(organisation, lambda: made.extend(crm.write(ops))) == {"POST composite": 1}
    found: list[Any] = []
    assert calls(organisation, lambda: found.append(crm.changes(LEADS, ""))) == {"GET queryAll": 1}
    assert len(found[0].records) == 1000
    assert not found[0].more


def test_a_company_is_made_before_its_person(crm: Salesforce) -> None:
    [outcome] = crm.write([with_contact(1, firm=True)])
    assert isinstance(outcome, Done)
    [person] = crm.get(PEOPLE, [outcome.includes[0].ref])
    [lead] = crm.get(LEADS, [outcome.record.ref])
    assert person
    assert lead
    assert person.links == {FIRMS: (outcome.includes[1].ref,)}
    assert lead.values["Company"] == "Feld 1"


def test_a_create_that_is_sent_again_makes_no_second(crm: Salesforce, organisation: Organisation) -> None:
    organisation.fail("drop_after")
    assert [type(one) for one in crm.write([with_contact(1)])] == [Lost]
    [lead] = done(crm.write([with_contact(1)]))
    assert list(organisation.rows[LEADS]) == [lead.ref]
    assert len(organisation.rows[PEOPLE]) == 1


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


def test_a_collection_that_cannot_be_read_is_halved(crm: Salesforce, organisation: Organisation) -> None:
    ops = [Op(DEALS, {"Name": f"D {n}", "StageName": "Prospecting", "Amount": 5}) for n in range(20)]
    ops[7] = Op(DEALS, {"Name": "D 7", "StageName": "Prospecting", "Amount": "five"})
    outcomes = crm.write(ops)
    assert [type(one) for one in outcomes] == [Done] * 7 + [Failed] + [Done] * 12
    assert len(organisation.rows[DEALS]) == 19


def test_many_bad_records_end_the_search_for_them(crm: Salesforce, organisation: Organisation) -> None:
    ops = [Op(DEALS, {"Name": "D", "StageName": "Prospecting", "Amount": "x"}) for _ in range(400)]
    outcomes: list[Any] = []
    called = calls(organisation, lambda: outcomes.extend(crm.write(ops)))
    assert called["POST composite"] < 60
    assert {type(one.error) for one in outcomes} == {Refuse, Retry}


def test_refusals_name_the_field_and_nothing_of_the_value(crm: Salesforce) -> None:
    outcomes = crm.write([
        Op(LEADS, {**sample(1), "Status": "secret"}),
        Op(LEADS, {**sample(1), "Nowhere__c": "secret"}),
        Op(LEADS, {**sample(1), "emails": [{"value": "secret"}]}),
        Op(DEALS, {"Name": "D"}),
    ])  # fmt: skip
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    told = [list(error.fields) for error in errors if isinstance(error, Refuse)]
    assert told == [["Status"], ["Nowhere__c"], ["Email"], ["StageName"]]
    assert "secret" not in " ".join(map(str, errors))


def test_a_locked_or_deleted_record_fails_alone(crm: Salesforce, organisation: Organisation) -> None:
    refs = [one.ref for one in done(crm.write([Op(LEADS, sample(n)) for n in range(4)]))]
    organisation.locked = {refs[0]}
    organisation.delete(refs[1])
    organisation.purge(refs[2])
    outcomes = crm.write([Op(LEADS, {"Title": "x"}, ref=ref) for ref in refs])
    errors = [one.error if isinstance(one, Failed) else None for one in outcomes]
    assert [type(error) for error in errors] == [Retry, Missing, Missing, type(None)]
    assert isinstance(errors[0], Retry)
    assert not errors[0].effect


@pytest.mark.parametrize(
    "op",
    [Op(LEADS, {}, ref="a b"), Op("Case", {"Subject": "x"}), Op(NOTES, {"Title": "x"}), Op(TASKS, {"Subject": "x"})],
)
def test_what_salesforce_has_no_words_for_is_refused_alone(crm: Salesforce, op: Op) -> None:
    bad, good = crm.write([op, Op(LEADS, sample(1))])
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert isinstance(good, Done)


def test_a_used_up_day_is_a_wait(crm: Salesforce, organisation: Organisation) -> None:
    organisation.left = 1
    outcomes = crm.write([with_contact(n) for n in range(1000)])
    waits = [one.error for one in outcomes if isinstance(one, Failed)]
    assert len(waits) == 1000
    assert all(isinstance(error, Retry) and (error.after or 0) >= 60 and not error.effect for error in waits)
    with pytest.raises(Retry, match="used up"):
        crm.check()
    organisation.left = None
    done(crm.write([with_contact(n) for n in range(1000)]))
    assert len(organisation.rows[PEOPLE]) == 1000, "who was stored before is stored once"


def test_a_client_gets_its_token_and_a_new_one(connect: Callable[..., Salesforce], organisation: Organisation) -> None:
    crm = connect({"client_secret": "secret"}, client_id="client")
    assert crm.check().name == "Northwind Windows"
    organisation.tokens.clear()
    assert crm.check().name == "Northwind Windows"
    assert organisation.calls["POST /services/oauth2/token"] == 2
    with pytest.raises(Pause):
        connect({"client_secret": "wrong"}, client_id="client").check()


def test_a_dead_token_pauses(connect: Callable[..., Salesforce]) -> None:
    crm = connect({"token": "dead"})
    for call in (crm.check, crm.describe, lambda: crm.changes(LEADS, ""), lambda: crm.write([Op(LEADS, sample(1))])):
        with pytest.raises(Pause, match="connected app"):
            call()


# ── conversion ───────────────────────────────────────────────────────────────────────────────────

DEAL = {"Name": "Winter garden", "StageName": "Proposal/Price Quote", "Amount": 5000.0}


def converted(crm: Salesforce, lead: str, person: str, **more: Any) -> Any:
    op = Op(DEALS, {**DEAL, **more}, marker="D-1", links={LEADS: (lead,), PEOPLE: (person,)})
    return crm.write([op])[0]


@pytest.mark.parametrize("firm", [False, True])
def test_a_conversion_is_the_vendors_own(crm: Salesforce, organisation: Organisation, firm: bool) -> None:
    [made] = crm.write([with_contact(1, firm=firm)])
    assert isinstance(made, Done)
    outcome = converted(crm, made.record.ref, made.includes[0].ref)
    assert isinstance(outcome, Done), outcome
    [lead] = crm.get(LEADS, [made.record.ref])
    [deal] = crm.get(DEALS, [outcome.record.ref])
    assert lead
    assert deal
    assert lead.links[DEALS] == (deal.ref,)
    assert lead.links[PEOPLE] == (made.includes[0].ref,)
    assert {name: deal.values[name] for name in DEAL} == DEAL
    assert deal.values["HUB_ID__c"] == "D-1"
    assert len(organisation.rows[PEOPLE]) == len(organisation.rows[FIRMS]) == len(organisation.rows[DEALS]) == 1
    assert deal.values["CloseDate"] == organisation.day(90)


def test_a_conversion_that_is_sent_again_finds_its_deal(crm: Salesforce, organisation: Organisation) -> None:
    [made] = crm.write([with_contact(1)])
    assert isinstance(made, Done)
    lead, person = made.record.ref, made.includes[0].ref
    refused = converted(crm, lead, person, Amount="many")
    assert isinstance(refused, Failed)
    again = converted(crm, lead, person)
    assert isinstance(again, Done)
    assert list(organisation.rows[DEALS]) == [again.record.ref]
    organisation.fail("drop_after", path="/services/Soap")
    assert isinstance(converted(crm, lead, person), Lost)


def test_a_conversion_by_people_is_seen(crm: Salesforce, organisation: Organisation, clock: Clock) -> None:
    [made] = done(crm.write([Op(LEADS, sample(1))]))
    clock.tick(400)
    cursor = crm.changes(LEADS, "").cursor
    told = organisation.convert({"leadId": made.ref, "convertedStatus": "Closed - Converted"})
    [seen] = crm.changes(LEADS, cursor).records
    assert seen.links[DEALS] == (told["opportunityId"],)
    [late] = crm.write([Op(LEADS, {"Title": "x"}, ref=made.ref)])
    assert isinstance(late, Failed)
    assert isinstance(late.error, Refuse)


def test_leads_of_a_known_contact_have_its_name(crm: Salesforce) -> None:
    [person] = done(crm.write([Op(PEOPLE, {"FirstName": "Ada", "LastName": "Moss", "emails": ["ada@moss.test"]})]))
    [lead] = done(crm.write([Op(LEADS, {"Title": "x"}, marker="L-1", links={PEOPLE: (person.ref,)})]))
    [read] = crm.get(LEADS, [lead.ref])
    assert read
    assert (read.values["Name"], read.values["Email"]) == ("Ada Moss", "ada@moss.test")


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def test_phones_spread_over_their_fields(crm: Salesforce, organisation: Organisation) -> None:
    phones = [{"value": f"+1202555000{n}", "enum_code": "WORK"} for n in range(3)]
    [made] = done(crm.write([Op(PEOPLE, {"Name": "Ada Moss", "phones": phones, "emails": []})]))
    [read] = crm.get(PEOPLE, [made.ref])
    assert read
    assert [one["enum_code"] for one in read.values["phones"]] == ["Phone", "MobilePhone", "HomePhone"]
    kept = [read.values["phones"][1], {"value": "+12025550009", "enum_code": "WORK"}]
    done(crm.write([Op(PEOPLE, {"phones": kept}, ref=made.ref)]))
    row = organisation.rows[PEOPLE][made.ref]
    assert (row["Phone"], row["MobilePhone"], row["HomePhone"]) == ("+12025550009", "+12025550001", None)
    assert [one.ref for one in crm.find(PEOPLE, {"phone": "+1 (202) 555-0009"})] == [made.ref]
    assert crm.find(LEADS, {"phone": "+12025550009"}) == []


def test_people_are_found_by_mail_and_not_in_the_bin(crm: Salesforce, organisation: Organisation) -> None:
    one, two = done(crm.write([Op(PEOPLE, {"Name": "Ada", "emails": ["ada@moss.test"]}) for _ in range(2)]))
    organisation.delete(two.ref)
    assert [found.ref for found in crm.find(PEOPLE, {"email": "ada@moss.test"})] == [one.ref]
    assert crm.find(DEALS, {"email": "ada@moss.test"}) == []


def test_a_name_with_a_quote_breaks_no_query(crm: Salesforce) -> None:
    [made] = done(crm.write([Op(LEADS, sample(1), marker="L-'\\1")]))
    assert [one.ref for one in crm.find(LEADS, {"marker": "L-'\\1"})] == [made.ref]


def test_what_was_merged_says_into_which(crm: Salesforce, organisation: Organisation, clock: Clock) -> None:
    one, two, three = (made.ref for made in done(crm.write([Op(LEADS, sample(n)) for n in range(3)])))
    clock.tick(400)
    cursor = crm.changes(LEADS, "").cursor
    organisation.delete(two, into=one)
    crm.delete(LEADS, [three])
    seen = {record.ref: record for record in crm.changes(LEADS, cursor).records}
    assert seen[two].merged_into == one
    assert seen[two].deleted
    assert seen[three].deleted
    organisation.purge(three)
    assert [read and read.ref for read in crm.get(LEADS, [one, two, three])] == [one, two, None]


def test_notes_and_tasks_hang_on_their_record(crm: Salesforce, organisation: Organisation) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    links = {LEADS: (lead.ref,)}
    note, task = done(crm.write([
        Op(NOTES, {"Title": "Call", "Body": "called"}, links=links),
        Op(TASKS, {"Subject": "Call", "ActivityDate": "2026-06-01"}, links=links),
    ]))  # fmt: skip
    assert organisation.rows[NOTES][note.ref]["ParentId"] == lead.ref
    assert organisation.rows[TASKS][task.ref]["WhoId"] == lead.ref


def heard(crm: Salesforce, kind: str) -> list[tuple[Record, Activity | None]]:
    """What is listed of this hour, and what it says."""
    return [(one, crm.activity(one)) for one in crm.changes(kind, "1").records]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"TaskSubtype": "Call"}, ("call", "out", False, True)),
        ({"TaskSubtype": "Call", "Status": "Completed"}, ("call", "out", False, False)),
        ({"CallType": "Outbound", "CallDurationInSeconds": 60, "Status": "Completed"}, ("call", "out", True, False)),
        ({"TaskSubtype": "Call", "CallType": "Inbound", "CallDurationInSeconds": 9, "Status": "Completed"},
         ("call", "in", True, False)),
        ({"TaskSubtype": "Call", "CallType": "Inbound", "Status": "Completed"}, ("call", "in", False, False)),
        ({"TaskSubtype": "Call", "CallType": "Internal", "Status": "Completed"}, None),
        ({"TaskSubtype": "ListEmail", "Status": "Completed"}, None),
        ({"Status": "Waiting on someone else"}, ("task", "out", False, True)),
        ({"Status": "Completed"}, ("task", "out", False, False)),
    ],
)  # fmt: skip
def test_a_task_is_what_was_done_and_only_when_it_is_closed(
    crm: Salesforce, organisation: Organisation, values: dict[str, Any], told: tuple[str, str, bool, bool] | None
) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    organisation.act(lead.ref, Subject="Call", Description="Wants oak", **values)
    [(record, said)] = heard(crm, TASKS)
    assert record.links == {LEADS: (lead.ref,)}
    assert (said and (said.what, said.way, said.answered, said.open)) == told
    if said:
        assert (said.text, said.by) == ("Wants oak", HUMAN)
        assert (said.at == record.updated_at) is not said.open


@pytest.mark.parametrize(
    ("incoming", "what", "way"), [(False, "mail", "out"), (True, "mail", "in"), (None, "task", "out")]
)
def test_which_way_a_mail_went_stands_in_its_message(
    crm: Salesforce, organisation: Organisation, incoming: bool | None, what: str, way: str
) -> None:
    """A mail nobody can tell the way of is a task that was done, and no evidence."""
    mail = {"TaskSubtype": "Email", "Status": "Completed", "Subject": "Offer"}
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    ref = organisation.create(TASKS, {**mail, "WhoId": lead.ref, "OwnerId": HUMAN})
    other = organisation.create(TASKS, {**mail, "WhoId": lead.ref, "OwnerId": HUMAN})
    if incoming is not None:
        organisation.create("EmailMessage", {"ActivityId": ref, "Incoming": incoming})
        organisation.create("EmailMessage", {"ActivityId": other, "Incoming": not incoming})
    found: list[tuple[Record, Activity | None]] = []
    assert calls(organisation, lambda: found.extend(heard(crm, TASKS))) == {"GET queryAll": 1, "GET query": 1}
    said = {record.ref: one for record, one in found}[ref]
    assert said
    assert (said.what, said.way, said.text, said.open) == (what, way, "Offer", False)


def test_without_enhanced_email_no_mail_is_evidence(crm: Salesforce, organisation: Organisation) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    organisation.act(lead.ref, TaskSubtype="Email", Status="Completed")
    organisation.fail("400", path="/services/data/v62.0/query")
    [(_record, said)] = heard(crm, TASKS)
    assert said
    assert said.what == "task"


HELD = "2026-05-28T19:00:00.000Z"  # the clock of the stand-in says 20:26
SOON = "2026-05-28T22:00:00.000Z"


@pytest.mark.parametrize(
    ("values", "held"),
    [
        ({"StartDateTime": HELD, "DurationInMinutes": 30}, True),
        ({"StartDateTime": HELD, "EndDateTime": SOON}, False),
        ({"StartDateTime": SOON, "DurationInMinutes": 30}, False),
        ({"StartDateTime": "2026-05-28T00:00:00.000Z", "IsAllDayEvent": True}, False),
        ({"StartDateTime": "2026-05-27T00:00:00.000Z", "IsAllDayEvent": True}, True),
    ],
)
def test_a_meeting_counts_that_was_written_down_when_it_was_over(
    crm: Salesforce, organisation: Organisation, clock: Clock, values: dict[str, Any], held: bool
) -> None:
    [deal] = done(crm.write([Op(DEALS, {"Name": "D", "StageName": "Prospecting"})]))
    organisation.act(deal.ref, EVENTS, Subject="At their office", **values)
    [(record, said)] = heard(crm, EVENTS)
    assert said
    assert (said.what, said.open, said.answered, said.by) == ("meeting", not held, held, HUMAN)
    assert record.links == {DEALS: (deal.ref,)}
    if not held:
        clock.tick(86_400)
        assert [one.open for _record, one in heard(crm, EVENTS) if one] == [True], "a plan stays one"
        organisation.edit(record.ref, Description="They were content")
        [(_record, after)] = heard(crm, EVENTS)
        assert after
        assert (after.open, after.text) == (False, "They were content")


def test_where_activities_are_not_shown_the_rest_goes_on(
    connect: Callable[..., Salesforce], organisation: Organisation
) -> None:
    crm = connect()
    crm.changes(TASKS, "")
    del organisation.fields[EVENTS]
    with pytest.raises(Refuse, match="no Event"):
        crm.changes(EVENTS, "")
    organisation.fail("400", times=2, path="/services/data/v62.0/queryAll")
    with pytest.raises(Refuse, match="may the hub's user see it"):
        crm.changes(TASKS, "")
    assert crm.changes(LEADS, "").records == ()


def test_copies_and_patterns_are_nobodys_doing(crm: Salesforce, organisation: Organisation) -> None:
    [lead] = done(crm.write([Op(LEADS, sample(1))]))
    for n in range(2):
        organisation.act(lead.ref, EVENTS, StartDateTime=HELD, DurationInMinutes=30, Subject=f"M {n}")
    one, other = organisation.rows[EVENTS].values()
    one["IsChild"], other["IsRecurrence"] = True, True
    assert [said for _record, said in heard(crm, EVENTS)] == [None, None]


def test_a_field_that_people_hid_is_forgotten(crm: Salesforce, organisation: Organisation) -> None:
    [made] = done(crm.write([Op(LEADS, sample(1))]))
    organisation.shown.clear()
    [seen] = crm.changes(LEADS, "").records
    assert seen.ref == made.ref
    with pytest.raises(Pause, match="HUB_ID__c"):
        crm.find(LEADS, {"marker": "L-1"})


def test_an_object_that_cannot_be_read_pauses(crm: Salesforce, organisation: Organisation) -> None:
    for read in (lambda: crm.changes(LEADS, ""), lambda: crm.get(LEADS, ["00Q1"])):
        organisation.fail("400", times=2, path="/services/data/v62.0/queryAll")
        with pytest.raises(Pause, match="may the hub's user see it"):
            read()


# ── set-up ───────────────────────────────────────────────────────────────────────────────────────


def test_statuses_and_stages_are_pipelines(crm: Salesforce, organisation: Organisation) -> None:
    leads, deals = crm.describe().pipelines
    assert (leads.kind, leads.ref, deals.kind, deals.ref) == (LEADS, "", DEALS, "")
    assert [(stage.final, stage.fixed) for stage in leads.stages] == [
        ("", False), ("", False), ("lost", False), ("won", True),
    ]  # fmt: skip
    assert [stage.final for stage in deals.stages] == ["", "", "won", "lost"]
    organisation.record_types = {"0125g0000000001AAA": ("Service", ["Prospecting", "Closed Won", "Closed Lost"])}
    _, service = crm.describe().pipelines
    assert (service.ref, [stage.name for stage in service.stages]) == (
        "0125g0000000001AAA", ["Prospecting", "Closed Won", "Closed Lost"],
    )  # fmt: skip
    assert crm.place_fields(LEADS) == ("", "Status")
    [deal] = done(crm.write([Op(DEALS, {"Name": "D", "RecordTypeId": "", "StageName": "Prospecting"})]))
    assert crm.get(DEALS, [deal.ref])[0].values["RecordTypeId"] == ""  # type: ignore[union-attr]


def test_a_new_field_is_shown_to_our_profile_once(crm: Salesforce, organisation: Organisation) -> None:
    assert {f"{kind}.HUB_ID__c" for kind in KINDS} <= organisation.shown
    assert crm.provision(MARKERS) == crm.provision(MARKERS)
    assert len(organisation.custom) == len(KINDS)


def test_a_field_is_renamed(crm: Salesforce, organisation: Organisation) -> None:
    [ref] = crm.provision(MARKERS[:1])
    crm.provision([Step("field", "change", {"name": "Number"}, ref=ref, under=LEADS, before={"name": "Hub id"})])
    assert organisation.fields[LEADS]["HUB_ID__c"]["label"] == "Number"


@pytest.mark.parametrize(("what", "action"), [("stage", "create"), ("pipeline", "create"), ("hook", "create")])
def test_what_people_do_in_setup_is_unsupported(crm: Salesforce, what: str, action: str) -> None:
    with pytest.raises(Unsupported, match="Setup"):
        crm.provision([Step(what, action, {"name": "x"})])


def test_the_default_mapping_fits_the_account(crm: Salesforce) -> None:
    kinds = {"contact": PEOPLE, "company": FIRMS, "lead": LEADS, "deal": DEALS}
    fits(crm, kinds, "HUB_", {"owners": {"7": "0055g0000000012AAA"}})


# ── answers that make no sense ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"7", b"[1]", b"[[]]", b'{"records": 1}', b'{"records": [1]}', b"<html>", b"[" * 100_000,
     b'{"fields": [1, {"name": "Id"}], "records": [{}], "compositeResponse": [{"httpStatusCode": 200, "body": [4]}]}',
     b'{"fields": [], "records": [], "compositeResponse": [{"httpStatusCode": "x", "body": {}}]}',
     b'[{"errorCode": 4, "fields": 5}]'],
)  # fmt: skip
def test_nonsense_is_no_crash(body: bytes, status: int) -> None:
    crm = Salesforce({"address": "northwind"}, {"token": "t"}, Says(body, status))
    for call in (crm.check, crm.describe, lambda: crm.changes(LEADS, ""), lambda: crm.get(LEADS, ["00Q1"])):
        try:
            call()
        except (Retry, Pause, Refuse, Missing):
            continue
    try:
        [outcome] = crm.write([Op(LEADS, {})])
    except Pause:
        return
    assert isinstance(outcome, Failed | Lost)


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_the_demo_and_moves_cards() -> None:
    app = create_sandbox()
    furnish(app.state)
    page = app.test_client().get("/").get_data(as_text=True)
    assert "Panorama, 3 panes" in page
    card = next(iter(app.state.rows[DEALS]))
    moved = app.test_client().post("/move", data={"card": card, "column": "Closed Won", "lane": DEALS})
    assert moved.status_code == 302
    assert app.state.rows[DEALS][card]["IsWon"] is True
