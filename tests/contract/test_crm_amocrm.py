"""amoCRM against its strict stand-in: the common contract, and what only amoCRM does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.contract import Done, Failed, Lost, Op, Schema, Step
from connectors.crms.amocrm import PALETTE, AmoCRM, nearest
from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from connectors.errors import Pause, Refuse, Retry
from connectors.http import Gate, Wire
from connectors.oauth import Bearer, Tokens
from connectors.testing.crm import CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Safe, Wires

TOKEN = "sandbox-token"


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def connect(served: tuple[Account, str], wires: Wires) -> Callable[..., AmoCRM]:
    def make(gate: Gate | None = None, token: str = TOKEN, **settings: str) -> AmoCRM:
        return AmoCRM({"address": served[1], **settings}, {"token": token}, wires(served[1], gate))

    return make


@pytest.fixture
def crm(connect: Callable[..., AmoCRM]) -> AmoCRM:
    made = connect()
    made.provision([
        Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID"}, under=kind)
        for kind in made.facts.kinds
    ])  # fmt: skip
    return made


def sample(n: int) -> dict[str, Any]:
    return {"name": f"Window {n}", "price": 1000 + n, "UTM_SOURCE": f"campaign {n}"}


def steps(schema: Schema) -> list[Step]:
    main = next(one for one in schema.pipelines if one.main)
    return [
        Step("stage", "create", {"name": "Qualified", "position": 15, "colour": "#99ccff"}, under=main.ref),
        Step("field", "create", {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": ["lead", "deal"]},
             under="leads"),
        Step("pipeline", "create", {"name": "Deals", "position": 30}),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
        Step("stage", "change", {"name": "Offer made", "position": 20, "colour": "#ffce5a"}, ref=main.stages[2].ref,
             under=main.ref, before={"name": main.stages[2].name, "position": 20, "colour": main.stages[2].colour}),
    ]  # fmt: skip


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: AmoCRM, account: Account, clock: Clock, ear: Ear) -> Rig:
        account.lag = account.list_lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            account.fail("drop_after" if what == "lost" else what, seconds=seconds)

        return Rig(
            crm,
            "leads",
            sample,
            lambda n: {"price": 50_000 + n},
            {"name": "Bad", "price": "ten"},
            lambda ref, n: account.edit("leads", int(ref), price=50_000 + n),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            250,
            steps,
            lambda: crm.provision([Step("hook", "create", {"address": ear.address})]) and None,
            ear.hears,
            lambda ref: account.delete("leads", int(ref)),
            account.postman.trouble,
            act=lambda ref: account.jot("leads", int(ref), "call_out", text="", duration=60),
        )


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def with_contact(n: int) -> Op:
    phones = [{"value": f"+1202555{n:04}", "enum_code": "WORK"}]
    emails = [{"value": f"person{n}@example.com", "enum_code": "PRIV"}]
    person = {"first_name": "Nora", "last_name": f"Feld {n}", "PHONE": phones, "EMAIL": emails}
    return Op("leads", sample(n), marker=f"L-{n}", includes=(Op("contacts", person, marker=f"C-{n}"),))


def test_leads_with_contacts_go_fifty_a_call(crm: AmoCRM, account: Account) -> None:
    outcomes = crm.write([with_contact(n) for n in range(120)])
    assert account.calls["POST leads/complex"] == 3
    done = outcomes[77]
    assert isinstance(done, Done)
    [lead] = crm.get("leads", [done.record.ref])
    [person] = crm.get("contacts", [done.includes[0].ref])
    assert lead
    assert person
    assert lead.links["contacts"] == (person.ref,)
    assert lead.values["HUB_ID"] == "L-77"
    assert person.values["HUB_ID"] == "C-77"
    assert person.values["PHONE"] == [{"value": "+12025550077", "enum_code": "WORK"}]
    assert person.values["name"] == "Nora Feld 77"


def test_a_bad_contact_fails_its_lead_and_names_the_field(crm: AmoCRM) -> None:
    ops = [with_contact(n) for n in range(3)]
    ops[1] = Op("leads", sample(1), marker="L-1", includes=(Op("contacts", {"name": 5}),))
    good, bad, also = crm.write(ops)
    assert isinstance(good, Done)
    assert isinstance(also, Done)
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert list(bad.error.fields) == ["_embedded.contacts.0.name"]


def test_a_refusal_that_names_nobody_is_halved(crm: AmoCRM, account: Account) -> None:
    account.fail("blind400", times=3, method="PATCH")
    refs = [one.record.ref for one in crm.write([Op("leads", sample(n)) for n in range(8)]) if isinstance(one, Done)]
    outcomes = crm.write([Op("leads", {"price": 1}, ref=ref) for ref in refs])
    assert all(isinstance(one, Done) for one in outcomes)
    account.fail("blind400", times=1, method="PATCH")
    [alone] = crm.write([Op("leads", {"price": 2}, ref=refs[0])])
    assert isinstance(alone, Failed)
    assert isinstance(alone.error, Refuse)


def test_an_update_of_what_is_gone_fails_alone(crm: AmoCRM, account: Account) -> None:
    one, two = (o.record.ref for o in crm.write([Op("leads", sample(n)) for n in range(2)]) if isinstance(o, Done))
    account.delete("leads", int(one))
    gone, done = crm.write([Op("leads", {"price": 5}, ref=one), Op("leads", {"price": 5}, ref=two)])
    assert isinstance(gone, Failed)
    assert isinstance(done, Done)


@pytest.mark.parametrize(
    "op",
    [
        Op("leads", {"name": "x"}, ref="abc"),
        Op("deals", {"name": "x"}),
        Op("leads", {"cf:abc": "x"}),
        Op("leads", {"name": "x"}, includes=(Op("contacts", {}), Op("contacts", {}))),
        Op("leads", {"NO_SUCH_FIELD": "x"}),
        Op("leads", {"status_id": 1}),
    ],
)
def test_what_amocrm_has_no_words_for_is_refused_alone(crm: AmoCRM, op: Op) -> None:
    bad, good = crm.write([op, Op(op.kind if op.kind == "leads" else "leads", sample(1))])
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, Refuse)
    assert isinstance(good, Done)


def test_fields_are_cleared_and_lists_are_whole(crm: AmoCRM) -> None:
    phones = [{"value": "+12025550111", "enum_code": "WORK"}, {"value": "+12025550112", "enum_code": "MOB"}]
    [made] = crm.write(
        [Op("contacts", {"name": "Ada Moss", "PHONE": phones, "POSITION": "Head", "tags": ["hub", "vip"]})]
    )
    assert isinstance(made, Done)
    crm.write([Op("contacts", {"PHONE": phones[1:], "POSITION": None, "tags": ["vip"]}, ref=made.record.ref)])
    [read] = crm.get("contacts", [made.record.ref])
    assert read
    assert read.values["PHONE"] == phones[1:]
    assert "POSITION" not in read.values
    assert read.values["tags"] == ["vip"]


def test_known_contacts_are_linked_on_create_and_on_update(crm: AmoCRM) -> None:
    [person, firm] = crm.write([Op("contacts", {"name": "Sam Keller"}), Op("companies", {"name": "Keller Ltd"})])
    assert isinstance(person, Done)
    assert isinstance(firm, Done)
    links = {"contacts": (person.record.ref,), "companies": (firm.record.ref,)}
    [made] = crm.write([Op("leads", sample(1), links=links)])
    assert isinstance(made, Done)
    [bare] = crm.write([Op("leads", sample(2))])
    assert isinstance(bare, Done)
    crm.write([Op("leads", {"price": 3}, ref=bare.record.ref, links=links)])
    for read in crm.get("leads", [made.record.ref, bare.record.ref]):
        assert read
        assert read.links == {"contacts": (person.record.ref,), "companies": (firm.record.ref,)}


def test_a_lead_crosses_the_border_between_pipelines(crm: AmoCRM) -> None:
    [pipeline] = crm.provision([Step("pipeline", "create", {"name": "Deals", "first": {"name": "Measured"}})])
    schema = crm.describe()
    deals = next(one for one in schema.pipelines if one.ref == pipeline)
    stage = next(one for one in deals.stages if not one.fixed)
    [made] = crm.write([Op("leads", sample(1))])
    assert isinstance(made, Done)
    crm.write([Op("leads", {"pipeline_id": int(deals.ref), "status_id": int(stage.ref)}, ref=made.record.ref)])
    [read] = crm.get("leads", [made.record.ref])
    assert read
    assert (read.values["pipeline_id"], read.values["status_id"]) == (int(deals.ref), int(stage.ref))
    assert [(one.ref, one.final, one.fixed) for one in deals.stages][-2:] == [
        ("142", "won", True),
        ("143", "lost", True),
    ]


def test_ids_may_be_given_as_text(crm: AmoCRM) -> None:
    main = next(one for one in crm.describe().pipelines if one.main)
    place = {"pipeline_id": main.ref, "status_id": main.stages[2].ref, "responsible_user_id": "504102"}
    [made] = crm.write([Op("leads", {**sample(1), **place})])
    assert isinstance(made, Done)
    [read] = crm.get("leads", [made.record.ref])
    assert read
    assert {key: str(read.values[key]) for key in place} == place


# ── finding, deleting, merging ───────────────────────────────────────────────────────────────────


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: AmoCRM) -> None:
    crm.write([with_contact(n) for n in range(3)] + [Op("contacts", {"name": "called +12025550001"})])
    [by_phone] = crm.find("contacts", {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find("contacts", {"email": "Person1@Example.com"})
    assert by_phone == by_mail
    assert by_phone.values["last_name"] == "Feld 1"
    assert crm.find("contacts", {"email": "person"}) == []


def test_without_the_marker_field_we_say_so(connect: Callable[..., AmoCRM]) -> None:
    with pytest.raises(Pause, match="HUB_ID"):
        connect().find("leads", {"marker": "L-1"})


def test_the_bin_is_looked_into_once_an_hour(crm: AmoCRM, account: Account, clock: Clock) -> None:
    refs = [one.record.ref for one in crm.write([Op("leads", sample(n)) for n in range(3)]) if isinstance(one, Done)]
    told = crm.changes("leads", crm.changes("leads", "").cursor)
    seen = []
    for n, ref in enumerate(refs):
        clock.tick(1500)
        account.delete("leads", int(ref))
        before = account.calls.total()
        told = crm.changes("leads", told.cursor)
        assert account.calls.total() - before == (2 if n == 2 else 1)
        seen.append({one.ref for one in told.records if one.deleted})
    assert seen == [set(), set(), set(refs)]


def test_a_restored_and_a_merged_record_come_back(crm: AmoCRM, account: Account, clock: Clock) -> None:
    refs = [one.record.ref for one in crm.write([Op("leads", sample(n)) for n in range(3)]) if isinstance(one, Done)]
    clock.tick(200)
    cursor = crm.changes("leads", "").cursor
    account.delete("leads", int(refs[0]))
    account.merge("leads", int(refs[1]), int(refs[2]))
    clock.tick(100)
    told = crm.changes("leads", cursor)
    assert {one.ref for one in told.records if one.deleted} == {refs[0], refs[2]}
    account.restore("leads", int(refs[0]))
    clock.tick(100)
    assert refs[0] in [one.ref for one in crm.changes("leads", told.cursor).records if not one.deleted]


# ── the account as a whole ───────────────────────────────────────────────────────────────────────


def test_a_wrong_token_pauses(connect: Callable[..., AmoCRM]) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op("leads", {})]), lambda: crm.changes("leads", "")):
        with pytest.raises(Pause, match="token"):
            call()


def test_a_token_revoked_midway_loses_no_outcome(crm: AmoCRM, account: Account) -> None:
    many = [Op("leads", sample(n), marker=f"L-{n}") for n in range(100)]
    real, account.access = account.access, account.access
    original = account.create

    def then_revoke(*given: Any) -> Any:
        account.access = set()
        return original(*given)

    account.create = then_revoke  # type: ignore[method-assign]
    outcomes = crm.write(many)
    account.access = real
    assert [type(one) for one in outcomes] == [Done] * 50 + [Failed] * 50
    assert isinstance(outcomes[99], Failed)
    assert isinstance(outcomes[99].error, Pause)


def test_an_unpaid_account_pauses(crm: AmoCRM, account: Account) -> None:
    account.fail("402")
    with pytest.raises(Pause, match="not paid"):
        crm.check()


def test_a_block_of_our_address_stops_the_whole_write(crm: AmoCRM, account: Account) -> None:
    account.fail("403")
    before = sum(account.calls.values())
    outcomes = crm.write([Op("leads", sample(n)) for n in range(120)])
    assert sum(account.calls.values()) == before + 1
    errors = [one.error for one in outcomes if isinstance(one, Failed)]
    assert len(errors) == 120
    assert all(isinstance(error, Retry) and error.after == 60 and not error.effect for error in errors)


def test_a_lost_half_keeps_the_certain_half(crm: AmoCRM, account: Account) -> None:
    account.fail("drop_after", path="leads/complex")
    outcomes = crm.write([with_contact(0), Op("leads", sample(1), marker="L-1")])
    assert [type(one) for one in outcomes] == [Lost, Done]


def test_the_declared_budget_never_meets_a_429() -> None:
    app = create_sandbox(clock=time.time, rate=7)
    with serving(app) as address:
        wire = Wire(Gate(AmoCRM.facts.budget), allow=[address.removeprefix("http://")], patience=30)
        crm = AmoCRM({"address": address}, {"token": TOKEN}, wire)
        for _ in range(15):
            crm.check()
        wire.close()
        assert app.state.refused == 0


@pytest.mark.parametrize(
    ("wish", "colour"),
    [
        ("#99ccff", "#98cbff"),
        ("#ff0000", "#ff8f92"),
        ("#00ff00", "#87f2c0"),
        ("#ffffff", "#f2f3f4"),
        ("#4a90d9", "#98cbff"),
        ("#000000", "#e6e8ea"),
        ("#fff000", "#fff000"),
    ],
)
def test_the_nearest_colour(wish: str, colour: str) -> None:
    assert nearest(wish) == colour
    assert all(nearest(one) == one for one in PALETTE)


@pytest.mark.parametrize("wish", ["", "red", "#12", "#12345g", "#1234567"])
def test_what_is_no_colour_is_refused(wish: str) -> None:
    with pytest.raises(Refuse, match="not a colour"):
        nearest(wish)


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────


def test_hooks_of_all_kinds(crm: AmoCRM, account: Account, ear: Ear) -> None:
    crm.provision([Step("hook", "create", {"address": ear.address})])
    [made] = crm.write([with_contact(1)])
    assert isinstance(made, Done)
    [firm] = crm.write([Op("companies", {"name": "Keller Ltd"})])
    assert isinstance(firm, Done)
    assert ear.heard.empty()  # of what was just made we want to hear nothing
    for kind, ref in (("leads", made.record.ref), ("contacts", made.includes[0].ref), ("companies", firm.record.ref)):
        account.edit(kind, int(ref), name="Changed")
    hints = [(h.kind, h.ref) for _ in range(3) for h in crm.touched(ear.hears())]
    assert set(hints) == {
        ("leads", made.record.ref),
        ("contacts", made.includes[0].ref),
        ("companies", firm.record.ref),
    }


@pytest.mark.parametrize("kind", ["leads", "contacts", "companies"])
def test_a_record_that_people_merged_away_is_gone(
    crm: AmoCRM, account: Account, clock: Clock, ear: Ear, kind: str
) -> None:
    """No payload of a merge is known: the loser is seen as deleted, by a hook and by its id, and never as merged."""
    made = crm.write([Op(kind, {"name": f"Keller {n}"}) for n in range(3)])
    keep, gone, other = (one.record.ref for one in made if isinstance(one, Done))
    clock.tick(200)
    cursor = crm.changes(kind, crm.changes(kind, "").cursor).cursor
    crm.provision([Step("hook", "create", {"address": ear.address})])
    account.merge(kind, int(keep), int(gone))
    assert {(one.kind, one.ref) for one in crm.touched(ear.hears())} == {(kind, keep), (kind, gone)}
    read = dict(zip((keep, gone, other), crm.get(kind, [keep, gone, other]), strict=True))
    assert read[keep] is not None is not read[other]
    assert read[gone] is None or (read[gone].deleted and not read[gone].merged_into)
    clock.tick(4000)
    told = crm.changes(kind, cursor).records
    assert keep in [one.ref for one in told if not one.deleted]
    assert [one.ref for one in told if one.deleted] == ([gone] if kind == "leads" else [])


# ── OAuth ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def oauth(served: tuple[Account, str]) -> Iterator[tuple[AmoCRM, Safe]]:
    account, address = served
    account.access = set()
    wire = Wire(allow=[address.removeprefix("http://")])
    settings = {"address": address, "client_id": "id", "redirect_uri": "https://hub.example.com/back"}
    grant = AmoCRM(settings, {"client_secret": "s"}, wire).grant()
    assert grant
    safe = Safe(Tokens("stale", "refresh-1", 0.0))
    yield AmoCRM(settings, {"client_secret": "s"}, Bearer(wire, grant, safe, lambda: 1_780_000_000.0)), safe
    wire.close()


def test_many_workers_refresh_once(oauth: tuple[AmoCRM, Safe], account: Account) -> None:
    crm, safe = oauth
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(crm.check().name)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == 8
    assert account.calls["POST /oauth2/access_token"] == 1
    account.access = set()  # taken away before its time
    assert crm.check().name
    assert safe.tokens.refresh in account.refresh


def test_the_third_refusal_pauses(oauth: tuple[AmoCRM, Safe], account: Account) -> None:
    crm, safe = oauth
    account.refresh = set()
    for _ in range(2):
        with pytest.raises(Retry, match="refused"):
            crm.check()
    for _ in range(2):
        with pytest.raises(Pause):
            crm.check()
    assert account.calls["POST /oauth2/access_token"] == 3
    safe.tokens = Tokens("fresh", "refresh-9", 1e12)
    account.access = {"fresh"}
    assert crm.check().name


def test_an_unanswered_refresh_means_the_call_was_not_sent(oauth: tuple[AmoCRM, Safe], account: Account) -> None:
    crm, safe = oauth
    safe.tokens = Tokens("stale", "refresh-1", 0.0)
    account.fail("html", path="/oauth2")
    [outcome] = crm.write([Op("leads", sample(1))])
    assert isinstance(outcome, Failed)
    assert not account.rows["leads"]


def test_a_path_that_is_gone_is_not_taken_for_bad_records(crm: AmoCRM, account: Account) -> None:
    account.fail("404", times=99, path="leads/complex")
    outcomes = crm.write([with_contact(n) for n in range(60)])
    assert all(isinstance(one, Failed) and isinstance(one.error, Retry) for one in outcomes)
    assert account.calls["POST leads/complex"] == 1


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_and_moves_cards(crm: AmoCRM, served: tuple[Account, str], wires: Wires) -> None:
    account, address = served
    [made] = crm.write([with_contact(7)])
    assert isinstance(made, Done)
    board = Board(wires(address), address)
    page = board.page()
    assert "Window 7" in page
    assert "+12025550007" in page
    main = account.pipelines.main
    assert board.move(made.record.ref, "142", main) == 204
    assert board.move(1, 2, 3) == 404
    [read] = crm.get("leads", [made.record.ref])
    assert read
    assert read.values["status_id"] == 142
    assert read.values["closed_at"]
