"""EspoCRM against its strict stand-in: the common contract for every kind, and what only EspoCRM does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from connectors.contract import Activity, Done, Failed, Hint, Lost, Op, Raw, Record, Schema, Step
from connectors.crms.espocrm import EspoCRM
from connectors.crms.espocrm.hooks import EVENTS
from connectors.crms.espocrm.sandbox import Site, create_sandbox, serving
from connectors.crms.espocrm.sandbox.state import ADMIN, API_USER, SYSTEM
from connectors.crms.espocrm.shape import DEALS, LEADS, NOTES, PEOPLE, TASKS, ours, theirs
from connectors.errors import Conflict, Missing, Pause, Refuse, Retry, Unsupported, Unverified
from connectors.http import Received
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Wires, error, make, one

TOKEN = "sandbox-token"
PAGE = 20
TITLES = {LEADS: "description", PEOPLE: "description", DEALS: "name"}


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Site, str]]:
    app = create_sandbox(clock=clock)
    with serving(app) as place:
        yield app.state, place


@pytest.fixture
def site(served: tuple[Site, str]) -> Site:
    return served[0]


Connect = Callable[..., EspoCRM]


@pytest.fixture
def connect(served: tuple[Site, str], wires: Wires) -> Connect:
    def make(token: str = TOKEN, **settings: str) -> EspoCRM:
        told = {"address": served[1], "page": str(PAGE), "admin": "admin", **settings}
        return EspoCRM(told, {"key": token, "password": TOKEN}, wires(served[1]))

    return make


@pytest.fixture
def crm(connect: Connect) -> EspoCRM:
    made = connect()
    hub_id = {"name": "Hub id", "type": "text", "code": "hubId"}
    made.provision([Step("field", "create", hub_id, under=kind) for kind in (LEADS, DEALS, PEOPLE, "Account")])
    return made


SAMPLES: Mapping[str, Callable[[int], dict[str, Any]]] = {
    LEADS: lambda n: {"lastName": f"Feld {n}", "status": "New", "source": "Call"},
    PEOPLE: lambda n: {"lastName": f"Feld {n}", "emails": [{"value": f"person{n}@crm.test", "enum_code": ""}]},
    DEALS: lambda n: {"name": f"Window {n}", "amount": 1000 + n, "stage": "Proposal"},
}
BAD: Mapping[str, Mapping[str, Any]] = {
    LEADS: {"lastName": "Feld", "status": "Nowhere"},
    PEOPLE: {"lastName": "x" * 300},
    DEALS: {"name": "Bad", "amount": "ten"},
}


def steps(schema: Schema) -> list[Step]:
    assert [one.kind for one in schema.pipelines] == [LEADS, DEALS]
    block = {"name": "Block", "type": "select", "code": "hubBlock", "options": ["lead", "deal"]}
    return [
        Step("field", "create", block, under=DEALS),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
    ]


class TestContract(CRMContract):
    @pytest.fixture(params=[LEADS, PEOPLE, DEALS])
    def rig(
        self,
        request: pytest.FixtureRequest,
        crm: EspoCRM,
        site: Site,
        clock: Clock,
        ear: Ear,
    ) -> Rig:
        kind = request.param
        site.lag = crm.facts.lag - 1
        name = TITLES[kind]

        def edit(ref: str, n: int) -> None:
            site.edit(kind, ref, **{name: f"Changed {n}"})

        def fail(what: str, seconds: float) -> None:
            if what in {"lost", "500_after"}:  # a call for each of the two records
                site.fail("drop_after" if what == "lost" else what, 2, method="POST")
            else:
                site.fail(what, seconds=seconds)

        def subscribe() -> None:
            crm.provision([Step("hook", "create", {"address": ear.address})])

        def delete(ref: str) -> None:
            site.delete(kind, ref)

        return Rig(
            crm,
            kind,
            SAMPLES[kind],
            lambda n: {name: f"Changed {n}"},
            BAD[kind],
            edit,
            clock.tick,
            fail,
            lambda: sum(site.calls.values()),
            PAGE,
            steps,
            subscribe,
            ear.hears,
            delete,
            site.postman.trouble,
            act=lambda ref: site.act(kind, ref),
        )


# ── leads and their people ───────────────────────────────────────────────────────────────────────


def person(n: int) -> Op:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "Mobile"}]
    emails = [{"value": f"person{n}@crm.test", "enum_code": ""}]
    values = {"firstName": "Nora", "lastName": f"Feld {n}", "phones": phones, "emails": emails}
    return Op(PEOPLE, values, marker=f"C-{n}")


def with_person(n: int) -> Op:
    return Op(LEADS, {"status": "New"}, marker=f"L-{n}", includes=(person(n),))


def test_a_lead_with_its_contact_is_two_calls(crm: EspoCRM, site: Site) -> None:
    before = sum(site.calls.values())
    outcomes = crm.write([with_person(n) for n in range(10)])
    assert sum(site.calls.values()) - before == 20
    done = outcomes[7]
    assert isinstance(done, Done)
    lead = one(crm, LEADS, done.record.ref)
    assert lead.links[PEOPLE] == (done.includes[0].ref,)
    assert (lead.values["name"], lead.values["hubId"]) == ("Nora Feld 7", "L-7")
    assert lead.values["phones"] == [{"value": "+12025550007", "enum_code": "Mobile"}]
    assert one(crm, PEOPLE, done.includes[0].ref).values["hubId"] == "C-7"


def test_a_lead_of_a_known_contact_takes_its_name(crm: EspoCRM) -> None:
    human = make(crm, person(1))
    lead = make(crm, Op(LEADS, {}, marker="L-1", links={PEOPLE: (human.ref,)}))
    assert lead.values["name"] == "Nora Feld 1"
    assert lead.values["emails"] == human.values["emails"]
    assert make(crm, Op(LEADS, {}, marker="L-2")).values["lastName"] == "L-2"


def test_a_name_that_nobody_took_apart_becomes_the_last_name(crm: EspoCRM) -> None:
    human = make(crm, Op(PEOPLE, {"name": "Ada Moss"}))
    assert (human.values["name"], human.values["lastName"]) == ("Ada Moss", "Ada Moss")
    make(crm, Op(PEOPLE, {"name": "Nora Feld", "firstName": "Nora", "lastName": "Feld"}, ref=human.ref))
    assert one(crm, PEOPLE, human.ref).values["name"] == "Nora Feld"
    make(crm, Op(PEOPLE, {"name": "N. Feld"}, ref=human.ref))
    assert one(crm, PEOPLE, human.ref).values["name"] == "N. Feld"


def test_moments_are_sent_as_espocrm_writes_them(crm: EspoCRM, site: Site) -> None:
    crm.provision([Step("field", "create", {"name": "At", "type": "datetime", "code": "hubQualifiedAt"}, under=DEALS)])
    values = {"name": "x", "hubQualifiedAt": "2026-03-02T12:00:00+03:00"}
    deal = make(crm, Op(DEALS, values))
    assert one(crm, DEALS, deal.ref).values["hubQualifiedAt"] == "2026-03-02 09:00:00"


def test_a_lead_refused_after_its_contact_is_lost_and_both_are_sorted_out(crm: EspoCRM) -> None:
    op = Op(LEADS, {"status": "Nowhere"}, marker="L-1", includes=(person(1),))
    [outcome] = crm.write([op])
    assert isinstance(outcome, Lost)
    [human] = crm.find(PEOPLE, {"marker": "C-1"})
    assert crm.find(LEADS, {"marker": "L-1"}) == []
    [outcome] = crm.write([Op(LEADS, op.values, marker="L-1", links={PEOPLE: (human.ref,)})])
    refused = error(outcome)
    assert isinstance(refused, Refuse)
    assert list(refused.fields) == ["status"]


def test_a_bad_phone_is_named_as_we_call_it(crm: EspoCRM) -> None:
    [outcome] = crm.write([Op(PEOPLE, {"lastName": "x", "phones": [{"value": "89123456789", "enum_code": ""}]})])
    refused = error(outcome)
    assert isinstance(refused, Refuse)
    assert list(refused.fields) == ["phones"]


def test_espocrms_own_check_for_duplicates_can_stay_on(crm: EspoCRM, connect: Connect) -> None:
    first = make(crm, person(1))
    assert make(crm, person(1)).ref != first.ref
    [outcome] = connect(duplicates="refuse").write([person(1)])
    conflict = error(outcome)
    assert isinstance(conflict, Conflict)
    assert conflict.ref == first.ref


def test_phones_are_whole_lists(crm: EspoCRM, site: Site) -> None:
    phones = [{"value": "+12025550111", "enum_code": "Office"}, {"value": "+12025550112", "enum_code": "Mobile"}]
    human = make(crm, Op(PEOPLE, {"lastName": "Moss", "phones": phones}))
    assert one(crm, PEOPLE, human.ref).values["phones"] == phones
    make(crm, Op(PEOPLE, {"phones": phones[1:]}, ref=human.ref))
    assert site.rows[PEOPLE][human.ref]["phoneNumber"] == "+12025550112"
    make(crm, Op(PEOPLE, {"phones": []}, ref=human.ref))
    assert one(crm, PEOPLE, human.ref).values["phones"] == []


def test_a_changed_contact_is_read_with_all_its_phones(crm: EspoCRM, site: Site, clock: Clock) -> None:
    human = make(crm, person(1))
    clock.tick(60)
    told = crm.changes(PEOPLE, "")
    assert "phones" not in told.records[0].values  # a list knows the first one only: that is no list of phones
    data = [{"phoneNumber": f"+1202555019{n}", "primary": n == 0, "type": "Mobile"} for n in range(2)]
    site.edit(PEOPLE, human.ref, phoneNumberData=data)
    clock.tick(60)
    [seen] = crm.changes(PEOPLE, told.cursor).records
    assert [phone["value"] for phone in seen.values["phones"]] == ["+12025550190", "+12025550191"]


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: EspoCRM) -> None:
    for n in range(3):
        make(crm, person(n))
    [by_phone] = crm.find(PEOPLE, {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find(PEOPLE, {"email": "Person1@crm.test"})
    assert by_phone == by_mail
    assert crm.find(PEOPLE, {"email": "person"}) == []
    assert crm.find(PEOPLE, {"phone": "-"}) == []
    assert crm.find(DEALS, {"phone": "+12025550001"}) == []


def test_notes_and_tasks_hang_on_their_record(crm: EspoCRM) -> None:
    lead = make(crm, with_person(1))
    note = make(crm, Op(NOTES, {"post": "Called back"}, marker="N-1", links={LEADS: (lead.ref,)}))
    task = make(crm, Op(TASKS, {"name": "Call", "dateEnd": "2026-06-01 10:00:00"}, links={LEADS: (lead.ref,)}))
    make(crm, Op(TASKS, {"status": "Completed"}, ref=task.ref))
    assert one(crm, NOTES, note.ref).links == {LEADS: (lead.ref,)}
    assert one(crm, TASKS, task.ref).values["status"] == "Completed"
    crm.delete(TASKS, [task.ref, task.ref])
    assert crm.get(TASKS, [task.ref]) == [None]


# ── what people do ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def heard(crm: EspoCRM, clock: Clock) -> Callable[[str], list[tuple[Record, Activity]]]:
    """What is told of a kind that was done since the test began."""
    cursors = {kind: crm.changes(kind, "").cursor for kind in crm.activity_kinds}

    def look(kind: str) -> list[tuple[Record, Activity]]:
        clock.tick(crm.facts.lag)
        page = crm.changes(kind, cursors[kind])
        cursors[kind] = page.cursor
        return [(record, told) for record in page.records if (told := crm.activity(record)) is not None]

    return look


Heard = Callable[[str], list[tuple[Record, Activity]]]


def test_a_call_counts_when_it_was_held(site: Site, clock: Clock, heard: Heard) -> None:
    """Planned ones are open; forms offer the next quarter of an hour as their beginning."""
    call = site.act("Lead", "6a", status="Planned", dateStart="2027-01-01 10:00:00", description="Wants oak")
    [(_record, planned)] = heard("Call")
    assert (planned.open, planned.answered) == (True, False)
    clock.tick(3600)
    site.edit("Call", call["id"], status="Held", direction="Inbound")
    [(record, held)] = heard("Call")
    assert (held.what, held.text, held.by, held.way) == ("call", "Wants oak", ADMIN, "in")
    assert (held.open, held.answered, held.at) == (False, True, record.updated_at)
    clock.tick(3600)
    site.edit("Call", call["id"], status="Not Held")
    [(_record, off)] = heard("Call")
    assert off.open


def test_whoever_attends_is_whom_it_is_about(site: Site, heard: Heard) -> None:
    """A call logged on the page of a contact with a company hangs on the company."""
    site.act("Account", "6f", "Meeting", contactsIds=["6c", "6d"], leadsIds=["6a"])
    [(record, told)] = heard("Meeting")
    assert record.links == {"Account": ("6f",), PEOPLE: ("6c", "6d"), LEADS: ("6a",)}
    assert (told.what, told.by, told.answered) == ("meeting", ADMIN, True)


def test_telephony_logs_whose_call_it_was_and_programs_meet_nobody(site: Site, heard: Heard) -> None:
    site.act("Lead", "6a", "Call", API_USER, assignedUserId=ADMIN)
    site.act("Lead", "6a", "Call", API_USER)
    site.act("Lead", "6a", "Call", SYSTEM, assignedUserId=SYSTEM)
    assert [told.by for _record, told in heard("Call")] == [ADMIN]
    for robot in (API_USER, SYSTEM):
        site.act("Lead", "6a", "Meeting", robot, assignedUserId=ADMIN)
        mine = site.act("Lead", "6a", "Meeting", ADMIN, status="Planned")
        site.edit("Meeting", mine["id"], robot, status="Held")
    assert heard("Meeting") == []
    site.edit("Meeting", mine["id"], status="Held", description="She came")
    assert [told.text for _record, told in heard("Meeting")] == ["She came"]


@pytest.mark.parametrize(
    ("status", "by", "more", "told"),
    [
        ("Sent", ADMIN, {"sentById": ADMIN}, ("out", ADMIN)),
        ("Archived", SYSTEM, {"sentById": ADMIN}, ("out", ADMIN)),  # fetched from her own mailbox
        ("Archived", SYSTEM, {}, ("in", "")),
        ("Sent", ADMIN, {}, None),  # from a shared address: formulas of what she saves send from there too
        ("Sent", SYSTEM, {"sentById": ADMIN}, None),
        ("Sent", API_USER, {"sentById": ADMIN}, None),
        ("Draft", ADMIN, {"sentById": ADMIN}, None),
        ("Archived", SYSTEM, {"isAutoReply": True}, None),
    ],
)
def test_a_mail_is_hers_when_it_came_from_her_address(
    site: Site, heard: Heard, status: str, by: str, more: dict[str, Any], told: tuple[str, str] | None
) -> None:
    site.act(DEALS, "6b", "Email", by, status=status, name="The offer", body="Dear Anna", **more)
    found = heard("Email")
    assert [(one.what, one.text, one.way, one.by) for _record, one in found] == (
        [("mail", "The offer", *told)] if told else []
    )
    assert all("body" not in record.values for record, _one in found), "bodies stay over there"


def test_a_task_that_somebody_did_is_told(crm: EspoCRM, site: Site, heard: Heard) -> None:
    task = make(crm, Op(TASKS, crm.worded(Activity("task", "Send it")), links={LEADS: ("6a",)}))
    assert heard(TASKS) == [], "a program made it"
    site.edit(TASKS, task.ref, status="Completed")
    [(record, told)] = heard(TASKS)
    assert (record.links, told.what, told.text, told.by, told.open) == (
        {LEADS: ("6a",)}, "task", "Send it", ADMIN, False,
    )  # fmt: skip


def test_who_is_a_person_is_asked_once(crm: EspoCRM, site: Site, heard: Heard) -> None:
    site.calls.clear()
    for _ in range(3):
        site.act("Lead", "6a")
        assert heard("Call")
    assert (site.calls["GET User"], site.calls["GET Call"]) == (1, 3)


def test_a_role_without_calls_stops_nothing_else(crm: EspoCRM, site: Site) -> None:
    site.fail("403", path="Call")
    with pytest.raises(Refuse, match="role"):
        crm.changes("Call", "")
    assert crm.changes(LEADS, "").records == ()


def test_more_than_a_page_of_calls_is_read_whole(crm: EspoCRM, site: Site, clock: Clock) -> None:
    cursor, found, more = crm.changes("Call", "").cursor, set(), True
    for _ in range(PAGE * 2 + 1):
        site.act("Lead", "6a")
    clock.tick(60)
    while more:
        page = crm.changes("Call", cursor)
        cursor, more, found = page.cursor, page.more, found | {one.ref for one in page.records}
    assert len(found) == PAGE * 2 + 1


# ── conversion ───────────────────────────────────────────────────────────────────────────────────


def test_a_lead_becomes_an_opportunity_by_espocrms_own_action(crm: EspoCRM, site: Site) -> None:
    [outcome] = crm.write([with_person(7)])
    assert isinstance(outcome, Done)
    lead, human = outcome.record, outcome.includes[0]
    links = {LEADS: (lead.ref,), PEOPLE: (human.ref,)}
    deal = make(crm, Op(DEALS, {"name": "Contract", "stage": "Proposal"}, marker="L-7", links=links))
    read = one(crm, DEALS, deal.ref)
    assert (read.values["name"], read.values["stage"], read.values["hubId"]) == ("Contract", "Proposal", "L-7")
    assert (read.values["amount"], read.values["closeDate"]) == (0, "2026-06-27")
    assert read.links == {PEOPLE: (human.ref,), LEADS: (lead.ref,)}
    was = one(crm, LEADS, lead.ref)
    assert (was.values["status"], was.links[DEALS], was.links[PEOPLE]) == ("Converted", (deal.ref,), (human.ref,))
    assert len(site.rows[PEOPLE]) == 1
    again = make(crm, Op(DEALS, {"name": "Renamed"}, marker="L-7", links=links))
    assert again.ref == deal.ref
    assert one(crm, DEALS, deal.ref).values["name"] == "Renamed"
    assert len(site.rows[DEALS]) == 1


def test_a_lead_that_a_person_converted_says_so_in_the_scan(crm: EspoCRM, site: Site, clock: Clock) -> None:
    lead = make(crm, with_person(7))
    clock.tick(60)
    cursor = crm.changes(LEADS, "").cursor
    wish = {"name": "x", "amount": 1, "closeDate": "2026-12-01"}
    deal = site.convert(lead.ref, {DEALS: wish})["createdOpportunityId"]
    clock.tick(60)
    [seen] = crm.changes(LEADS, cursor).records
    assert (seen.values["status"], seen.links[DEALS]) == ("Converted", (deal,))


@pytest.mark.parametrize("fault", ["drop_after", "500_after"])
def test_a_conversion_without_an_answer_is_lost_and_found(crm: EspoCRM, site: Site, fault: str) -> None:
    lead = make(crm, with_person(7))
    site.fail(fault, path="Lead/action")
    [outcome] = crm.write([Op(DEALS, {"name": "x"}, marker="L-7", links={LEADS: (lead.ref,)})])
    assert isinstance(outcome, Lost)
    [found] = crm.find(DEALS, {"marker": "L-7"})
    assert found.links[LEADS] == (lead.ref,)


def test_a_lead_that_is_gone_cannot_be_converted(crm: EspoCRM, site: Site) -> None:
    lead = make(crm, with_person(7))
    site.delete(LEADS, lead.ref)
    [outcome] = crm.write([Op(DEALS, {"name": "x"}, links={LEADS: (lead.ref,)})])
    assert isinstance(error(outcome), Missing)


# ── the site as a whole ──────────────────────────────────────────────────────────────────────────


def test_a_thousand_changes_are_five_calls(connect: Connect, site: Site) -> None:
    crm = connect(page="200")
    for n in range(1000):
        site.create(LEADS, {"lastName": f"x {n}"})
    site.lag, cursor, seen, more = 0.0, "", 0, True
    while more:
        told = crm.changes(LEADS, cursor)
        cursor, more, seen = told.cursor, told.more, seen + len(told.records)
    assert (seen, site.calls["GET Lead"]) == (1000, 5)


def test_a_wrong_key_pauses(connect: Connect) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op(LEADS, {})]), lambda: crm.changes(LEADS, "")):
        with pytest.raises(Pause, match="key"):
            call()


def test_a_lost_look_before_a_write_changed_nothing(crm: EspoCRM, site: Site) -> None:
    human = make(crm, person(1))
    site.fail("drop_after", method="GET")
    [outcome] = crm.write([Op(LEADS, {}, links={PEOPLE: (human.ref,)})])
    lost = error(outcome)
    assert isinstance(lost, Retry)
    assert not lost.effect


@pytest.mark.parametrize(
    "op",
    [
        Op("Case", {"name": "x"}),
        Op(DEALS, {"name": "x"}, includes=(person(1),)),
        Op(LEADS, {}, includes=(person(1), person(2))),
        Op(PEOPLE, {"lastName": "x", "phones": ["+12025550111"]}),
        Op(PEOPLE, {"lastName": "x", "phones": 5}),
    ],
)
def test_what_espocrm_has_no_words_for_is_refused_alone(crm: EspoCRM, op: Op) -> None:
    bad, good = crm.write([op, Op(PEOPLE, {"lastName": "Moss"})])
    assert isinstance(error(bad), Refuse)
    assert isinstance(good, Done)


def test_fields_need_an_administrator_and_statuses_are_matched(crm: EspoCRM, connect: Connect) -> None:
    for made, step in (
        (connect(admin=""), Step("field", "create", {"name": "x", "code": "hubX"}, under=LEADS)),
        (connect(admin="nobody"), Step("field", "create", {"name": "x", "code": "hubX"}, under=LEADS)),
        (crm, Step("stage", "create", {"name": "In work"})),
        (crm, Step("pipeline", "create", {"name": "Repairs"})),
    ):
        with pytest.raises(Unsupported):
            made.provision([step])
    leads, deals = crm.describe().pipelines
    assert {stage.name: stage.final for stage in leads.stages if stage.final} == {"Converted": "won", "Dead": "lost"}
    assert {stage.name for stage in deals.stages if stage.final} == {"Closed Won", "Closed Lost"}


@pytest.mark.parametrize("prefix", ["c", ""])
@pytest.mark.parametrize("name", ["hubId", "hubText", "hub", "hubcap", "status", "cHubId", "city", "", "H"])
def test_our_names_survive_the_way_there_and_back(prefix: str, name: str) -> None:
    if name == "cHubId" and prefix:
        assert ours(name, prefix) == "hubId"
    elif name:
        assert ours(theirs(name, prefix), prefix) == name


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────


def test_hooks_are_signed_and_our_own_changes_stay_away(crm: EspoCRM, site: Site, ear: Ear) -> None:
    crm.provision([Step("hook", "create", {"address": ear.address})])
    assert crm.describe().hooks == (ear.address,)
    assert len(site.rows["Webhook"]) == len(EVENTS)
    lead = make(crm, with_person(1))
    assert ear.heard.empty()
    site.edit(LEADS, lead.ref, status="Assigned")
    heard = ear.hears()
    stranger = EspoCRM(crm.settings, crm.secrets, crm.http)
    for signature in ("", "Og==", "bm90IGEgaG9vazo=", "%%%"):
        with pytest.raises(Unverified):
            stranger.verify(Raw(heard.body, AT, {"signature": signature}))
    assert crm.touched(heard) == [Hint(LEADS, lead.ref)]
    before = site.calls["GET Webhook"]
    assert crm.touched(heard) == [Hint(LEADS, lead.ref)]
    assert site.calls["GET Webhook"] == before  # secrets never change
    forged: list[tuple[Mapping[str, str], bytes]] = [
        (heard.headers, heard.body + b" "),
        ({}, heard.body),
        ({"signature": "bm9ib2R5Og=="}, heard.body),
    ]
    for headers, body in forged:
        with pytest.raises(Unverified):
            crm.touched(Raw(body, AT, headers))
    before = sum(site.calls.values())
    with pytest.raises(Unverified):
        crm.verify(Raw(heard.body + b" ", AT, heard.headers))
    for raw in (heard, Raw(b"[]", AT), Raw(b"{}", AT, {"signature": "no"})):
        crm.verify(raw)
        stranger.verify(raw)  # whose worker asks for the secret
    assert sum(site.calls.values()) == before
    site.delete(LEADS, lead.ref)
    assert crm.touched(ear.hears()) == [Hint(LEADS, lead.ref)]


def test_the_board_shows_and_moves_cards(crm: EspoCRM, served: tuple[Site, str], wires: Wires) -> None:
    _, place = served
    lead = make(crm, with_person(7))
    board = Board(wires(place), place)
    assert "Nora Feld 7" in board.page()
    for column, status in (("Assigned", 204), ("Nowhere", 404)):
        assert board.move(lead.ref, column, "Lead") == status
    assert one(crm, LEADS, lead.ref).values["status"] == "Assigned"


# ── answers nobody would expect ──────────────────────────────────────────────────────────────────

ODD: list[Any] = [
    {"id": {}}, {"id": 5}, {"user": 5}, {"user": {"id": {}}}, {"fields": 5},
    {"fields": {"status": 5, "x": {"type": []}}},
    {"fields": {"status": {"type": "enum", "options": {"a": 1}}, "stage": {"options": [None, {}]}}},
    {"list": 5}, {"list": [5, None, {"id": 5}, {"id": []}], "total": -1}, {"list": [{"id": "a", "modifiedAt": 5}]},
    {"list": [{"id": "a", "modifiedAt": "yesterday", "parentType": {}, "parentId": []}], "total": "many"},
    {"id": "a", "phoneNumberData": 5, "emailAddressData": [5, {"emailAddress": {}}], "createdContactId": {}},
    {"id": "a", "phoneNumber": {}, "secretKey": 5, "event": {}, "createdOpportunityId": []},
]  # fmt: skip


class Odd:
    """An `Http` that always answers the same."""

    def __init__(self, told: Any, status: int) -> None:
        self.body, self.status = json.dumps(told).encode(), status

    def send(self, method: str, url: str, **given: Any) -> Received:
        return Received(self.status, {"date": "Wed, 27 May 2026 09:00:00 GMT"}, self.body)


@pytest.mark.parametrize("status", [200, 400, 409])
@pytest.mark.parametrize("told", ODD)
def test_an_answer_of_the_wrong_shape_is_no_crash(told: Any, status: int) -> None:
    crm = EspoCRM({"address": "crm.northwind.test"}, {"key": "k"}, Odd(told, status))
    calls: list[Callable[[], object]] = [crm.check, crm.describe]
    for kind in (*crm.facts.kinds, *crm.activity_kinds):
        calls += [partial(crm.changes, kind, "1"), partial(crm.changes, kind, ""), partial(crm.get, kind, ["a", "2"])]
        calls += [partial(crm.find, kind, {"marker": "L-1", "phone": "+12025550111"})]
    for call in calls:
        with suppress(Retry, Pause, Refuse):
            call()
    ops = [Op(DEALS, {"name": "x"}, links={LEADS: ("a",)}), with_person(1), Op(LEADS, {}, links={PEOPLE: ("a",)})]
    with suppress(Pause):
        assert all(isinstance(outcome, Done | Failed | Lost) for outcome in crm.write(ops))
    body = b'[{"id":"a"}]'
    with suppress(Retry, Unverified):
        crm.touched(Raw(body, AT, {"signature": "YWJjOmRlZg=="}))
