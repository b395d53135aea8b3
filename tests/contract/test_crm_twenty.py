"""Twenty against its strict stand-in: the common contract, and what only Twenty does; examples stay outside."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Done, Evidence, Failed, Hint, Lost, Op, Outcome, Raw, Record, Schema, Step
from connectors.crms.twenty import Twenty
from connectors.crms.twenty.colours import COLOURS, nearest
from connectors.crms.twenty.sandbox import Workspace, create_sandbox, serving
from connectors.crms.twenty.sandbox.state import signature
from connectors.crms.twenty.shape import flat, nested, ours, ref_of, theirs
from connectors.errors import Missing, Pause, Refuse, Retry, Unverified
from connectors.http import Gate, Wire
from connectors.testing.crm import AT, CRMContract, Rig
from connectors.testing.farside import Board, Clock, Ear, Wires, done
from tests.contract.lenses import LEAD, PERSON, reads_the_same

TOKEN = "sandbox-token"
SECRET = "hook-secret"
SAMPLES = Path(__file__).parents[2].parent / "shared/facts/crm/samples/twenty"
captured = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages of Twenty are not here")


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Workspace, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def space(served: tuple[Workspace, str]) -> Workspace:
    return served[0]


@pytest.fixture
def connect(served: tuple[Workspace, str], wires: Wires) -> Callable[..., Twenty]:
    def make(token: str = TOKEN) -> Twenty:
        return Twenty({"address": served[1]}, {"token": token, "hook_secret": SECRET}, wires(served[1]))

    return make


@pytest.fixture
def crm(connect: Callable[..., Twenty], space: Workspace) -> Twenty:
    made = connect()
    made.provision([Step("field", "create", {"name": "Form", "code": "hub_form"}, under="opportunities")])
    space.calls.clear()
    return made


def sample(n: int) -> dict[str, Any]:
    return {"name": f"Window {n}", "amount": str(1000 + n), "hub_form": f"form {n}"}


def steps(schema: Schema) -> list[Step]:
    [row] = schema.pipelines
    third = row.stages[2]
    return [
        Step("stage", "create", {"name": "Qualified", "position": 15, "colour": "#1961ed"}, under=""),
        Step("stage", "create", {"name": "Junk", "position": 16, "colour": "#b3b3b3", "final": "lost"}, under=""),
        Step("field", "create", {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": ["lead", "deal"]},
             under="opportunities"),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
        Step("stage", "change", {"name": "Offer made", "colour": "#55ef3c"}, ref=third.ref, under="",
             before={"name": third.name, "colour": third.colour}),
    ]  # fmt: skip


class Numbered(Twenty):
    """The suite asks for records 1 and 999999999; here they have ids of Twenty's form."""

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        return super().get(kind, [str(uuid.UUID(int=int(ref))) if ref.isdecimal() else ref for ref in refs])


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: Twenty, space: Workspace, clock: Clock, ear: Ear) -> Rig:
        space.lag = crm.facts.lag - 1
        crm = Numbered(crm.settings, crm.secrets, crm.http)

        def subscribe() -> None:
            crm.provision([Step("hook", "create", {"address": ear.address})])

        def fail(what: str, seconds: float) -> None:
            space.fail("drop_after" if what == "lost" else what, seconds=seconds)

        return Rig(
            crm,
            "opportunities",
            sample,
            lambda n: {"amount": str(50_000 + n)},
            {"name": "Bad", "stage": "NOWHERE"},
            lambda ref, n: space.edit("opportunities", ref, amount={"amountMicros": (50_000 + n) * 1_000_000}),
            clock.tick,
            fail,
            lambda: sum(space.calls.values()),
            60,
            steps,
            subscribe,
            ear.hears,
            lambda ref: space.delete("opportunities", ref),
            space.postman.trouble,
        )


def person(n: int) -> dict[str, Any]:
    return {
        "name.firstName": "Nora",
        "name.lastName": f"Feld {n}",
        "phones": [{"value": f"+1202555{n:04}", "enum_code": "primary"}],
        "emails": [{"value": f"person{n}@feld.test", "enum_code": "primary"}],
    }


def with_contact(n: int) -> Op:
    return Op("opportunities", sample(n), marker=f"L-{n}", includes=(Op("people", person(n), marker=f"C-{n}"),))


def failed(outcome: Outcome) -> Exception:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def test_a_thousand_leads_with_contacts_are_34_calls(crm: Twenty, space: Workspace) -> None:
    outcomes = crm.write([with_contact(n) for n in range(1000)])
    assert sum(space.calls.values()) == 34
    lead = outcomes[777]
    assert isinstance(lead, Done)
    [read] = crm.get("opportunities", [lead.record.ref])
    [who] = crm.get("people", [lead.includes[0].ref])
    assert read
    assert who
    assert read.links["people"] == (who.ref,)
    assert who.values["phones"] == person(777)["phones"]
    assert who.values["emails"] == person(777)["emails"]


def test_a_thousand_changes_are_seventeen_pages_and_the_bin_is_read_hourly(
    crm: Twenty, space: Workspace, clock: Clock
) -> None:
    made = {one.ref for one in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(1000)]))}
    clock.tick(60)
    space.calls.clear()
    found: set[str] = set()
    cursor, more = "", True
    while more:
        page = crm.changes("opportunities", cursor)
        found |= {one.ref for one in page.records}
        cursor, more = page.cursor, page.more
    assert found == made
    assert space.calls == {"GET rest/opportunities": 17}
    looks = []
    for _ in range(4):
        space.calls.clear()
        told = crm.changes("opportunities", cursor)
        cursor = crm.changes("opportunities", told.cursor).cursor if told.more else told.cursor
        looks.append(sum(space.calls.values()))
        clock.tick(1300)
    assert looks == [2, 1, 1, 2]
    crm.delete("opportunities", [min(made)])
    for hour in (1, 2):
        clock.tick(3600)
        told = crm.changes("opportunities", cursor)
        assert told.more
        told = crm.changes("opportunities", told.cursor)
        assert [one.ref for one in told.records if one.deleted] == ([min(made)] if hour == 1 else [])
        cursor = told.cursor


@pytest.mark.parametrize("fault", ["drop_after", "500_after"])
def test_a_create_may_be_repeated(crm: Twenty, space: Workspace, fault: str) -> None:
    ops = [with_contact(n) for n in range(5)]
    space.fail(fault, path="rest/batch/opportunities")
    assert all(isinstance(one, Lost) for one in crm.write(ops))
    first, again = done(crm.write(ops)), done(crm.write(ops))
    assert [one.ref for one in first] == [one.ref for one in again]
    assert len(space.rows["opportunities"]) == len(space.rows["people"]) == 5


def test_creates_without_marker_are_never_the_same(crm: Twenty, space: Workspace) -> None:
    done(crm.write([Op("opportunities", sample(1)), Op("opportunities", sample(1))]))
    done(crm.write([Op("opportunities", sample(1))]))
    assert len(space.rows["opportunities"]) == 3


def test_a_person_with_this_email_is_taken(crm: Twenty, space: Workspace) -> None:
    theirs_ = space.create("people", {"emails": {"primaryEmail": "person1@feld.test"}, "jobTitle": "Head"})
    lead, other = crm.write([with_contact(1), with_contact(2)])
    assert isinstance(lead, Done)
    assert isinstance(other, Done)
    assert lead.includes[0].ref == theirs_["id"]
    assert lead.includes[0].values["jobTitle"] == "Head"
    assert lead.record.links["people"] == (theirs_["id"],)


def test_two_with_one_email_are_one_and_the_same(crm: Twenty, space: Workspace) -> None:
    one, two = done(crm.write([Op("people", person(1), marker=f"C-{n}") for n in range(2)]))
    assert one.ref == two.ref
    assert len(space.rows["people"]) == 1
    assert space.calls == {"POST rest/batch/people": 2}  # together they would be refused


def test_the_same_change_of_many_is_one_call(crm: Twenty, space: Workspace) -> None:
    refs = [one.ref for one in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(50)]))]
    space.calls.clear()
    done(crm.write([Op("opportunities", {"stage": "MEETING"}, ref=ref) for ref in refs]))
    assert space.calls == {"PATCH rest/opportunities": 1}
    assert {row["stage"] for row in space.rows["opportunities"].values()} == {"MEETING"}


def test_updates_of_one_record_keep_their_order(crm: Twenty, space: Workspace) -> None:
    one, two = (o.ref for o in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(2)])))
    amounts = [(one, "1"), (two, "2"), (one, "2"), (one, "1"), (two, "1"), (two, "3")]
    done(crm.write([Op("opportunities", {"amount": amount}, ref=ref) for ref, amount in amounts]))
    assert [read and read.values["amount"] for read in crm.get("opportunities", [one, two])] == ["1", "3"]


def test_an_update_brings_nothing_back(crm: Twenty, space: Workspace) -> None:
    refs = [one.ref for one in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(4)]))]
    space.delete("opportunities", refs[1])
    space.destroy("opportunities", refs[2])
    for some in (refs, refs[1:2], refs[2:3]):
        for ref, outcome in zip(
            some, crm.write([Op("opportunities", {"stage": "NEW"}, ref=r) for r in some]), strict=True
        ):
            if ref in refs[1:3]:
                assert isinstance(failed(outcome), Missing)
            else:
                assert isinstance(outcome, Done)
    assert space.rows["opportunities"][refs[1]]["deletedAt"]
    assert refs[2] not in space.rows["opportunities"]


def test_a_server_without_the_call_for_many_is_asked_one_by_one(crm: Twenty, space: Workspace) -> None:
    refs = [one.ref for one in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(3)]))]
    space.fail("404", times=2, method="PATCH")
    outcomes = crm.write([Op("opportunities", {"stage": "MEETING"}, ref=ref) for ref in refs])
    assert [type(one) for one in outcomes] == [Failed, Done, Done]  # the second refusal met the first one alone


def test_a_refused_field_is_named(crm: Twenty) -> None:
    bad = Op("people", {**person(1), "emails": [{"value": "x@"}]}, marker="C-1")
    outcomes = crm.write([Op("people", person(0), marker="C-0"), bad, Op("people", person(2), marker="C-2")])
    error = failed(outcomes[1])
    assert isinstance(error, Refuse)
    assert list(error.fields) == ["emails"]
    done([outcomes[0], outcomes[2]])
    [outcome] = crm.write([Op("people", {"hub_nothing": "x", "name.lastName": "y"}, marker="C-9")])
    error = failed(outcome)
    assert isinstance(error, Refuse)
    assert list(error.fields) == ["hub_nothing"]


@pytest.mark.parametrize(
    "op",
    [
        Op("opportunities", {"name": "x"}, ref="abc"),
        Op("leads", {"name": "x"}),
        Op("opportunities", {"amount": "ten"}),
        Op("opportunities", {"name": {"a": 1}}),
        Op("opportunities", {"name": "x"}, links={"people": ("5",)}),
        Op("opportunities", {"name": "x"}, links={"tasks": (str(uuid.uuid4()),)}),
        Op("opportunities", {"name": "x"}, includes=(Op("notes", {"title": "x"}),)),
    ],
)
def test_what_twenty_has_no_words_for_is_refused_alone(crm: Twenty, op: Op) -> None:
    bad, good = crm.write([op, Op("opportunities", sample(1), marker="L-1")])
    assert isinstance(failed(bad), Refuse)
    assert isinstance(good, Done)


def test_fields_are_cleared_and_lists_are_whole(crm: Twenty) -> None:
    phones = [{"value": f"+1202555011{n}", "enum_code": "primary"} for n in range(3)]
    [made] = done(crm.write([Op("people", {**person(1), "phones": phones, "jobTitle": "Head"}, marker="C-1")]))
    [read] = crm.get("people", [made.ref])
    assert read
    assert [one["value"] for one in read.values["phones"]] == [one["value"] for one in phones]
    done(crm.write([Op("people", {"phones": [phones[2]], "jobTitle": None}, ref=made.ref)]))
    [read] = crm.get("people", [made.ref])
    assert read
    assert [one["value"] for one in read.values["phones"]] == [phones[2]["value"]]
    assert read.values["jobTitle"] is None
    assert read.values["name.firstName"] == "Nora"


def test_notes_and_tasks_hang_on_their_records(crm: Twenty, space: Workspace) -> None:
    who, card = done(crm.write([Op("people", person(1), marker="C"), Op("opportunities", sample(1), marker="L")]))
    links = {"people": (who.ref,), "opportunities": (card.ref,)}
    note = Op(crm.note_kind, {"title": "Call", "body": "Called back"}, marker="N-1", links=links)
    task = Op(crm.task_kind, {"title": "Send the offer"}, marker="T-1", links=links)
    done(crm.write([note, task]))
    done(crm.write([note, task]))
    assert len(space.rows["notes"]) == len(space.rows["tasks"]) == 1
    targets = [*space.rows["noteTargets"].values(), *space.rows["taskTargets"].values()]
    assert sorted(str(one["personId"] or one["opportunityId"]) for one in targets) == sorted([who.ref, card.ref] * 2)
    space.fail("500", path="rest/batch/noteTargets")
    assert isinstance(crm.write([note])[0], Lost)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_no_money_is_lost_on_the_way(amount: Any) -> None:
    sent = nested("opportunities", {"amount": str(amount)}, {})
    read = flat("opportunities", {"id": "x", **sent}).values["amount"]
    assert float(read) == float(amount)
    assert nested("opportunities", {"amount": read}, {}) == sent


@pytest.mark.parametrize("name", ["hub_text", "hub_first_source", "name", "jobTitle", "hubris"])
def test_names_come_back_as_they_were(name: str) -> None:
    assert ours(theirs(name)) == name


def test_the_hubs_own_uuid_is_the_id() -> None:
    mine = str(uuid.uuid4())
    assert ref_of("people", mine) == mine
    assert ref_of("people", "L-1") != ref_of("opportunities", "L-1")


# ── finding, deleting ────────────────────────────────────────────────────────────────────────────


def test_people_are_found_by_phone_and_mail_and_nothing_looser(crm: Twenty) -> None:
    done(crm.write([Op("people", person(n), marker=f"C-{n}") for n in range(3)]))
    done(crm.write([Op("people", {"name.lastName": "called +12025550001"}, marker="C-9")]))
    done(crm.write([Op("people", {"phones": [{"value": "+13035550001"}]}, marker="C-8")]))
    [by_phone] = crm.find("people", {"phone": "+1 (202) 555-0001"})
    [by_mail] = crm.find("people", {"email": "Person1@Feld.test"})
    assert by_phone.ref == by_mail.ref
    assert by_phone.values["name.lastName"] == "Feld 1"
    for odd in ("person", 'a"@b,(c)', "%@%", ""):
        assert crm.find("people", {"email": odd}) == []
    assert crm.find("people", {"phone": "55"}) == []


def test_we_delete_into_the_bin(crm: Twenty, space: Workspace, clock: Clock) -> None:
    one, two = (o.ref for o in done(crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(2)])))
    crm.delete("opportunities", [one, str(uuid.uuid4())])
    assert space.rows["opportunities"][one]["deletedAt"]
    reads = crm.get("opportunities", [one, two])
    assert [bool(read and read.deleted) for read in reads] == [True, False]
    assert crm.find("opportunities", {"marker": "L-0"}) == []


# ── set-up ───────────────────────────────────────────────────────────────────────────────────────


def test_two_blocks_in_their_colours(crm: Twenty, space: Workspace) -> None:
    wishes = [("Lead new", "#00e0ff", ""), ("Lead junk", "#b3b3b3", "lost"), ("Paid", "#55ef3c", "won")]
    refs = crm.provision([
        Step("stage", "create", {"name": name, "position": 10 + n, "colour": colour, "final": final})
        for n, (name, colour, final) in enumerate(wishes)
    ])  # fmt: skip
    assert refs == ["HUB_LEAD_NEW", "HUB_LOST_LEAD_JUNK", "HUB_WON_PAID"]
    [row] = crm.describe().pipelines
    assert [(one.name, one.colour, one.final) for one in row.stages[-3:]] == wishes
    assert row.ref == ""
    [made] = done(crm.write([Op("opportunities", {**sample(1), "stage": refs[0]}, marker="L-1")]))
    for step in (Step("stage", "remove", {}, ref=refs[0]), Step("pipeline", "remove", {}, ref="")):
        with pytest.raises(Refuse, match="move them first"):
            crm.provision([step])
    space.drag_card(made.ref, "NEW")
    crm.provision([Step("pipeline", "remove", {}, ref="")])
    assert [one.ref for one in crm.describe().pipelines[0].stages] == [
        "NEW",
        "SCREENING",
        "MEETING",
        "PROPOSAL",
        "CUSTOMER",
    ]


@pytest.mark.parametrize(("wish", "name"), [("#1961ED", "blue"), ("#888888", "gray"), ("#ff0000", "red")])
def test_the_nearest_colour(wish: str, name: str) -> None:
    assert nearest(wish) == name
    assert all(nearest(paint) == one for one, paint in COLOURS.items())
    with pytest.raises(Refuse, match="not a colour"):
        nearest("red")


# ── the account as a whole ───────────────────────────────────────────────────────────────────────


def test_a_wrong_key_pauses(connect: Callable[..., Twenty]) -> None:
    crm = connect(token="revoked")
    for call in (crm.check, crm.describe, lambda: crm.write([Op("people", {})]), lambda: crm.changes("people", "")):
        with pytest.raises(Pause, match="API key"):
            call()


def test_too_many_calls_stop_the_whole_write(crm: Twenty, space: Workspace) -> None:
    space.fail("429")
    outcomes = crm.write([Op("opportunities", sample(n), marker=f"L-{n}") for n in range(150)])
    errors = [failed(one) for one in outcomes]
    assert all(isinstance(error, Retry) and error.after == 60 and not error.effect for error in errors)
    assert sum(space.calls.values()) == 1


def test_a_lost_half_keeps_the_certain_half(crm: Twenty, space: Workspace) -> None:
    space.fail("drop_after", path="rest/batch/people")
    person_, card = crm.write([Op("people", person(1), marker="C"), Op("opportunities", sample(1), marker="L")])
    assert isinstance(person_, Lost)
    assert isinstance(card, Done)


def test_the_declared_budget_never_meets_a_429() -> None:
    app = create_sandbox(clock=time.time, rate=2)
    with serving(app) as address:
        wire = Wire(Gate(Twenty.facts.budget), allow=[address.removeprefix("http://")], patience=0.05)
        crm = Twenty({"address": address}, {"token": TOKEN}, wire)
        for _ in range(90):
            crm.check()
        with pytest.raises(Retry, match="budget"):
            crm.check()
        wire.close()


STRANGE: list[Any] = [
    [], {}, None, 5, "x", {"data": None}, {"data": []}, {"data": {}}, {"data": {"people": None}},
    {"data": {"x": [None, 5]}},
    {"data": {"x": [{"id": 5}, {"id": "x", "emails": 7, "phones": []}]}}, {"data": {"x": {"id": []}}, "pageInfo": 5},
    {"data": {"x": [{"id": str(uuid.UUID(int=1)), "amount": {"amountMicros": "a"}, "emails": {"additionalEmails": 5},
                     "phones": {"additionalPhones": [5]}, "updatedAt": 7}]}, "pageInfo": {"hasNextPage": "yes"}},
    {"data": {"objects": [{"namePlural": kind, "fields": [5, {"name": "stage", "options": [7]}]} for kind in
                          ("opportunities", "people", "companies")]}},
    {"messages": 7}, {"messages": [None]},
]  # fmt: skip


class Odd:
    """An `Http` that always answers the same."""

    def __init__(self, told: Any, status: int) -> None:
        self.body, self.status = json.dumps(told).encode(), status
        self.headers = {"date": "Mon, 02 Mar 2026 09:00:00 GMT"}

    def json(self) -> Any:
        return json.loads(self.body)

    def send(self, *_: Any, **__: Any) -> Odd:
        return self


@pytest.mark.parametrize("status", [200, 201, 400, 404, 418])
@pytest.mark.parametrize("told", STRANGE, ids=range(len(STRANGE)))
def test_no_answer_breaks_us(told: Any, status: int) -> None:
    crm = Twenty({}, {"token": TOKEN}, Odd(told, status))
    ref = str(uuid.UUID(int=1))
    ops = [Op("opportunities", sample(1), marker=ref), Op("people", person(1), marker="C-1"), Op("people", {}, ref=ref)]
    assert len(crm.write(ops)) == 3
    reads: list[Callable[[], Any]] = [
        crm.check, crm.describe, lambda: crm.changes("people", ""), lambda: crm.get("people", [ref]),
        lambda: crm.find("people", {"phone": "+12025550001"}),
        lambda: crm.provision([Step("stage", "create", {"name": "New"})]),
    ]  # fmt: skip
    for read in reads:
        try:
            read()
        except (Retry, Pause, Refuse, Missing) as error:
            assert str(error)  # noqa: PT017


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────

REF = "ddf7f0f1-3e0a-4b9f-9b0e-2f4a5e0f0001"
BODY = json.dumps({"eventName": "person.updated", "record": {"id": REF}}).encode()


def hook(body: bytes = BODY, secret: str = SECRET, at: float = AT.timestamp(), **headers: Any) -> Raw:
    signed = {name.lower(): value for name, value in signature(secret, BODY, at).items()}
    return Raw(body, AT, {**signed, **{f"x-twenty-webhook-{name}": value for name, value in headers.items()}})


def test_a_signed_hook_is_read_in_both_spellings(connect: Callable[..., Twenty]) -> None:
    assert connect().touched(hook()) == [Hint("people", REF)]
    body = json.dumps({"event": "person.updated", "data": {"id": REF}}).encode()
    headers = {name.lower(): value for name, value in signature(SECRET, body, AT.timestamp()).items()}
    assert connect().touched(Raw(body, AT, headers)) == [Hint("people", REF)]


@pytest.mark.parametrize(
    "raw",
    [
        hook(BODY + b" "),
        hook(secret="other"),
        hook(at=AT.timestamp() - 301),
        hook(at=AT.timestamp() + 301),
        hook(timestamp="²"),
        hook(signature="é"),
        Raw(BODY, AT),
    ],
)
def test_what_is_not_signed_right_is_not_believed(connect: Callable[..., Twenty], raw: Raw) -> None:
    with pytest.raises(Unverified):
        connect().touched(raw)


def test_without_a_secret_nothing_is_believed() -> None:
    with pytest.raises(Unverified, match="secret"):
        Twenty({}, {"token": TOKEN}, Wire()).touched(hook(secret=""))


@pytest.mark.parametrize(
    "told",
    [
        {"eventName": 7},
        {"eventName": "person.x", "record": []},
        {"event": "note.x", "data": {}},
        {"eventName": "person.updated", "record": {"id": "1 or 1"}},
    ],
)
def test_strange_hooks_are_passed_over(connect: Callable[..., Twenty], told: Any) -> None:
    assert connect().touched(Raw(json.dumps(told).encode(), AT)) == []
    assert connect().touched(Raw(b"[" * 200_000, AT)) == []


# ── captured messages ────────────────────────────────────────────────────────────────────────────


def told_by(name: str) -> Any:
    return json.loads((SAMPLES / name).read_bytes())


def test_it_claims_no_more_than_this() -> None:
    assert Twenty.evidence is Evidence.DOCUMENTED


@captured
def test_a_captured_page() -> None:
    told = told_by("people_list.json")
    page = Twenty({}, {"token": TOKEN}, Odd(told, 200)).changes("people", "")
    [row] = told["data"]["people"]
    [record] = page.records
    assert record.ref == row["id"]
    assert record.values["name.firstName"] == row["name"]["firstName"]
    assert record.values["emails"] == [{"value": row["emails"]["primaryEmail"], "enum_code": "primary"}]
    number = row["phones"]["primaryPhoneCallingCode"] + row["phones"]["primaryPhoneNumber"]
    assert record.values["phones"] == [{"value": number, "enum_code": "primary"}]
    assert record.updated_at == datetime.fromisoformat(row["updatedAt"])


@captured
def test_a_captured_hook_and_its_signature() -> None:
    vector = told_by("webhook_signature_vector.json")
    headers = {name.lower(): value for name, value in vector.items() if name.startswith("X-")}
    at = datetime.fromtimestamp(int(headers["x-twenty-webhook-timestamp"]) / 1000 + 5, UTC)
    crm = Twenty({}, {"token": TOKEN, "hook_secret": vector["secret"]}, Wire())
    body = vector["raw_body"].encode()
    assert crm.touched(Raw(body, at, headers)) == [Hint("opportunities", told_by("webhook.json")["record"]["id"])]
    with pytest.raises(Unverified):
        crm.touched(Raw(body.replace(b"NEW", b"WON"), at, headers))


# ── with its mapping ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "kind", "told"), [("lead", "opportunities", LEAD), ("contact", "people", PERSON)])
def test_what_the_mapping_writes_reads_the_same(crm: Twenty, role: str, kind: str, told: dict[str, Any]) -> None:
    reads_the_same(crm, role, kind, told)


# ── the board ────────────────────────────────────────────────────────────────────────────────────


def test_the_board_shows_and_moves_cards(crm: Twenty, served: tuple[Workspace, str], wires: Wires) -> None:
    _, address = served
    [made] = done(crm.write([with_contact(7)]))
    board = Board(wires(address), address)
    page = board.page()
    assert "Window 7" in page
    assert "+12025550007" in page
    assert board.move(made.ref, "CUSTOMER", "") == 204
    assert board.move(1, 2, 3) == 404
    [read] = crm.get("opportunities", [made.ref])
    assert read
    assert read.values["stage"] == "CUSTOMER"
