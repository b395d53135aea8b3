"""Pipedrive against its strict stand-in: the common contract for every kind, and what only Pipedrive does."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from connectors.contract import Done, Failed, Hint, Lost, Op, Raw, Record, Schema, Step
from connectors.crms.pipedrive import Pipedrive
from connectors.crms.pipedrive.hooks import address, basic
from connectors.crms.pipedrive.sandbox import Account, create_sandbox, serving
from connectors.crms.pipedrive.scan import Scan
from connectors.crms.pipedrive.setup import nearest
from connectors.errors import Missing, Pause, Refuse, Retry, Unsupported, Unverified
from connectors.http import Gate, Received, Wire
from connectors.oauth import Bearer, Tokens
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Wires, error, make, one

TOKEN = "sandbox-token"
PAGE = 20
FIELD_KINDS = ("deals", "persons", "organizations")


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as place:
        yield app.state, place


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


class Quick(Pipedrive):
    """Waits for no conversion."""

    waits = (0.0, 0.0, 0.0)


Connect = Callable[..., Pipedrive]


@pytest.fixture
def connect(served: tuple[Account, str], wires: Wires) -> Connect:
    def make(token: str = TOKEN, **settings: str) -> Pipedrive:
        return Quick({"address": served[1], "page": str(PAGE), **settings}, {"token": token}, wires(served[1]))

    return make


@pytest.fixture
def crm(connect: Connect) -> Pipedrive:
    made = connect()
    hub_id = {"name": "Hub id", "type": "text", "code": "HUB_ID"}
    block = {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": ["lead", "deal"]}
    made.provision([Step("field", "create", hub_id, under=kind) for kind in FIELD_KINDS])
    made.provision([Step("field", "create", block, under="deals")])
    return made


@pytest.fixture
def person(crm: Pipedrive) -> str:
    return make(crm, Op("persons", {"name": "Nora Feld"})).ref


SAMPLES: Mapping[str, Callable[[int], dict[str, Any]]] = {
    "leads": lambda n: {"title": f"Window {n}", "value": 1000 + n, "currency": "EUR"},
    "deals": lambda n: {"title": f"Window {n}", "value": 1000 + n, "HUB_BLOCK": "deal"},
    "persons": lambda n: {
        "name": f"Nora Feld {n}",
        "emails": [{"value": f"person{n}@crm.test", "enum_code": "work"}],
    },
}
BAD: Mapping[str, Mapping[str, Any]] = {
    "leads": {"title": "Bad", "value": "ten"},
    "deals": {"title": "Bad", "value": "ten"},
    "persons": {"name": 5, "visible_to": 4},
}


def act(account: Account, kind: str, ref: str) -> None:
    """Somebody ticks a call off."""
    place = {"leads": "lead_id", "deals": "deal_id", "persons": "person_id"}[kind]
    row = account.create("activities", {"subject": "Call", "type": "call", "done": True, "owner_id": 701}, "app")
    row[place] = ref if kind == "leads" else int(ref)


class Linked(Rig):
    """Leads hang on a person: Pipedrive takes none without."""

    person = ""

    def ops(self, count: int, start: int = 0) -> list[Op]:
        made = Rig.ops(self, count, start)
        return [Op(op.kind, op.values, marker=op.marker, links={"persons": (self.person,)}) for op in made]


def steps(schema: Schema) -> list[Step]:
    inbox, main = schema.pipelines[:2]
    assert (inbox.kind, main.main) == ("leads", True)
    return [
        Step("stage", "create", {"name": "In work", "position": 20, "colour": "#08a742"}, under=""),
        Step("stage", "create", {"name": "Measured", "position": 40}, under=main.ref),
        Step("stage", "change", {"name": "Offer made"}, ref=main.stages[2].ref, under=main.ref,
             before={"name": main.stages[2].name}),
        Step("field", "create", {"name": "Source", "type": "text", "code": "HUB_SOURCE"}, under="leads"),
        Step("field", "create", {"name": "Source", "type": "text", "code": "HUB_SOURCE"}, under="deals"),
        Step("pipeline", "create", {"name": "Repairs"}),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
    ]  # fmt: skip


class TestContract(CRMContract):
    @pytest.fixture(params=["deals", "leads", "persons"])
    def rig(
        self,
        request: pytest.FixtureRequest,
        crm: Pipedrive,
        account: Account,
        clock: Clock,
        ear: Ear,
        person: str,
    ) -> Rig:
        kind = request.param
        crm.delete("persons", [person] if kind == "persons" else [])
        account.lag = account.list_lag = crm.facts.lag - 1
        name = {"persons": "name"}.get(kind, "title")

        def fail(what: str, seconds: float) -> None:
            if what in {"lost", "500_after"}:  # a call for each of the two records
                account.fail("drop_after" if what == "lost" else what, 2, method="POST")
            else:
                account.fail(what, seconds=seconds)

        def delete(ref: str) -> None:
            account.delete(kind, ref)

        def subscribe() -> None:
            crm.provision([Step("hook", "create", {"address": ear.address})])

        made = (Linked if kind == "leads" else Rig)(
            crm,
            kind,
            SAMPLES[kind],
            lambda n: {name: f"Changed {n}"},
            BAD[kind],
            lambda ref, n: account.edit(kind, ref, **{name: f"Changed {n}"}),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            PAGE,
            steps,
            subscribe,
            ear.hears,
            delete,
            account.postman.trouble,
            act=lambda ref: act(account, kind, ref),
        )
        if isinstance(made, Linked):
            made.person = person
        return made


# ── leads, labels, deals ─────────────────────────────────────────────────────────────────────────


def with_person(crm: Pipedrive, n: int) -> tuple[Record, Record]:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "mobile"}]
    human = make(crm, Op("persons", {**SAMPLES["persons"](n), "phones": phones}, marker=f"C-{n}"))
    links = {"persons": (human.ref,)}
    return human, make(crm, Op("leads", SAMPLES["leads"](n), marker=f"L-{n}", links=links))


def test_a_lead_with_its_contact_is_two_calls(crm: Pipedrive, account: Account) -> None:
    with_person(crm, 0)
    before = sum(account.calls.values())
    for n in range(1, 11):
        human, lead = with_person(crm, n)
        assert lead.links["persons"] == (human.ref,)
        assert (lead.values["HUB_ID"], human.values["HUB_ID"]) == (f"L-{n}", f"C-{n}")
    assert sum(account.calls.values()) - before == 20


def test_a_lead_without_anybody_is_refused(crm: Pipedrive) -> None:
    [outcome] = crm.write([Op("leads", SAMPLES["leads"](1))])
    assert isinstance(error(outcome), Refuse)


def test_the_refusal_names_the_field_it_is_about(crm: Pipedrive, person: str) -> None:
    [outcome] = crm.write([Op("deals", {"title": "Bad", "value": "ten"}, links={"persons": (person,)})])
    refused = error(outcome)
    assert isinstance(refused, Refuse)
    assert list(refused.fields) == ["value"]
    [outcome] = crm.write([Op("deals", {"title": "Bad", "HUB_ID": "x" * 300})])
    refused = error(outcome)
    assert isinstance(refused, Refuse)
    assert list(refused.fields) == ["HUB_ID"]


def stages(crm: Pipedrive) -> list[str]:
    return list(crm.provision([
        Step("stage", "create", {"name": name, "position": 10 * n, "colour": "#317ae2"}, under="")
        for n, name in enumerate(("New", "In work"), 1)
    ]))  # fmt: skip


def test_a_stage_is_a_label_and_peoples_own_labels_stay(crm: Pipedrive, account: Account, person: str) -> None:
    new, work = stages(crm)
    hot = next(ref for ref, row in account.labels.items() if row["name"] == "Hot")
    lead = make(crm, Op("leads", {**SAMPLES["leads"](1), "label_id": new}, links={"persons": (person,)}))
    assert lead.values["label_id"] == new
    account.edit("leads", lead.ref, label_ids=[hot, new])
    assert one(crm, "leads", lead.ref).values["tags"] == ["Hot"]
    make(crm, Op("leads", {"label_id": work}, ref=lead.ref))
    assert account.rows["leads"][lead.ref]["label_ids"] == [work, hot]
    make(crm, Op("leads", {"tags": ["Fair", "Hot"]}, ref=lead.ref))
    read = one(crm, "leads", lead.ref)
    assert (read.values["label_id"], sorted(read.values["tags"])) == (work, ["Fair", "Hot"])
    account.add_label("Show", "pink")  # by a person, meanwhile
    make(crm, Op("leads", {"tags": ["Fair", "Hot", "Show"]}, ref=lead.ref))
    made = [row["name"] for row in account.labels.values()]
    assert (made.count("Fair"), made.count("Show")) == (1, 1)
    make(crm, Op("leads", {"tags": ["Fair", "Hot"]}, ref=lead.ref))
    account.drag_card(lead.ref, new)
    assert one(crm, "leads", lead.ref).values["label_id"] == new
    inbox = crm.describe().pipelines[0]
    assert [(stage.name, stage.position, stage.final) for stage in inbox.stages] == [
        ("New", 10, ""),
        ("In work", 20, ""),
        ("Archive", 1_000_000, "lost"),
    ]


def test_a_rejected_lead_lies_in_the_archive_and_comes_back(
    crm: Pipedrive, account: Account, person: str, clock: Clock
) -> None:
    [new, _] = stages(crm)
    closed = make(crm, Op("leads", {**SAMPLES["leads"](1), "label_id": "archived"}, links={"persons": (person,)}))
    lead = make(crm, Op("leads", {**SAMPLES["leads"](2), "label_id": new}, links={"persons": (person,)}))
    clock.tick(60)
    cursor = crm.changes("leads", "").cursor
    make(crm, Op("leads", {"label_id": "archived"}, ref=lead.ref))
    assert account.rows["leads"][lead.ref]["label_ids"] == [new]
    clock.tick(60)
    told = crm.changes("leads", cursor)
    assert [(row.ref, row.values["label_id"]) for row in told.records] == [(lead.ref, "archived")]
    assert one(crm, "leads", closed.ref).values["label_id"] == "archived"
    make(crm, Op("leads", {"label_id": new}, ref=lead.ref))
    assert one(crm, "leads", lead.ref).values["label_id"] == new


def test_the_archive_is_looked_into_once_an_hour(crm: Pipedrive, person: str, clock: Clock) -> None:
    [new, _] = stages(crm)
    lead = make(crm, Op("leads", {**SAMPLES["leads"](1), "label_id": new}, links={"persons": (person,)}))
    cursor = crm.changes("leads", "").cursor
    for _look in range(2):
        clock.tick(120)
        cursor = crm.changes("leads", cursor).cursor
    make(crm, Op("leads", {"label_id": "archived"}, ref=lead.ref))
    seen = []
    for _look in range(2):
        clock.tick(1900)
        page = crm.changes("leads", cursor)
        cursor = page.cursor
        seen.append([(row.ref, row.values["label_id"]) for row in page.records])
    assert seen == [[], [(lead.ref, "archived")]]


def test_half_of_the_money_leaves_the_other_half(crm: Pipedrive, person: str) -> None:
    lead = make(crm, Op("leads", {"title": "x", "value": 300}, links={"persons": (person,)}))
    assert (lead.values["value"], lead.values["currency"]) == (300, "EUR")
    make(crm, Op("leads", {"currency": "USD"}, ref=lead.ref))
    make(crm, Op("leads", {"value": 12.5}, ref=lead.ref))
    read = one(crm, "leads", lead.ref)
    assert (read.values["value"], read.values["currency"]) == (12.5, "USD")


def test_won_and_lost_are_stages_for_us_and_a_status_over_there(crm: Pipedrive, account: Account) -> None:
    main = crm.describe().pipelines[1]
    place = {"pipeline_id": main.ref, "stage_id": main.stages[1].ref}
    deal = make(crm, Op("deals", {"title": "x", **place}))
    assert {name: str(deal.values[name]) for name in place} == place
    for closed in ("won", "lost"):
        make(crm, Op("deals", {"pipeline_id": main.ref, "stage_id": closed}, ref=deal.ref))
        assert account.rows["deals"][deal.ref]["status"] == closed
        assert one(crm, "deals", deal.ref).values["stage_id"] == closed
    make(crm, Op("deals", place, ref=deal.ref))
    assert account.rows["deals"][deal.ref]["status"] == "open"


def test_phones_are_whole_lists_with_one_primary(crm: Pipedrive, account: Account) -> None:
    phones = [{"value": "+12025550111", "enum_code": "work"}, {"value": "+12025550112", "enum_code": "mobile"}]
    human = make(crm, Op("persons", {"name": "Ada Moss", "phones": phones}))
    account.edit("persons", human.ref, phones=[
        {"value": "+12025550111", "label": "work", "primary": False},
        {"value": "+12025550112", "label": "mobile", "primary": True},
    ])  # fmt: skip
    assert one(crm, "persons", human.ref).values["phones"] == phones[::-1]
    make(crm, Op("persons", {"phones": phones[:1]}, ref=human.ref))
    assert account.rows["persons"][human.ref]["phones"] == [{"value": "+12025550111", "label": "work", "primary": True}]


def test_nobody_stays_without_a_name(crm: Pipedrive) -> None:
    called = make(crm, Op("persons", {"emails": [{"value": "ada@crm.test", "enum_code": ""}]}, marker="C-1"))
    assert called.values["name"] == "ada@crm.test"
    assert make(crm, Op("persons", {}, marker="C-2")).values["name"] == "C-2"


def test_options_are_labels_and_foreign_fields_go_by_their_key(crm: Pipedrive, account: Account) -> None:
    colours = account.add_field("dealFields", {"field_name": "Colours", "field_type": "set",
                                               "options": [{"label": "white"}, {"label": "oak"}]})  # fmt: skip
    cost = account.add_field("dealFields", {"field_name": "Cost", "field_type": "monetary"})
    white, key = colours["options"][0]["id"], colours["field_code"]
    values = {"title": "x", "HUB_BLOCK": "lead", key: ["white"], cost["field_code"]: 12}
    deal = make(crm, Op("deals", values))
    assert {name: deal.values[name] for name in values} == values
    assert account.rows["deals"][deal.ref]["cells"][key] == [white]
    assert account.rows["deals"][deal.ref]["cells"][cost["field_code"]] == {"value": 12, "currency": "EUR"}
    make(crm, Op("deals", {key: None}, ref=deal.ref))
    assert one(crm, "deals", deal.ref).values[key] is None
    [outcome] = crm.write([Op("deals", {"HUB_BLOCK": "nobody knows"}, ref=deal.ref)])
    refused = error(outcome)
    assert isinstance(refused, Refuse)
    assert list(refused.fields) == ["HUB_BLOCK"]


def test_a_field_made_anew_under_another_key_is_found(crm: Pipedrive, account: Account) -> None:
    make(crm, Op("deals", {"title": "x"}, marker="L-1"))
    [old] = [row for row in account.fields["dealFields"] if row["field_name"] == "HUB_ID"]
    account.fields["dealFields"].remove(old)
    account.add_field("dealFields", {"field_name": "HUB_ID", "field_type": "varchar"})
    [outcome] = crm.write([Op("deals", {"title": "y"}, marker="L-2")])
    assert isinstance(error(outcome), Refuse)  # the old key, once
    assert make(crm, Op("deals", {"title": "y"}, marker="L-2")).values["HUB_ID"] == "L-2"


def test_without_the_marker_field_we_say_so(connect: Connect) -> None:
    for call in (
        lambda: connect().find("deals", {"marker": "L-1"}),
        lambda: connect().write([Op("deals", {"title": "x"}, marker="L-1")]),
    ):
        with pytest.raises(Pause, match="HUB_ID"):
            call()


@pytest.mark.parametrize(
    "op",
    [
        Op("cases", {"title": "x"}),
        Op("deals", {"title": "x", "NO_SUCH_FIELD": 1}),
        Op("deals", {"title": "x", "stage_id": "soon"}),
        Op("deals", {"title": "x"}, links={"persons": ("abc",)}),
        Op("deals", {"title": "x"}, includes=(Op("persons", {"name": "y"}),)),
        Op("persons", {"name": "x", "phones": ["+12025550111"]}),
        Op("persons", {"name": "x", "phones": [5]}),
    ],
)
def test_what_pipedrive_has_no_words_for_is_refused_alone(crm: Pipedrive, account: Account, op: Op) -> None:
    bad, good = crm.write([op, Op("deals", {"title": "fine"})])
    assert isinstance(error(bad), Refuse)
    assert isinstance(good, Done)


def test_an_update_of_what_is_gone_is_missing(crm: Pipedrive, account: Account) -> None:
    deal = make(crm, Op("persons", {"name": "Sam Keller"}))
    account.delete("persons", deal.ref)
    [outcome] = crm.write([Op("persons", {"name": "x"}, ref=deal.ref)])
    assert isinstance(error(outcome), Missing)


def test_notes_and_activities_hang_on_their_record(crm: Pipedrive, clock: Clock) -> None:
    human, lead = with_person(crm, 1)
    begun = {kind: crm.changes(kind, "").cursor for kind in ("notes", "activities")}
    note = make(crm, Op("notes", {"content": "<p>Called back</p>"}, links={"leads": (lead.ref,)}))
    task = make(crm, Op("activities", {"subject": "Call", "due_date": "2026-06-01", "done": False},
                        links={"leads": (lead.ref,), "persons": (human.ref,)}))  # fmt: skip
    make(crm, Op("notes", {"content": "Called twice"}, ref=note.ref))
    make(crm, Op("activities", {"done": True}, ref=task.ref))
    clock.tick(60)
    [noted], [done] = (crm.changes(kind, cursor).records for kind, cursor in begun.items())
    assert (noted.values["content"], noted.links) == ("Called twice", {"leads": (lead.ref,)})
    assert (done.values["done"], done.links) == (True, {"leads": (lead.ref,), "persons": (human.ref,)})
    crm.delete("notes", [note.ref, note.ref])
    assert crm.get("notes", [note.ref]) == [None]


# ── conversion ───────────────────────────────────────────────────────────────────────────────────


def conversion(crm: Pipedrive, lead: Record, **values: Any) -> Op:
    main = crm.describe().pipelines[1]
    place = {"pipeline_id": main.ref, "stage_id": main.stages[1].ref}
    return Op("deals", {**place, **values}, marker="L-7", links={"leads": (lead.ref,), **lead.links})


@pytest.mark.parametrize("looks", [1, 3])
def test_a_lead_becomes_a_deal_by_pipedrives_own_job(crm: Pipedrive, account: Account, looks: int) -> None:
    account.job_looks = looks
    human, lead = with_person(crm, 7)
    note = make(crm, Op("notes", {"content": "x"}, links={"leads": (lead.ref,)}))
    op = conversion(crm, lead, title="Contract", HUB_BLOCK="deal")
    deal = make(crm, op)
    assert deal.links == {"persons": (human.ref,), "leads": (lead.ref,)}
    read = one(crm, "deals", deal.ref)
    assert (read.values["title"], read.values["HUB_BLOCK"], read.values["HUB_ID"]) == ("Contract", "deal", "L-7")
    assert str(read.values["stage_id"]) == op.values["stage_id"]
    assert read.values["value"] == 1007
    [was] = crm.get("leads", [lead.ref])
    assert was
    assert was.links["deals"] == (deal.ref,)
    assert one(crm, "notes", note.ref).links["deals"] == (deal.ref,)


def test_a_lead_that_a_person_converted_is_named_by_its_deal(crm: Pipedrive, account: Account, clock: Clock) -> None:
    _, lead = with_person(crm, 7)
    _, other = with_person(crm, 8)
    clock.tick(60)
    leads, deals = crm.changes("leads", "").cursor, crm.changes("deals", "").cursor
    deal = account.convert(lead.ref)
    account.delete("leads", other.ref)
    clock.tick(60)
    assert crm.changes("leads", leads).records == ()
    [seen] = crm.changes("deals", deals).records
    assert (seen.ref, seen.links["leads"], seen.values["HUB_ID"]) == (str(deal), (lead.ref,), "L-7")
    assert [record and record.links for record in crm.get("leads", [other.ref, lead.ref])] == [
        None,
        {"deals": (str(deal),)},
    ]


def test_converting_what_is_converted_brings_the_deal_up_to_date(crm: Pipedrive, account: Account) -> None:
    _, lead = with_person(crm, 7)
    op = conversion(crm, lead, title="Contract")
    deal = account.convert(lead.ref)
    again = make(crm, op)
    assert again.ref == str(deal)
    assert again.values["title"] == "Contract"
    assert str(one(crm, "deals", again.ref).values["stage_id"]) == op.values["stage_id"]
    assert len(account.rows["deals"]) == 1


@pytest.mark.parametrize("values", [{"title": "late"}, {"label_id": "archived"}, {"tags": ["late"]}])
def test_what_comes_too_late_for_a_converted_lead_is_no_failure(
    crm: Pipedrive, account: Account, values: dict[str, Any]
) -> None:
    _, lead = with_person(crm, 7)
    _, other = with_person(crm, 8)
    deal = account.convert(lead.ref)
    account.delete("leads", other.ref)
    assert make(crm, Op("leads", values, ref=lead.ref)).links["deals"] == (str(deal),)
    [outcome] = crm.write([Op("leads", values, ref=other.ref)])
    assert isinstance(error(outcome), Missing)


def test_a_deal_can_be_born_lost(crm: Pipedrive) -> None:
    _, lead = with_person(crm, 7)
    deal = make(crm, conversion(crm, lead, stage_id="lost"))
    assert deal.values["stage_id"] == "lost"


@pytest.mark.parametrize("end", ["failed", "rejected"])
def test_a_conversion_that_failed_leaves_a_lead(crm: Pipedrive, account: Account, end: str) -> None:
    account.job_end = end
    _, lead = with_person(crm, 7)
    [outcome] = crm.write([conversion(crm, lead)])
    assert end in str(error(outcome))
    assert one(crm, "leads", lead.ref).links.keys() == {"persons"}


@pytest.mark.parametrize(
    ("fault", "method", "path"),
    [
        ("drop_after", "POST", "v2/leads"),
        ("500_after", "POST", "v2/leads"),
        ("429", "GET", "v2/leads"),
        ("html", "GET", "v2/leads"),
        ("drop_after", "PATCH", "v2/deals"),
        ("400", "PATCH", "v2/deals"),
        ("429", "PATCH", "v2/deals"),
    ],
)
def test_a_conversion_that_began_is_never_called_failed(
    crm: Pipedrive, account: Account, fault: str, method: str, path: str
) -> None:
    _, lead = with_person(crm, 7)
    op = conversion(crm, lead, title="Contract")
    account.fail(fault, method=method, path=path)
    [outcome] = crm.write([op])
    assert isinstance(outcome, Lost), outcome


def test_a_conversion_that_takes_long_is_lost_and_found_later(crm: Pipedrive, account: Account, clock: Clock) -> None:
    account.job_looks = 9
    _, lead = with_person(crm, 7)
    [outcome] = crm.write([conversion(crm, lead)])
    assert isinstance(outcome, Lost)
    assert crm.find("deals", {"marker": "L-7"}) == []
    [job] = account.jobs.values()
    for _ in range(9):
        account.look(job)
    [found] = crm.find("deals", {"marker": "L-7"})
    assert found.links["leads"] == (lead.ref,)


def test_a_lead_that_is_gone_cannot_be_converted(crm: Pipedrive, account: Account) -> None:
    _, lead = with_person(crm, 7)
    op = conversion(crm, lead)
    account.delete("leads", lead.ref)
    [outcome] = crm.write([op])
    assert isinstance(error(outcome), Missing)


# ── finding, deleting, merging ───────────────────────────────────────────────────────────────────


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: Pipedrive, clock: Clock) -> None:
    for n in range(3):
        with_person(crm, n)
    clock.tick(60)
    [by_phone] = crm.find("persons", {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find("persons", {"email": "Person1@crm.test"})
    assert by_phone == by_mail
    assert by_phone.values["name"] == "Nora Feld 1"
    assert crm.find("persons", {"email": "person"}) == []
    assert crm.find("deals", {"phone": "+12025550001"}) == []
    assert crm.find("persons", {"phone": "-"}) == []


def test_a_fresh_marker_is_found_before_the_search_knows_it(crm: Pipedrive, account: Account) -> None:
    account.lag = 1e9
    _, lead = with_person(crm, 1)
    assert [record.ref for record in crm.find("leads", {"marker": "L-1"})] == [lead.ref]
    assert account.calls["GET v2/leads"] == 0


def test_an_old_marker_is_found_by_the_search(crm: Pipedrive, account: Account, clock: Clock) -> None:
    first = make(crm, Op("deals", {"title": "x"}, marker="L-0"))
    clock.tick(60)
    for n in range(1, PAGE + 3):
        make(crm, Op("deals", {"title": "x"}, marker=f"L-{n}"))
    assert [record.ref for record in crm.find("deals", {"marker": "L-0"})] == [first.ref]


def test_a_deleted_deal_is_shown_for_thirty_days(crm: Pipedrive, account: Account, clock: Clock) -> None:
    refs = [make(crm, Op("deals", {"title": "x"})).ref for _ in range(2)]
    clock.tick(60)
    cursor = crm.changes("deals", "").cursor
    crm.delete("deals", refs[:1])
    clock.tick(60)
    assert [(row.ref, row.deleted) for row in crm.changes("deals", cursor).records] == [(refs[0], True)]
    assert [record and record.deleted for record in crm.get("deals", refs)] == [True, False]
    clock.tick(31 * 86_400)
    assert crm.changes("deals", cursor).records == ()


def test_people_are_merged_by_us(crm: Pipedrive) -> None:
    one_, two = (make(crm, Op("persons", {"name": f"Nora {n}"})) for n in range(2))
    deal = make(crm, Op("deals", {"title": "x"}, links={"persons": (two.ref,)}))
    crm.merge("persons", one_.ref, two.ref)
    assert crm.get("persons", [two.ref]) == [None]
    assert one(crm, "deals", deal.ref).links["persons"] == (one_.ref,)
    with pytest.raises(Missing):
        crm.merge("persons", one_.ref, two.ref)
    with pytest.raises(Unsupported):
        crm.merge("leads", "a", "b")


def test_many_ids_are_one_call_and_absent_ones_are_asked_alone(crm: Pipedrive, account: Account) -> None:
    refs = [make(crm, Op("persons", {"name": f"Nora {n}"})).ref for n in range(30)]
    before = sum(account.calls.values())
    assert all(crm.get("persons", refs))
    assert sum(account.calls.values()) - before == 1
    account.delete("persons", refs[3])
    assert crm.get("persons", refs)[3] is None


# ── scans ────────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_cursor_goes_on_where_it_was(crm: Pipedrive, clock: Clock) -> None:
    refs = []
    for n in range(2 * PAGE + 5):
        refs.append(make(crm, Op("deals", {"title": f"x {n}"})).ref)
        clock.tick(1)
    clock.tick(60)
    told = crm.changes("deals", "")
    broken = Scan.read(told.cursor)
    seen = [row.ref for row in told.records]
    told = crm.changes("deals", broken.after("tampered", 0).text())
    assert told.more
    assert told.records == ()
    pages = 0
    while told.more:
        told = crm.changes("deals", told.cursor)
        seen += [row.ref for row in told.records]
        pages += 1
    assert set(seen) == set(refs)
    assert pages == 2  # the rest, and the last second once more


@pytest.mark.parametrize("crowd", [0, 3, 8])
def test_a_crowded_second_that_thins_out_hides_nobody(
    crm: Pipedrive, account: Account, clock: Clock, person: str, crowd: int
) -> None:
    links = {"persons": (person,)}
    refs = [make(crm, Op("leads", {"title": f"x {n}"}, links=links)).ref for n in range(2 * PAGE + 5)]
    clock.tick(60)
    told, seen, pages = crm.changes("leads", ""), list[str](), 1
    while True:
        seen += [row.ref for row in told.records]
        if not told.more:
            break
        for ref in sorted(refs)[:crowd] if pages == 2 else ():
            account.edit("leads", ref, title="moved")
        told = crm.changes("leads", told.cursor)
        pages += 1
    assert set(seen) == set(refs)
    assert pages <= (4 if crowd <= PAGE // 5 else 6)


def test_a_thousand_changes_are_two_calls(connect: Connect, account: Account) -> None:
    crm = connect(page="500")
    for n in range(1000):
        account.create("deals", {"title": f"x {n}"})
    first = crm.changes("deals", "")
    assert first.more
    assert len(first.records) + len(crm.changes("deals", first.cursor).records) == 1000
    assert account.calls["GET v2/deals"] == 2


# ── the account as a whole ───────────────────────────────────────────────────────────────────────


def test_a_wrong_token_pauses(connect: Connect) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op("deals", {})]), lambda: crm.changes("leads", "")):
        with pytest.raises(Pause, match="token"):
            call()


def test_a_cap_of_the_plan_pauses_and_keeps_what_was_done(crm: Pipedrive, account: Account) -> None:
    account.fail("cap", path="v2/deals")
    with pytest.raises(Pause, match="limit"):
        crm.write([Op("deals", {"title": "x"})])
    account.fail("cap", path="v2/deals")
    done, paused, also = crm.write([Op("persons", {"name": "x"}), Op("deals", {"title": "x"}), Op("deals", {})])
    assert isinstance(done, Done)
    assert isinstance(error(paused), Pause)
    assert isinstance(error(also), Pause)


def test_cloudflare_stops_the_whole_write_for_minutes(crm: Pipedrive, account: Account) -> None:
    account.fail("403")
    before = sum(account.calls.values())
    outcomes = crm.write([Op("deals", {"title": "x"}) for _ in range(5)])
    assert sum(account.calls.values()) == before + 1
    errors = [error(outcome) for outcome in outcomes]
    assert all(isinstance(one, Retry) and one.after == 300 and not one.effect for one in errors)


def test_a_burst_is_told_from_a_spent_day(crm: Pipedrive, account: Account) -> None:
    account.fail("429")
    with pytest.raises(Retry) as burst:
        crm.check()
    assert burst.value.after == 2
    account.tokens = 0
    with pytest.raises(Retry) as spent:
        Pipedrive(crm.settings, crm.secrets, Wire(allow=[crm.settings["address"].removeprefix("http://")])).check()
    assert spent.value.after == 1800


def test_the_declared_budget_never_meets_a_429(served: tuple[Account, str], clock: Clock) -> None:
    account, place = served
    account.rate = 20
    gate, waited = Gate(Pipedrive.facts.budget, sleep=clock.tick), 0
    wire = Wire(gate, allow=[place.removeprefix("http://")])
    crm = Pipedrive({"address": place}, {"token": TOKEN}, wire)
    for _ in range(18):
        crm.check()
    assert account.refused == waited
    wire.close()


def test_a_lost_read_before_a_write_changed_nothing(crm: Pipedrive, account: Account) -> None:
    _, lead = with_person(crm, 1)
    account.fail("drop_after", method="GET")
    [outcome] = crm.write([Op("leads", {"value": 5}, ref=lead.ref)])
    lost = error(outcome)
    assert isinstance(lost, Retry)
    assert not lost.effect


@pytest.mark.parametrize(
    ("wish", "name"), [("#317ae2", "blue"), ("#99ccff", "blue"), ("#ffce5a", "yellow"), ("#ff0000", "red"),
                       ("#00ff00", "green"), ("#ffffff", "gray"), ("#000000", "dark-gray")]
)  # fmt: skip
def test_the_nearest_colour_of_a_label(wish: str, name: str) -> None:
    assert nearest(wish) == name


def test_what_belongs_to_pipedrive_stays(crm: Pipedrive) -> None:
    main = crm.describe().pipelines[1]
    for step in (
        Step("stage", "remove", {}, ref="won", under=main.ref),
        Step("stage", "remove", {}, ref="archived", under=""),
        Step("stage", "create", {"name": "x", "colour": "blueish"}, under=""),
        Step("field", "create", {"name": "x", "code": "HUB_X"}, under="notes"),
        Step("robot", "create", {}),
    ):
        with pytest.raises(Refuse):
            crm.provision([step])


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────


def test_hooks_of_all_kinds_say_whose_they_are(crm: Pipedrive, account: Account, ear: Ear) -> None:
    crm.provision([Step("hook", "create", {"address": ear.address})])
    assert crm.describe().hooks == (ear.address,)
    human, lead = with_person(crm, 1)
    for _ in range(2):  # of what we did ourselves we want to hear nothing
        assert crm.touched(ear.hears()) == []
    account.edit("leads", lead.ref, title="Changed")
    assert crm.touched(ear.hears()) == [Hint("leads", lead.ref)]
    other = make(crm, Op("persons", {"name": "Sam Keller"}))
    ear.hears()
    account.merge("persons", human.ref, other.ref)
    gone, kept = (crm.touched(ear.hears()) for _ in range(2))
    assert gone == [Hint("persons", other.ref), Hint("persons", human.ref)]
    assert kept == [Hint("persons", human.ref)]


def test_a_hook_without_our_password_is_not_believed(
    crm: Pipedrive, connect: Connect, account: Account, ear: Ear
) -> None:
    crm.provision([Step("hook", "create", {"address": ear.address})])
    deal = make(crm, Op("deals", {"title": "x"}))
    ear.hears()
    account.edit("deals", deal.ref, title="Changed")
    heard = ear.hears()
    pair = b64encode(b"leadhub:guess").decode()
    wrong: list[dict[str, str]] = [{}, {"authorization": f"Basic {pair}"}]
    for header in wrong:
        with pytest.raises(Unverified):
            crm.verify(Raw(heard.body, AT, header, path=heard.path, query=heard.query))
    crm.verify(heard)
    assert crm.touched(heard) == [Hint("deals", deal.ref)]


def test_a_new_token_makes_the_plan_renew_the_hooks(
    crm: Pipedrive, connect: Connect, account: Account, ear: Ear
) -> None:
    crm.provision([Step("hook", "create", {"address": ear.address})])
    account.token = "another"
    renewed = connect(token="another")
    assert renewed.describe().hooks == ()
    renewed.provision([Step("hook", "create", {"address": ear.address})])
    assert renewed.describe().hooks == (ear.address,)
    assert len(account.hooks) == 4


STRANGE: list[Any] = [
    [],
    {},
    {"entity": "deal"},
    {"entity": "deal", "entity_id": "../1"},
    {"entity": "deal", "entity_id": ["1"]},
    {"entity": ["deal"]},
    {"entity": "stage", "entity_id": "1"},
]


@pytest.mark.parametrize("meta", STRANGE)
def test_a_hook_of_a_strange_shape_points_nowhere(crm: Pipedrive, meta: Any) -> None:
    raw = Raw(json.dumps({"meta": meta}).encode(), AT, {"authorization": basic(TOKEN)})
    assert crm.touched(raw) == []


def test_the_address_of_a_hook_tells_nothing_secret() -> None:
    assert TOKEN not in address("https://hub.example.com/in/x", "7", TOKEN)
    assert "by=7" in address("https://hub.example.com/in/x", "7", TOKEN)


# ── OAuth ────────────────────────────────────────────────────────────────────────────────────────


def test_the_app_proves_itself_by_basic(served: tuple[Account, str]) -> None:
    sent: list[tuple[str, Mapping[str, str], bytes]] = []

    class Told:
        status, body = 200, b""
        headers: Mapping[str, str] = {}

        def json(self) -> Any:
            return {"access_token": TOKEN, "refresh_token": "r2", "expires_in": 3599}

    class Server:
        def send(self, method: str, url: str, **given: Any) -> Any:
            sent.append((url, given["headers"], given["data"]))
            return Told()

    grant = Pipedrive({"client_id": "id"}, {"client_secret": "s"}, Server()).grant("https://hub.example.com/back")
    assert grant
    assert grant.ask(Server(), 0.0, grant_type="refresh_token", refresh_token="r1").refresh == "r2"
    [(url, headers, body)] = sent
    assert body == b"grant_type=refresh_token&refresh_token=r1&redirect_uri=https%3A%2F%2Fhub.example.com%2Fback"
    assert grant.consent("s1").startswith("https://oauth.pipedrive.com/oauth/authorize?response_type=code&client_id=id")
    assert url == "https://oauth.pipedrive.com/oauth/token"
    assert headers["Authorization"] == f"Basic {b64encode(b'id:s').decode()}"
    assert Pipedrive({}, {"token": "t"}, Server()).grant() is None


def test_a_bearer_works_as_a_token_does(served: tuple[Account, str]) -> None:
    class Safe:
        def load(self) -> Tokens:
            return Tokens(TOKEN, "r1", 1e12)

        def save(self, tokens: Tokens) -> None:
            raise AssertionError("nothing to refresh")

        def lock(self) -> threading.Lock:
            return threading.Lock()

    wire = Wire(allow=[served[1].removeprefix("http://")])
    plain = Pipedrive({"address": served[1], "client_id": "id"}, {"client_secret": "s"}, wire)
    grant = plain.grant()
    assert grant
    crm = Pipedrive(plain.settings, plain.secrets, Bearer(wire, grant, Safe(), lambda: 0.0))
    assert crm.check().name == "Northwind Windows"
    wire.close()


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_and_moves_cards(crm: Pipedrive, served: tuple[Account, str], wires: Wires) -> None:
    account, place = served
    [_, work] = stages(crm)
    _, lead = with_person(crm, 7)
    board = Board(wires(place), place)
    page = board.page()
    assert "Window 7" in page
    assert "1 · New" in page
    for column, status in ((work, 204), ("archived", 204), ("nowhere", 404)):
        assert board.move(lead.ref, column, "") == status
    assert one(crm, "leads", lead.ref).values["label_id"] == "archived"
    assert account.rows["leads"][lead.ref]["label_ids"] == [work]


# ── answers nobody would expect ──────────────────────────────────────────────────────────────────

ODD: list[Any] = [
    None, 5, "x", [], {}, [5, None, [], "x"], [{}], [{"id": None}], [{"id": {}}], [{"id": [1]}],
    [{"id": 1, "update_time": 5, "add_time": {}, "label_ids": "x", "emails": 5, "phones": [5, {"value": {}}, None]}],
    [{"id": 1, "custom_fields": [1], "value": [1], "person_id": {"value": 3}, "status": 7, "address": []}],
    [{"id": "1", "update_time": "yesterday", "is_archived": "no", "label_ids": [None, {}], "value": {"amount": {}}}],
    [{"id": 1, "field_code": 5, "field_name": {}, "is_custom_field": True, "options": [5, {"id": []}], "name": None}],
    {"items": [5, {"item": 5}, {"item": {"id": {}}}]}, {"items": "x"},
    {"conversion_id": 5}, {"conversion_id": "j", "status": {}, "id": 1}, {"status": "completed", "conversion_id": "j"},
]  # fmt: skip


class Odd:
    """An `Http` that always answers with the same data."""

    def __init__(self, data: Any, more: Any) -> None:
        self.body = json.dumps({"success": True, "data": data, "additional_data": more}).encode()

    def send(self, method: str, url: str, **given: Any) -> Received:
        headers = {"date": "Wed, 27 May 2026 09:00:00 GMT", "content-type": "application/json"}
        return Received(200, headers, self.body)


@pytest.mark.parametrize("more", [None, 5, {"next_cursor": 5}, {"pagination": {"more_items_in_collection": True}}])
@pytest.mark.parametrize("data", ODD)
def test_an_answer_of_the_wrong_shape_is_no_crash(data: Any, more: Any) -> None:
    crm = Quick({"address": "northwind"}, {"token": "t"}, Odd(data, more))
    calls: list[Callable[[], object]] = [crm.check, crm.describe]
    for kind in crm.facts.kinds:
        calls += [partial(crm.changes, kind, "1"), partial(crm.get, kind, ["1", "2"])]
        calls += [partial(crm.find, kind, {"marker": "L-1", "phone": "+12025550111"})]
    for call in calls:
        with suppress(Retry, Pause, Refuse):
            call()
    ops = [Op("deals", {"title": "x"}, links={"leads": ("a",)}), Op("leads", {"label_id": "b", "tags": ["x"]}, ref="a")]
    with suppress(Pause):
        assert all(isinstance(one, Done | Failed | Lost) for one in crm.write(ops))
