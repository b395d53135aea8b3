"""Bitrix24 against its strict stand-in: the common contract, and what only Bitrix24 does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.contract import Done, Failed, Lost, Op, Outcome, Raw, Schema, Step
from connectors.crms.bitrix24 import Bitrix24
from connectors.crms.bitrix24.calls import Command, Ref, meaning
from connectors.crms.bitrix24.sandbox import Account, create_sandbox, serving
from connectors.crms.bitrix24.sandbox.hung import act
from connectors.crms.bitrix24.scan import joined
from connectors.errors import Conflict, Missing, Pause, Refuse, Retry, Unsupported, Unverified
from connectors.http import Gate, Wire
from connectors.oauth import Bearer, Tokens
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Safe, Says, Wires
from mappings import check, load, shipped

TOKEN = "sandbox-token"
OWNERS = {"owners": {"7": 1}}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def connect(served: tuple[Account, str], wires: Wires) -> Callable[..., Bitrix24]:
    def make(gate: Gate | None = None, token: str = TOKEN, **settings: str) -> Bitrix24:
        secrets = {"webhook": f"{served[1]}/rest/1/{token}/", "application_token": served[0].application_token}
        return Bitrix24(settings, secrets, wires(served[1], gate))

    return make


FIELD = Step("field", "create", {"name": "Page", "type": "text", "code": "UF_CRM_HUB_PAGE"})


@pytest.fixture
def crm(connect: Callable[..., Bitrix24]) -> Bitrix24:
    made = connect(pages="3")
    made.provision([Step("field", "create", FIELD.values, under=kind) for kind in ("leads", "deals")])
    made.delete("leads", refs(made.write([Op("leads", {})])))  # from here on it knows that there are leads
    return made


@pytest.fixture
def app_crm(served: tuple[Account, str]) -> Iterator[Bitrix24]:
    """Connected as an application with a good token."""
    account, address = served
    wire = Wire(allow=[address.removeprefix("http://")])
    settings = {"address": address, "client_id": "app.1", "token_address": f"{address}/oauth/token/"}
    secrets = {"client_secret": "s", "application_token": account.application_token}
    grant = Bitrix24(settings, secrets, wire).grant()
    assert grant
    safe = Safe(Tokens("access-1", "refresh-1", 2e9))
    made = Bitrix24(settings, secrets, wire)
    made.http = Bearer(wire, grant, safe, lambda: 1_780_000_000.0)  # as the hub signs in
    yield made
    wire.close()


def sample(n: int) -> dict[str, Any]:
    return {"title": f"Window {n}", "opportunity": 1000 + n, "UF_CRM_HUB_PAGE": f"page {n} & $result[x] + [b]"}


SHOWN = "page {} & $\u200bresult[x] + [b]"


def plain(n: int) -> dict[str, Any]:
    return {"title": f"Window {n} & [b] + 100%", "opportunity": 1000 + n, "UF_CRM_HUB_PAGE": f"page/{n}?a=b"}


def steps(schema: Schema) -> list[Step]:
    deals = next(one for one in schema.pipelines if one.main)
    leads = next(one for one in schema.pipelines if one.kind == "leads")
    return [
        Step("stage", "create", {"name": "Qualified", "position": 25, "colour": "#99ccff"}, under=deals.ref),
        Step("stage", "create", {"name": "Called back", "position": 9999, "colour": "#0a1b2c"}, under=leads.ref),
        Step("field", "create", {"name": "Block", "type": "select", "code": "UF_CRM_HUB_BLOCK"}, under="leads"),
        Step("pipeline", "create", {"name": "Leads first", "first": {"name": "Fresh", "colour": "#123456"}}),
        Step("stage", "change", {"name": "Papers ready", "colour": "#ffce5a"}, ref=deals.stages[1].ref, under=deals.ref,
             before={"name": deals.stages[1].name, "colour": deals.stages[1].colour}),
    ]  # fmt: skip


def fail(account: Account) -> Callable[[str, float], None]:
    def order(what: str, seconds: float) -> None:
        account.fail("drop_after" if what == "lost" else what, seconds=seconds)

    return order


class TestLeads(CRMContract):
    kind = "leads"

    @pytest.fixture
    def rig(self, crm: Bitrix24, account: Account, clock: Clock, ear: Ear) -> Rig:
        account.lag = crm.facts.lag - 1
        kind = self.kind

        def listen() -> None:
            account.outgoing.append({"handler": ear.address, "events": {"ONCRMLEADUPDATE", "ONCRMDEALUPDATE"}})

        return Rig(
            crm,
            kind,
            plain,
            lambda n: {"opportunity": 50_000 + n},
            {"title": "Bad", "opportunity": "ten"},
            lambda ref, n: account.edit(kind, int(ref), opportunity=50_000 + n),
            clock.tick,
            fail(account),
            lambda: sum(account.calls.values()),
            148,
            steps,
            listen,
            ear.hears,
            lambda ref: account.delete(kind, int(ref)),
            account.postman.trouble,
            act=lambda ref: act(account, kind, ref, TYPE_ID="2", PROVIDER_ID="VOXIMPLANT_CALL"),
        )


class TestDeals(TestLeads):
    kind = "deals"


def refs(outcomes: Any) -> list[str]:
    assert all(isinstance(one, Done) for one in outcomes), outcomes
    return [one.record.ref for one in outcomes]


def person(n: int, **more: Any) -> dict[str, Any]:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "MOBILE"}]
    emails = [{"value": f"person{n}@northwind.test", "enum_code": "WORK"}]
    return {"name": "Nora", "lastName": f"Feld {n}", "PHONE": phones, "EMAIL": emails, **more}


def with_contact(n: int, kind: str = "leads") -> Op:
    return Op(kind, plain(n), marker=f"L-{n}", includes=(Op("contacts", person(n), marker=f"C-{n}"),))


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def test_leads_with_contacts_go_twenty_five_a_call(crm: Bitrix24, account: Account) -> None:
    before = sum(account.calls.values())
    outcomes = crm.write([with_contact(n) for n in range(60)])
    assert sum(account.calls.values()) - before == 3
    done = outcomes[47]
    assert isinstance(done, Done)
    assert done.echoed
    [lead] = crm.get("leads", [done.record.ref])
    [contact] = crm.get("contacts", [done.includes[0].ref])
    assert lead
    assert contact
    assert lead.links["contacts"] == (contact.ref,)
    assert (lead.values["originId"], lead.values["originatorId"]) == ("L-47", "hub")
    [phone] = contact.values["PHONE"]
    assert (phone["value"], phone["enum_code"]) == ("+12025550047", "MOBILE")
    assert contact.values["fullName"] == "Nora Feld 47"


def test_plain_leads_go_fifty_a_call(crm: Bitrix24, account: Account) -> None:
    before = sum(account.calls.values())
    refs(crm.write([Op("leads", {**plain(n), **person(n)}, marker=f"L-{n}") for n in range(120)]))
    assert sum(account.calls.values()) - before == 3


def test_a_refused_contact_leaves_no_lead_behind(crm: Bitrix24, account: Account) -> None:
    ops = [with_contact(n) for n in range(3)]
    ops[1] = Op("leads", plain(1), marker="L-1", includes=(Op("contacts", person(1, assignedById=99), marker="C-1"),))
    good, bad, also = crm.write(ops)
    assert isinstance(good, Done)
    assert isinstance(also, Done)
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert list(bad.error.fields) == ["assignedById"]
    assert len(account.rows["leads"]) == len(account.rows["contacts"]) == 2


def test_a_refused_lead_leaves_no_contact_behind(crm: Bitrix24, account: Account) -> None:
    bad = Op("leads", {"title": "Bad", "opportunity": "ten"}, marker="L-1", includes=(Op("contacts", person(1)),))
    [outcome] = crm.write([bad])
    assert isinstance(outcome, Failed)
    assert not account.rows["contacts"]


def test_what_cannot_be_taken_back_is_lost(crm: Bitrix24, account: Account) -> None:
    bad = Op("leads", {"title": "Bad", "opportunity": "ten"}, marker="L-1", includes=(Op("contacts", person(1)),))
    account.fail("slow", path="batch")  # the first batch takes no time and goes well
    account.fail("500", path="batch")
    [outcome] = crm.write([bad])
    assert isinstance(outcome, Lost)
    assert len(account.rows["contacts"]) == 1


def test_an_update_of_what_is_gone_fails_alone(crm: Bitrix24, account: Account) -> None:
    one, two = refs(crm.write([Op("deals", plain(n)) for n in range(2)]))
    account.delete("deals", int(one))
    gone, done = crm.write([Op("deals", {"opportunity": 5}, ref=one), Op("deals", {"opportunity": 5}, ref=two)])
    assert isinstance(gone, Failed)
    assert isinstance(gone.error, Missing)
    assert isinstance(done, Done)


@pytest.mark.parametrize(
    "op",
    [
        Op("leads", {"title": "x"}, ref="abc"),
        Op("offers", {"title": "x"}),
        Op("leads", {"stageId": "NO_SUCH"}),
        Op("deals", {"categoryId": "77", "stageId": "NEW"}),
        Op("contacts", {"PHONE": 5, "name": "x", "assignedById": "nobody"}),
    ],
)
def test_what_bitrix24_has_no_words_for_is_refused_alone(crm: Bitrix24, op: Op) -> None:
    bad, good = crm.write([op, Op("leads", plain(1))])
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert isinstance(good, Done)


def test_an_unknown_field_is_ignored_there_and_not_claimed_here(crm: Bitrix24) -> None:
    [done] = crm.write([Op("leads", {**plain(1), "noSuchField": "x"})])
    assert isinstance(done, Done)
    assert not done.echoed
    [read] = crm.get("leads", [done.record.ref])
    assert read
    assert "noSuchField" not in read.values


def test_a_reference_in_what_a_person_wrote_is_text(crm: Bitrix24) -> None:
    [made] = crm.write([Op("leads", sample(1))])
    assert isinstance(made, Done)
    assert made.record.values["UF_CRM_HUB_PAGE"] == SHOWN.format(1)
    assert Command("m", {"a": Ref("k", ("item", "id")), "b": "ä&"}).text() == "m?a=$result[k][item][id]&b=%C3%A4%26"


def test_phones_are_changed_by_their_ids(crm: Bitrix24, account: Account) -> None:
    [ref] = refs(crm.write([Op("contacts", person(1))]))
    [read] = crm.get("contacts", [ref])
    assert read
    old = read.values["PHONE"][0]
    account.rows["contacts"][int(ref)]["fm"].append(
        {"id": 9001, "typeId": "PHONE", "valueType": "HOME", "value": "+7999"}
    )
    new = {"value": "+12025559999", "enum_code": "WORK"}
    crm.write([Op("contacts", {"PHONE": [{**old, "value": "+12025550000"}, new]}, ref=ref)])
    [read] = crm.get("contacts", [ref])
    assert read
    assert [one["value"] for one in read.values["PHONE"]] == ["+12025550000", "+12025559999"]
    assert read.values["PHONE"][0]["id"] == old["id"]
    assert len(read.values["EMAIL"]) == 1
    crm.write([Op("contacts", {"PHONE": None, "post": "Head"}, ref=ref)])
    [read] = crm.get("contacts", [ref])
    assert read
    assert read.values["PHONE"] == []
    assert read.values["post"] == "Head"
    crm.write([Op("contacts", {"post": None}, ref=ref)])
    assert account.rows["contacts"][int(ref)]["post"] is None


def test_a_person_without_a_name_is_called_by_the_phone(crm: Bitrix24, account: Account) -> None:
    phones = [{"value": "+12025550001", "enum_code": "WORK"}]
    done = crm.write([Op("contacts", {"PHONE": phones}), Op("contacts", {"fullName": "Nora Feld"}), Op("contacts", {})])
    names = [account.rows["contacts"][int(ref)]["name"] for ref in refs(done)]
    assert names == ["+12025550001", "Nora Feld", "?"]


def test_links_are_made_on_create_and_on_update(crm: Bitrix24) -> None:
    firm, one, two = refs(
        crm.write([Op("companies", {"title": "Keller Ltd"}), Op("contacts", person(1)), Op("contacts", person(2))])
    )
    links = {"contacts": (two, one), "companies": (firm,)}
    made, bare = refs(crm.write([Op("deals", plain(1), links=links), Op("deals", plain(2))]))
    crm.write([Op("deals", {}, ref=bare, links=links), Op("contacts", {}, ref=one, links={"companies": (firm,)})])
    for read in crm.get("deals", [made, bare]):
        assert read
        assert read.links == links
    [contact] = crm.get("contacts", [one])
    assert contact
    assert contact.links == {"companies": (firm,)}


def test_notes_and_tasks_hang_on_their_record(crm: Bitrix24, account: Account) -> None:
    [lead] = refs(crm.write([Op("leads", plain(1))]))
    links = {"leads": (lead,)}
    note, task, bad, lost = crm.write([
        Op("comments", {"COMMENT": "Called back"}, links=links),
        Op("todos", {"title": "Call", "deadline": "2026-06-01T10:00:00+00:00", "responsibleId": 1}, links=links),
        Op("todos", {"title": "No deadline"}, links=links),
        Op("comments", {"COMMENT": "nowhere"}),
    ])  # fmt: skip
    assert isinstance(note, Done)
    assert isinstance(task, Done)
    assert note.record.links == links
    assert isinstance(bad, Failed)
    assert isinstance(lost, Failed)
    assert [one["ID"] for one in account.notes] == [int(note.record.ref), int(task.record.ref)]


# ── conversion ───────────────────────────────────────────────────────────────────────────────────


def convert(lead: str, **more: Any) -> Op:
    return Op("deals", plain(5), marker="D-5", links={"leads": (lead,)}, **more)


def test_a_conversion_is_one_batch(crm: Bitrix24, account: Account) -> None:
    [lead] = refs(crm.write([Op("leads", {**plain(1), **person(1)})]))
    parts = (Op("companies", {"title": "Feld Ltd"}, marker="F-1"), Op("contacts", person(1), marker="C-1"))
    before = sum(account.calls.values())
    [done] = crm.write([convert(lead, includes=parts)])
    assert sum(account.calls.values()) - before == 2, "one look, one batch"
    assert isinstance(done, Done)
    [read], [deal] = crm.get("leads", [lead]), crm.get("deals", [done.record.ref])
    assert read
    assert deal
    assert read.values["stageId"] == "CONVERTED"
    assert read.links["deals"] == (deal.ref,)
    assert deal.links == {"leads": (lead,), "companies": (done.includes[0].ref,), "contacts": (done.includes[1].ref,)}


@pytest.mark.parametrize("broken", ["deal", "contact"])
def test_a_refused_conversion_leaves_the_lead_open(crm: Bitrix24, account: Account, broken: str) -> None:
    [lead] = refs(crm.write([Op("leads", {**plain(1), **person(1)})]))
    part = Op("contacts", person(1, assignedById="99" if broken == "contact" else "1"))
    wish = {"opportunity": "ten"} if broken == "deal" else plain(5)
    [outcome] = crm.write([Op("deals", wish, marker="D-5", links={"leads": (lead,)}, includes=(part,))])
    assert isinstance(outcome, Failed)
    assert account.rows["leads"][int(lead)]["stageId"] == "NEW"
    assert not account.rows["deals"]
    assert not account.rows["contacts"]


def test_a_lead_that_may_not_be_closed_takes_its_deal_back(crm: Bitrix24, account: Account) -> None:
    account.required["leads", "CONVERTED"] = "post"
    [lead] = refs(crm.write([Op("leads", plain(1))]))
    [outcome] = crm.write([convert(lead, includes=(Op("contacts", person(1)),))])
    assert isinstance(outcome, Failed)
    assert "post" in str(outcome.error)
    assert not account.rows["deals"]
    assert not account.rows["contacts"]
    assert account.rows["leads"][int(lead)]["stageId"] == "NEW"


def test_a_portal_that_does_not_hand_the_lead_on_is_closed_by_number(crm: Bitrix24, account: Account) -> None:
    """In case a contact's answer does not name its lead."""
    [lead] = refs(crm.write([Op("leads", plain(1))]))
    original = account.create

    def forgetful(kind: str, wish: Any, by: int = 1) -> Any:
        return original(kind, {k: v for k, v in wish.items() if k != "leadId" or kind == "deals"}, by)

    account.create = forgetful  # type: ignore[method-assign]
    [done] = crm.write([convert(lead, includes=(Op("contacts", person(1)),))])
    assert isinstance(done, Done)
    assert account.rows["leads"][int(lead)]["stageId"] == "CONVERTED"


def test_a_lost_conversion_is_lost(crm: Bitrix24, account: Account) -> None:
    [lead] = refs(crm.write([Op("leads", plain(1))]))
    account.fail("drop_after", path="batch")
    [outcome] = crm.write([convert(lead)])
    assert isinstance(outcome, Lost)
    assert [one.links["leads"] for one in crm.find("deals", {"marker": "D-5"})] == [(lead,)]


def test_a_lead_is_converted_once(crm: Bitrix24, account: Account) -> None:
    one, two = refs(crm.write([Op("leads", {**plain(n), **person(n)}) for n in range(2)]))
    account.drag_card(int(one), "CONVERTED")
    [deal] = account.rows["deals"]
    again, fresh = crm.write([convert(one), convert(two)])
    assert isinstance(again, Failed)
    assert isinstance(again.error, Conflict)
    assert again.error.ref == str(deal)
    assert isinstance(fresh, Done)
    assert len(account.rows["deals"]) == 2


def test_a_lead_converted_by_hand_names_its_deal(crm: Bitrix24, account: Account, clock: Clock) -> None:
    lead, other = refs(crm.write([Op("leads", {**plain(n), **person(n)}) for n in range(2)]))
    clock.tick(60)
    cursor = crm.changes("leads", "").cursor
    account.drag_card(int(lead), "CONVERTED")
    clock.tick(60)
    [seen] = [one for one in crm.changes("leads", cursor).records if one.ref == lead]
    [deal] = account.rows["deals"]
    assert seen.links["deals"] == (str(deal),)
    [_, read] = crm.get("leads", [lead, other])
    assert read
    assert "deals" not in read.links


def test_a_lead_with_a_contact_is_a_repeat_lead(crm: Bitrix24, account: Account) -> None:
    [contact] = refs(crm.write([Op("contacts", person(1))]))
    [lead] = refs(crm.write([Op("leads", {**plain(1), **person(1)}, links={"contacts": (contact,)})]))
    assert account.rows["leads"][int(lead)]["isReturnCustomer"] == "Y"
    assert account.rows["leads"][int(lead)]["fm"] == []


# ── accounts without leads ───────────────────────────────────────────────────────────────────────


def test_an_account_without_leads_says_so(connect: Callable[..., Bitrix24], account: Account) -> None:
    account.leads = False
    crm = connect()
    assert "without leads" in crm.check().name
    schema = crm.describe()
    assert "leads" not in schema.fields
    assert {one.kind for one in schema.pipelines} == {""}
    with pytest.raises(Pause, match="two blocks or two pipelines"):
        crm.write([Op("leads", plain(1))])
    assert not account.rows["leads"]
    refs(crm.write([Op("deals", {"title": "Window"})]))
    account.leads = True
    refs(crm.write([Op("leads", {"title": "Window"})]))


def test_two_blocks_in_free_colours(crm: Bitrix24, account: Account) -> None:
    lead, deal = crm.provision([
        Step("stage", "create", {"name": "Lead: new", "position": 10, "colour": "#cfe8ff"}, under="0"),
        Step("stage", "create", {"name": "Measured", "position": 500, "colour": "#FFCE5A"}, under="0"),
    ])  # fmt: skip
    main = next(one for one in crm.describe().pipelines if one.main)
    stages = {one.ref: one for one in main.stages}
    assert (stages[lead].colour, stages[deal].colour) == ("#cfe8ff", "#ffce5a")
    assert stages[deal].position < stages["WON"].position
    [ref] = refs(crm.write([Op("deals", {**plain(1), "categoryId": "0", "stageId": lead})]))
    refs(crm.write([Op("deals", {"categoryId": "0", "stageId": deal}, ref=ref)]))
    [read] = crm.get("deals", [ref])
    assert read
    assert (str(read.values["categoryId"]), read.values["stageId"]) == ("0", deal)


def test_a_card_crosses_the_border_between_pipelines(crm: Bitrix24, account: Account) -> None:
    [ref] = crm.provision(
        [Step("pipeline", "create", {"name": "Sales", "first": {"name": "Fresh", "colour": "#123456"}})]
    )
    [measured] = crm.provision([Step("stage", "create", {"name": "Measured", "position": 80}, under=ref)])
    pipeline = next(one for one in crm.describe().pipelines if one.ref == ref)
    assert [(one.name, one.final) for one in pipeline.stages] == [
        ("Fresh", ""), ("Measured", ""), ("Deal won", "won"), ("Deal lost", "lost"),
    ]  # fmt: skip
    [deal] = refs(crm.write([Op("deals", plain(1))]))
    for stage in (measured, crm.facts.finals["won"]):
        refs(crm.write([Op("deals", {"categoryId": ref, "stageId": stage}, ref=deal)]))
        [read] = crm.get("deals", [deal])
        assert read
        assert (str(read.values["categoryId"]), read.values["stageId"]) == (ref, stage)
    assert account.rows["deals"][int(deal)]["stageId"] == f"C{ref}:WON"
    with pytest.raises(Refuse, match="not empty"):
        crm.provision([Step("pipeline", "remove", {}, ref=ref)])


def test_a_closing_stage_is_made_behind_the_others(crm: Bitrix24) -> None:
    [ref] = crm.provision([Step("stage", "create", {"name": "Spam", "position": 5, "final": "lost"}, under="")])
    leads = next(one for one in crm.describe().pipelines if one.kind == "leads")
    assert [(one.ref, one.final) for one in leads.stages][-1] == (ref, "lost")


def test_a_plan_that_ends_at_the_tariff_says_why(crm: Bitrix24, account: Account) -> None:
    account.stages.limit = 1
    with pytest.raises(Refuse, match="number of pipelines"):
        crm.provision([Step("pipeline", "create", {"name": "Sales"})])


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_changes_are_two_calls(connect: Callable[..., Bitrix24], account: Account, clock: Clock) -> None:
    crm = connect()
    clock.tick(100)
    cursor = crm.changes("deals", "").cursor
    made = refs(crm.write([Op("deals", {"title": f"Window {n}"}) for n in range(1000)]))
    clock.tick(100)
    before, found, more = sum(account.calls.values()), [], True
    while more:
        told = crm.changes("deals", cursor)
        found += [one.ref for one in told.records]
        cursor, more = told.cursor, told.more
    assert sum(account.calls.values()) - before == 2
    assert found == made
    before = sum(account.calls.values())
    assert crm.changes("deals", cursor).records == ()
    assert sum(account.calls.values()) - before == 1


def test_a_scan_follows_records_that_move(crm: Bitrix24, account: Account, clock: Clock) -> None:
    made = refs(crm.write([Op("deals", {"title": f"Window {n}"}) for n in range(130)]))
    clock.tick(100)
    original = account.rows["deals"]
    read: list[str] = []
    cursor, more = "", True
    while more:
        for ref in made[49:52]:
            account.edit("deals", int(ref), title=f"Moved {len(read)}")
        clock.tick(10)
        told = crm.changes("deals", cursor)
        read += [one.ref for one in told.records]
        cursor, more = told.cursor, told.more
    assert set(read) == {str(ref) for ref in original}


def test_a_page_that_begins_elsewhere_is_not_believed() -> None:
    first = [{"id": n} for n in range(50)]
    assert joined([first, [{"id": 49}, {"id": 70}]]) == ([*first, {"id": 70}], False)
    assert joined([first, [{"id": 60}, {"id": 70}]]) == (first, True)
    assert joined([first, []]) == (first, True)
    assert joined([first[:9], [{"id": 8}, {"id": 70}]]) == (first[:9], False)


def test_many_records_are_read_in_one_call(crm: Bitrix24, account: Account) -> None:
    made = refs(crm.write([Op("deals", {"title": f"Window {n}"}) for n in range(260)]))
    before = sum(account.calls.values())
    assert [one.ref for one in crm.get("deals", made) if one] == made
    assert sum(account.calls.values()) - before == 1


def test_what_we_may_not_see_is_not_gone(crm: Bitrix24, account: Account) -> None:
    one, two = refs(crm.write([Op("deals", plain(n)) for n in range(2)]))
    account.delete("deals", int(one))
    assert [bool(read) for read in crm.get("deals", [one, two])] == [False, True]
    account.hidden.add(("deals", int(two)))
    with pytest.raises(Pause, match="access"):
        crm.get("deals", [two])


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: Bitrix24, account: Account) -> None:
    crm.write([Op("contacts", person(n)) for n in range(3)])
    [by_phone] = crm.find("contacts", {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find("contacts", {"email": "Person1@Northwind.test"})
    assert by_phone == by_mail
    assert by_phone.values["lastName"] == "Feld 1"
    assert crm.find("contacts", {"email": "person@northwind.test"}) == []
    assert crm.find("deals", {"phone": "+12025550001"}) == []


def test_a_marker_of_another_system_is_not_ours(crm: Bitrix24, account: Account) -> None:
    account.create("contacts", {"name": "Nora", "originatorId": "1C", "originId": "C-1"})
    assert crm.find("contacts", {"marker": "C-1"}) == []


def test_records_are_deleted_and_merged(crm: Bitrix24, account: Account) -> None:
    one, two, other = refs(crm.write([*(Op("contacts", person(1)) for _ in range(2)), Op("contacts", person(2))]))
    crm.merge("contacts", one, two)
    [read] = crm.get("contacts", [one])
    assert read
    assert len(read.values["PHONE"]) == 2
    with pytest.raises(Conflict):
        crm.merge("contacts", one, other)
    crm.delete("contacts", [one, two, other])
    assert not account.rows["contacts"]


# ── the account as a whole ───────────────────────────────────────────────────────────────────────


def test_a_wrong_webhook_pauses(connect: Callable[..., Bitrix24]) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op("leads", {})]), lambda: crm.changes("leads", "")):
        with pytest.raises(Pause, match="webhook"):
            call()


def test_a_missing_permission_is_named(connect: Callable[..., Bitrix24], account: Account) -> None:
    account.scope = {"crm"}
    assert connect().describe().users == ()
    account.scope = {"user"}
    with pytest.raises(Pause, match="tick CRM"):
        connect().check()


@pytest.mark.parametrize(("fault", "after"), [("503", 1.0), ("429", 60.0)])
def test_limits_are_retried_and_had_no_effect(crm: Bitrix24, account: Account, fault: str, after: float) -> None:
    account.fail(fault)
    before = sum(account.calls.values())
    outcomes = crm.write([Op("leads", plain(n)) for n in range(120)])
    assert sum(account.calls.values()) == before + 1
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    assert len(errors) == 120
    assert all(isinstance(error, Retry) and error.after == after and not error.effect for error in errors)


@pytest.mark.parametrize("fault", ["html503", "502"])
def test_a_web_page_instead_of_an_answer_is_a_lost_one(crm: Bitrix24, account: Account, fault: str) -> None:
    account.fail(fault)
    [outcome] = crm.write([Op("leads", plain(1))])
    assert isinstance(outcome, Lost)
    account.fail(fault)
    with pytest.raises(Retry):
        crm.changes("leads", "")


def test_a_used_up_method_rests(crm: Bitrix24, account: Account, clock: Clock) -> None:
    account.cost, account.busy_limit = 9.0, 480.0
    account.commands.clear()
    outcomes = crm.write([Op("deals", {"title": f"Window {n}"}) for n in range(120)])
    kinds = [type(one) for one in outcomes]
    assert kinds == [Done] * 50 + [Failed] * 70
    last = outcomes[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, Retry)
    assert last.error.after
    assert 500 < last.error.after <= 600
    assert account.commands["crm.item.add"] == 50
    clock.tick(last.error.after + 1)
    refs(crm.write([Op("deals", {"title": "Window"})]))


def test_a_method_used_up_inside_a_batch_fails_the_rest_of_it(crm: Bitrix24, account: Account) -> None:
    account.cost, account.busy_limit = 12.0, 480.0
    outcomes = crm.write([Op("deals", {"title": f"Window {n}"}) for n in range(50)])
    failed = [one.error for one in outcomes if isinstance(one, Failed)]
    assert len(failed) == 9
    assert all(isinstance(error, Retry) and not error.effect for error in failed)


def test_the_declared_budget_never_meets_a_503() -> None:
    app = create_sandbox(rate=2)
    with serving(app) as address:
        wire = Wire(Gate(Bitrix24.facts.budget), allow=[address.removeprefix("http://")], patience=0.2)
        crm = Bitrix24({}, {"webhook": f"{address}/rest/1/{TOKEN}/"}, wire)
        for _ in range(10):
            crm.check()
        with pytest.raises(Retry, match="budget"):
            crm.check()
        wire.close()
        assert app.state.calls["batch"] == 10
        assert app.state.refused == 0


def test_a_lost_batch_keeps_the_certain_one(crm: Bitrix24, account: Account) -> None:
    account.fail("slow", path="batch")  # the first batch takes no time and goes well
    account.fail("drop_after", path="batch")
    outcomes = crm.write([Op("leads", plain(n), marker=f"L-{n}") for n in range(80)])
    assert [type(one) for one in outcomes] == [Done] * 50 + [Lost] * 30


def test_a_webhook_revoked_midway_loses_no_outcome(crm: Bitrix24, account: Account) -> None:
    original = account.create

    def then_revoke(kind: str, wish: Any, by: int = 1) -> Any:
        account.token = "another"
        return original(kind, wish, by)

    account.create = then_revoke  # type: ignore[method-assign]
    outcomes = crm.write([Op("leads", plain(n), marker=f"L-{n}") for n in range(100)])
    assert [type(one) for one in outcomes] == [Done] * 50 + [Failed] * 50
    assert isinstance(outcomes[99], Failed)
    assert isinstance(outcomes[99].error, Pause)


def test_robots_that_write_right_after_us_are_seen(crm: Bitrix24, account: Account, clock: Clock) -> None:
    account.robots = {"leads": {"comments": "by a robot"}}
    [ref] = refs(crm.write([Op("leads", plain(1))]))
    clock.tick(20)
    assert [one.values["comments"] for one in crm.changes("leads", "").records if one.ref == ref] == ["by a robot"]


# ── events ───────────────────────────────────────────────────────────────────────────────────────


def heard(crm: Bitrix24, ear: Ear, count: int) -> set[tuple[str, str]]:
    return {(h.kind, h.ref) for _ in range(count) for h in crm.touched(ear.hears())}


def test_an_application_hears_of_changes_moves_and_deletes(app_crm: Bitrix24, account: Account, ear: Ear) -> None:
    hook = Step("hook", "create", {"address": ear.address})
    assert list(app_crm.provision([hook, hook])) == [ear.address, ear.address]
    assert app_crm.describe().hooks == (ear.address,)
    [pipeline] = app_crm.provision([Step("pipeline", "create", {"name": "Sales"})])
    lead, deal, firm = refs(
        app_crm.write([Op("leads", {"title": "a"}), Op("deals", {"title": "b"}), Op("companies", {"title": "c"})])
    )
    assert ear.heard.empty()  # of what was just made we want to hear nothing
    account.edit("leads", int(lead), title="Changed")
    account.drag_card(int(deal), f"C{pipeline}:NEW", int(pipeline))
    account.delete("companies", int(firm))
    assert heard(app_crm, ear, 3) == {("leads", lead), ("deals", deal), ("companies", firm)}
    app_crm.provision([Step("hook", "remove", {}, ref=ear.address)])
    assert account.handlers == []


def test_a_webhook_says_that_it_cannot_ask_for_events(crm: Bitrix24) -> None:
    with pytest.raises(Unsupported, match="outgoing webhook"):
        crm.provision([Step("hook", "create", {"address": "https://hub.example.com/in/abc"})])
    crm.provision([Step("hook", "remove", {}, ref="https://hub.example.com/in/abc")])  # nothing to take back


def test_the_queue_of_events_is_read_when_it_wakes_us(served: tuple[Account, str], app_crm: Bitrix24, ear: Ear) -> None:
    account, _ = served
    quiet = Bitrix24({**app_crm.settings, "offline": "yes"}, app_crm.secrets, app_crm.http)
    quiet.provision([Step("hook", "create", {"address": ear.address})])
    one, two = refs(quiet.write([Op("leads", {"title": "a"}), Op("deals", {"title": "b"})]))
    account.edit("leads", int(one), title="x")
    account.edit("leads", int(one), title="y")
    account.edit("deals", int(two), title="z")
    account.fail("drop_after", path="/rest/event.offline.clear")
    with pytest.raises(Retry):
        quiet.touched(ear.hears())
    account.edit("deals", int(two), title="again")
    hints = {(h.kind, h.ref) for _ in range(3) for h in quiet.touched(ear.hears())}
    assert ("deals", two) in hints
    assert account.queue == {}


def test_an_event_with_a_wrong_token_is_not_believed(crm: Bitrix24) -> None:
    body = b"event=ONCRMLEADUPDATE&data%5BFIELDS%5D%5BID%5D=5&auth%5Bapplication_token%5D="
    assert [hint.ref for hint in crm.touched(Raw(body + b"application-token-1", AT))] == ["5"]
    for token in (b"", b"application-token-2", "ж".encode()):
        with pytest.raises(Unverified):
            crm.touched(Raw(body + token, AT))


# ── mapping ──────────────────────────────────────────────────────────────────────────────────────


def test_the_shipped_mapping_fits_an_account_that_is_set_up(crm: Bitrix24, account: Account) -> None:
    text = shipped("bitrix24")
    kinds = {"contact": "contacts", "company": "companies", "lead": "leads", "deal": "deals"}
    wanted = {(kinds[line.kind], line.crm) for line in load(text, OWNERS).lines if "HUB_" in line.crm}
    crm.provision([Step("field", "create", {"name": code, "type": "text", "code": code}, under=kind)
                   for kind, code in sorted(wanted)])  # fmt: skip
    fields = crm.describe().fields
    mapping = check(text, OWNERS, remote={role: fields[kind] for role, kind in kinds.items()})
    flat = {"name": "Nora Feld", "phones": ["+12025550001"], "hub_id": "C-9"}
    [ref] = refs(crm.write([Op("contacts", mapping.outbound("contact", flat, {}), marker="C-9")]))
    [read] = crm.get("contacts", [ref])
    assert read
    assert mapping.inbound("contact", read.values)["name"] == "Nora Feld"
    assert mapping.outbound("contact", flat, read.values) == {}
    changed = mapping.outbound("contact", {**flat, "phones": ["+12025550001", "+12025550002"]}, read.values)
    refs(crm.write([Op("contacts", changed, ref=ref)]))
    assert [one["value"] for one in account.rows["contacts"][int(ref)]["fm"]] == ["+12025550001", "+12025550002"]
    theirs = {**read.values, "originId": "1C-55", "originatorId": "1C"}
    assert mapping.outbound("contact", flat, theirs) == {}, "another system's id stays"


# ── OAuth ────────────────────────────────────────────────────────────────────────────────────────


def test_an_expired_token_is_renewed_once(app_crm: Bitrix24, account: Account) -> None:
    account.expired, account.access = {"access-1"}, set()
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(app_crm.check().name)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 6
    assert account.calls["/oauth/token/"] == 1
    refs(app_crm.write([Op("leads", {"title": "a"})]))


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "blamed"),
    [
        ('The "Name" field is required', ["name"]),
        ('Invalid value for field "UF_CRM_HUB_PAGE"', ["UF_CRM_HUB_PAGE"]),
        ("The field UF_CRM_HUB_PAGE is not valid", ["UF_CRM_HUB_PAGE"]),
        ("The «Last name» field is required", ["lastName"]),
        ('The "Reason" field is required', ["Reason"]),
        ("Something is wrong", []),
    ],
)
def test_the_field_to_blame_is_named_as_we_sent_it(text: str, blamed: list[str]) -> None:
    error = meaning("CRM_FIELD_ERROR_REQUIRED", text, {"name": 1, "lastName": 2, "UF_CRM_HUB_PAGE": 3})
    assert isinstance(error, Refuse)
    assert list(error.fields) == blamed


# ── bad answers ──────────────────────────────────────────────────────────────────────────────────


TIME = b',"time":{"start":1780000000.5}}'
DEEP = b'{"result":' + b"[" * 5000 + b"]" * 5000 + TIME


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"5", b'"text"', b"<html>", b'{"result":null' + TIME, b'{"result":[]' + TIME,
        b'{"result":{"items":5}' + TIME, b'{"result":{"items":[{"id":"x"}]}' + TIME, b'{"result":{"items":[5,null]}}',
        b'{"result":{"items":[{"id":1}]}' + TIME, b'{"result":{"result":{"r0000":5,"p0":7}}' + TIME,
        b'{"result":{"result":[1],"result_error":[{"error":""}]}' + TIME, b'{"result":true,"time":5}',
        b'{"result":{"result":{"r0000":{"item":{"id":{}}}},"result_error":{"r0000":5},"result_time":[5]}' + TIME, DEEP,
    ],
)  # fmt: skip
def test_answers_of_the_wrong_shape_are_no_crash(body: bytes) -> None:
    crm = Bitrix24({}, {"webhook": "https://northwind.test/rest/1/x/"}, Says(body))
    calls: list[Callable[[], object]] = [
        crm.check, crm.describe, lambda: crm.changes("leads", ""), lambda: crm.changes("leads", "1:2:3:4"),
        lambda: crm.get("leads", ["1"]), lambda: crm.find("contacts", {"phone": "+1202", "marker": "x"}),
        lambda: crm.merge("leads", "1", "2"), lambda: crm.provision(steps_blind()),
    ]  # fmt: skip
    for call in calls:
        try:
            call()
        except (Retry, Pause, Refuse) as error:
            assert str(error)  # noqa: PT017
    [outcome] = crm.write([Op("deals", {"title": "x"})])
    assert isinstance(outcome, Lost | Failed)


def steps_blind() -> list[Step]:
    return [
        Step("stage", "create", {"name": "a", "position": 1, "colour": "#123456"}, under="0"),
        Step("pipeline", "create", {"name": "b"}),
        Step("field", "create", FIELD.values, under="leads"),
    ]


def test_the_webhook_is_never_shown() -> None:
    crm = Bitrix24({}, {"webhook": "https://northwind.test/rest/1/very-secret/profile.json"}, Says(b"x", 404))
    assert crm.host == "northwind.test"
    with pytest.raises(Pause) as caught:
        crm.check()
    assert "very-secret" not in str(caught.value)


def test_the_board_shows_and_moves_cards(crm: Bitrix24, served: tuple[Account, str], wires: Wires) -> None:
    account, address = served
    outcomes: list[Outcome] = list(crm.write([with_contact(7)]))
    board = Board(wires(address), address)
    page = board.page()
    assert "Window 7" in page
    assert "+12025550007" in page
    assert board.move(refs(outcomes)[0], "CONVERTED", "leads") == 204
    assert board.move(1, 2, 3) == 404
    assert len(account.rows["deals"]) == 1
