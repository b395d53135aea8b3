"""Tryton itself: the common contract, and what only it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import Done, Failed, Op
from connectors.crms.tryton import Tryton
from connectors.errors import Conflict, Missing, Pause, Refuse
from connectors.http import Wire
from connectors.testing.crm import CRMContract, Rig
from tests.real.tryton import DATABASE, PASSWORD, tryton_server
from tests.real.wire import Interposed

# The first preparation on a machine makes a schema: a minute or two where others work too.
pytestmark = pytest.mark.timeout(600)
LEAD, PARTY = "sale.opportunity", "party.party"
SECRETS = {"password": PASSWORD}


class Quick(Tryton):
    """Nobody else writes here and each write is one short transaction: no need to look back for a minute. Small pages
    make long scans of few records."""

    facts = replace(Tryton.facts, lag=0.3, batch=10)
    page = 10


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tryton_server(tmp_path_factory.mktemp("tryton")) as url:
        yield url


@pytest.fixture
def wire(address: str) -> Iterator[Interposed]:
    real = Wire(allow=[address.removeprefix("http://")], patience=0.1)
    yield Interposed(real)
    real.close()


@pytest.fixture
def crm(address: str, wire: Interposed) -> Tryton:
    made = Quick({"address": address, "database": DATABASE, "user": "admin"}, SECRETS, wire)
    empty(made)
    return made


def empty(crm: Tryton) -> None:
    """Nothing is left of the test before."""
    rpc = crm._rpc
    rows = rpc.call(f"model.{LEAD}.search_read", [], 0, None, None, ["state"])
    for state, button in (("lead", "cancel"), ("opportunity", "cancel"), ("lost", "lead")):
        if refs := [row["id"] for row in rows if row["state"] == state]:
            rpc.call(f"model.{LEAD}.{button}", refs)
            if button == "lead":
                rpc.call(f"model.{LEAD}.cancel", refs)
    if refs := [row["id"] for row in rows if row["state"] not in {"converted", "won"}]:
        rpc.call(f"model.{LEAD}.delete", refs)


def sample(n: int) -> dict[str, Any]:
    return {"description": f"Window {n}", "amount": f"{1000 + n}.50", "comment": "Two of them\nplease"}


def change(n: int) -> dict[str, Any]:
    return {"comment": f"Call at {n}"}


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: Tryton, wire: Interposed) -> Rig:
        crm.check()

        def person(method: str, ref: str, *params: Any) -> None:
            crm._rpc.call(f"model.{LEAD}.{method}", [int(ref)], *params)

        def delete(ref: str) -> None:
            person("cancel", ref)
            person("delete", ref)

        return Rig(
            crm,
            LEAD,
            sample,
            change,
            {"description": "Bad", "conversion_probability": 5},
            lambda ref, n: person("write", ref, change(n)),
            lambda seconds: time.sleep(min(seconds, 1.4)),
            lambda what, seconds: wire.fail(what),
            lambda: wire.calls,
            crm.page,
            delete=delete,
            real=True,
        )

    # There is nothing to set up, and there are no hooks.
    test_a_plan_can_be_taken_back = None
    test_a_hook_says_what_to_look_at = None
    test_hooks_get_lost_and_come_twice = None


# ── states are ways of buttons ───────────────────────────────────────────────────────────────────


def one(crm: Tryton, **values: Any) -> str:
    """An opportunity with a party."""
    party, lead = crm.write([Op(PARTY, {"name": "Anna"}, marker="C-1")])[0], None
    assert isinstance(party, Done)
    [lead] = crm.write(
        [Op(LEAD, {"description": "Balcony", **values}, marker="L-1", links={PARTY: (party.record.ref,)})]
    )
    assert isinstance(lead, Done), lead
    return lead.record.ref


def state(crm: Tryton, ref: str) -> Any:
    [record] = crm.get(LEAD, [ref])
    assert record is not None
    return record.values["state"]


def test_a_state_is_reached_from_every_other_or_refused(crm: Tryton) -> None:
    ref = one(crm)
    for target in ("opportunity", "lead", "lost", "opportunity", "cancelled", "lost", "lead", "converted"):
        [outcome] = crm.write([Op(LEAD, {"state": target}, ref=ref)])
        assert isinstance(outcome, Done), (target, outcome)
        assert state(crm, ref) == target
    for target in ("won", "lead", "lost"):
        [outcome] = crm.write([Op(LEAD, {"state": target}, ref=ref)])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Refuse)
        assert set(outcome.error.fields) == {"state"}
    assert state(crm, ref) == "converted"


def test_a_card_made_in_the_deal_block_stands_there(crm: Tryton) -> None:
    assert state(crm, one(crm, state="converted")) == "converted"


def test_a_card_that_cannot_go_so_far_is_told_as_it_is(crm: Tryton) -> None:
    [outcome] = crm.write([Op(LEAD, {"description": "Nobody", "state": "opportunity"}, marker="L-2")])
    assert isinstance(outcome, Done)
    assert outcome.echoed
    assert outcome.record.values["state"] == "lead"
    assert "Balcony" not in str(outcome)


def test_values_go_before_the_closing_and_after_the_reopening(crm: Tryton) -> None:
    ref = one(crm)
    for target, text in (("lost", "Too dear"), ("lead", "Back again"), ("opportunity", "On"), ("cancelled", "Off")):
        [outcome] = crm.write([Op(LEAD, {"state": target, "comment": text}, ref=ref)])
        assert isinstance(outcome, Done), outcome
        [read] = crm.get(LEAD, [ref])
        assert read is not None
        assert (read.values["state"], read.values["comment"]) == (target, text)


def test_a_closed_record_refuses_by_the_names_of_fields_and_keeps_its_marker_writable(crm: Tryton) -> None:
    ref = one(crm, state="lost")
    wish = {"description": "New", "comment": "New", "lost_reason": "Price"}
    [outcome] = crm.write([Op(LEAD, wish, ref=ref)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Refuse)
    assert set(outcome.error.fields) <= {"description", "comment"} != set()
    assert "Balcony" not in str(outcome.error)
    assert "L-1" not in str(outcome.error)
    [outcome] = crm.write([Op(LEAD, {"reference": "L-9", "lost_reason": "Price"}, ref=ref)])
    assert isinstance(outcome, Done)


def test_many_states_travel_in_few_calls(crm: Tryton, wire: Interposed) -> None:
    refs = [one(crm) for _ in range(8)]
    before = wire.calls
    outcomes = crm.write([Op(LEAD, {"state": "converted", "comment": str(n)}, ref=ref) for n, ref in enumerate(refs)])
    assert all(isinstance(outcome, Done) for outcome in outcomes)
    assert wire.calls - before == 4  # what they are, the values, two buttons
    assert {state(crm, ref) for ref in refs} == {"converted"}


def test_a_record_changed_meanwhile_is_a_conflict(crm: Tryton) -> None:
    ref = one(crm)
    [old] = crm.get(LEAD, [ref])
    assert old is not None
    crm.write([Op(LEAD, {"comment": "by somebody"}, ref=ref)])
    [outcome] = crm.write([Op(LEAD, {"comment": "by us"}, ref=ref, version=old.version)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, Conflict)
    [new] = crm.get(LEAD, [ref])
    assert new is not None
    [outcome] = crm.write([Op(LEAD, {"comment": "by us"}, ref=ref, version=new.version)])
    assert isinstance(outcome, Done)


def test_what_is_gone_is_missing(crm: Tryton) -> None:
    for wish in ({"comment": "x"}, {"state": "lost"}):
        [outcome] = crm.write([Op(LEAD, wish, ref="987654321")])
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Missing)


# ── parties ──────────────────────────────────────────────────────────────────────────────────────


def cells(code: str, *values: str) -> list[dict[str, str]]:
    return [{"value": value, "enum_code": code} for value in values]


def party(crm: Tryton, marker: str) -> str:
    values = {"name": "Ivan", "phone": cells("mobile", "8 (916) 123-45-67"), "email": cells("email", "Ivan@okna.test")}
    [outcome] = crm.write([Op(PARTY, values, marker=marker)])
    assert isinstance(outcome, Done), outcome
    return outcome.record.ref


def test_a_contact_is_found_by_marker_phone_and_mail(crm: Tryton) -> None:
    ref = party(crm, "C-find")
    party(crm, "C-other")
    for keys in ({"marker": "C-find"}, {"phone": "+79161234567"}, {"email": "ivan@OKNA.test"}):
        found = crm.find(PARTY, keys)
        assert ref in [one.ref for one in found], keys
    assert [one.values["hub_id"] for one in crm.find(PARTY, {"marker": "C-find"})] == ["C-find"]
    for keys in ({"phone": "+79161234568"}, {"email": "van@okna.test"}, {"email": "iva_@okna.test"}, {"phone": "x"}):
        assert not crm.find(PARTY, keys), keys
    assert not crm.find(LEAD, {"phone": "+79161234567"})


def test_phones_are_added_and_archived_and_their_rows_stay(crm: Tryton) -> None:
    ref = party(crm, "C-phones")
    wish = [*cells("mobile", "8 (916) 123-45-67"), *cells("phone", "+74957654321")]
    [outcome] = crm.write([Op(PARTY, {"phone": wish}, ref=ref)])
    assert isinstance(outcome, Done)
    [read] = crm.get(PARTY, [ref])
    assert read is not None
    assert read.values["phone"] == wish
    crm.write([Op(PARTY, {"phone": wish[1:], "email": None}, ref=ref)])
    [read] = crm.get(PARTY, [ref])
    assert read is not None
    assert (read.values["phone"], read.values["email"]) == (wish[1:], [])
    rows = crm._rpc.call("model.party.contact_mechanism.search", [["party", "=", int(ref)]], 0, None, None)
    assert len(rows) == 3, "sales may refer to them"


def test_a_phone_edited_in_its_own_window_is_a_change_of_the_party(crm: Tryton) -> None:
    ref = party(crm, "C-window")
    time.sleep(2.5)
    cursor = crm.changes(PARTY, "").cursor
    while (told := crm.changes(PARTY, cursor)).more:
        cursor = told.cursor
    cursor = told.cursor
    assert ref not in [one.ref for one in crm.changes(PARTY, cursor).records]
    [row] = crm._rpc.call("model.party.contact_mechanism.search", [["party", "=", int(ref)], ["type", "=", "email"]],
                          0, None, None)  # fmt: skip
    crm._rpc.call("model.party.contact_mechanism.write", [row], {"value": "new@okna.test"})
    assert ref in [one.ref for one in crm.changes(PARTY, cursor).records]


def test_an_archived_party_is_no_live_one(crm: Tryton) -> None:
    ref = party(crm, "C-old")
    crm._rpc.call(f"model.{PARTY}.write", [int(ref)], {"active": False})
    [read] = crm.get(PARTY, [ref])
    assert read is not None
    assert read.deleted
    assert not crm.find(PARTY, {"marker": "C-old"})


# ── the account ──────────────────────────────────────────────────────────────────────────────────


def test_a_note_hangs_on_its_record(crm: Tryton) -> None:
    ref = one(crm)
    [outcome] = crm.write([Op("ir.note", {"message": "Called back"}, links={LEAD: (ref,)})])
    assert isinstance(outcome, Done)
    [read] = crm.get("ir.note", [outcome.record.ref])
    assert read is not None
    assert (read.values["message"], read.links) == ("Called back", {LEAD: (ref,)})


def test_the_account_is_its_company_and_its_people(crm: Tryton) -> None:
    assert crm.check().name == "Northwind Windows"
    schema = crm.describe()
    assert {user.email for user in schema.users} >= {"user504101@example.com", "user504102@example.com"}
    [pipeline] = schema.pipelines
    assert [stage.ref for stage in pipeline.stages] == ["lead", "opportunity", "converted", "won", "lost", "cancelled"]
    assert all(stage.fixed for stage in pipeline.stages)


@pytest.mark.parametrize(
    ("settings", "secrets"), [({"database": "nowhere"}, SECRETS), ({}, {"password": "wrong"}), ({"user": "x"}, SECRETS)]
)
def test_what_a_person_must_put_right_is_said(
    address: str, wire: Interposed, settings: dict[str, str], secrets: dict[str, str]
) -> None:
    made = Tryton({"address": address, "database": DATABASE, "user": "admin", **settings}, secrets, wire)
    with pytest.raises(Pause):
        made.check()


def test_a_session_the_server_forgot_is_opened_again(crm: Tryton) -> None:
    crm.check()
    crm._rpc._session = crm._rpc._session[:-4] + "AAAA"
    assert crm.check().name == "Northwind Windows"
