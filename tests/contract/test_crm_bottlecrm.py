"""BottleCRM against its stand-in: the common contract. What only it does is tried on BottleCRM itself (tests/real)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors.contract import Done, Op, Schema, Step
from connectors.crms.bottlecrm import BottleCRM, scan
from connectors.crms.bottlecrm.sandbox import Account, create_sandbox, serving
from connectors.errors import Retry
from connectors.testing.crm import CRMContract, Rig
from connectors.testing.farside import Clock, Ear, Wires

LEADS, DEALS, CONTACTS = "leads", "opportunities", "contacts"


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def crm(served: tuple[Account, str], wires: Wires) -> BottleCRM:
    return BottleCRM({"address": served[1]}, {"token": "sandbox-token"}, wires(served[1]))


def sample(n: int) -> dict[str, Any]:
    return {"title": f"Window {n}", "opportunity_amount": f"{1000 + n}.50"}


def steps(schema: Schema) -> list[Step]:
    main = next(one for one in schema.pipelines if one.main and one.kind == DEALS)
    return [
        Step("stage", "create", {"name": "Замер", "position": 15}, under=main.ref),
        Step("field", "create", {"name": "Block", "type": "text", "code": "hub_block"}, under=LEADS),
        Step("pipeline", "create", {"name": "Deals of the hub"}),
        Step("stage", "change", {"name": "Offer made"}, ref="PROPOSAL", under=main.ref, before={"name": "Proposal"}),
    ]


class TestContract(CRMContract):
    @pytest.fixture
    def rig(
        self, crm: BottleCRM, account: Account, clock: Clock, ear: Ear,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Rig:  # fmt: skip
        monkeypatch.setattr(crm, "page", 100)
        account.lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            if what in {"lost", "500_after"}:  # a call for each of the two records
                account.faults.order("drop_after" if what == "lost" else what, 2, method="POST")
            else:
                account.faults.order(what, seconds=seconds)

        def subscribe() -> None:
            account.hooks.append({"url": ear.address, "secret": "whsec_test"})
            crm.secrets = {**crm.secrets, "hook_secret": "whsec_test"}

        return Rig(
            crm,
            LEADS,
            sample,
            lambda n: {"description": f"Call at {n}"},
            {"title": "Bad", "probability": 500},
            lambda ref, n: account.edit(LEADS, ref, description=f"Call at {n}"),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            crm.page,
            steps,
            subscribe,
            ear.hears,
            lambda ref: account.delete(LEADS, ref),
            account.postman.trouble,
        )


def test_the_feed_is_read_while_leads_leave_the_list(crm: BottleCRM, account: Account, clock: Clock) -> None:
    one, two = (account.create(LEADS, sample(n)) for n in range(2))
    clock.tick(600)
    cursor = crm.changes(LEADS, "").cursor
    for seconds, feeds in ((0, 1), (600, 0), (600, 0)):
        clock.tick(seconds)
        account.calls.clear()
        cursor = crm.changes(LEADS, cursor).cursor
        assert sum(account.calls.values()) == 1 + feeds
    account.delete(LEADS, one)
    told = crm.changes(LEADS, cursor)
    assert [record.ref for record in told.records if record.deleted] == [one]
    again = crm.changes(LEADS, told.cursor)  # whose entry in the feed may come late
    assert [record.ref for record in again.records if record.deleted] == [one]
    clock.tick(600)
    account.edit(LEADS, two, description="Call")
    account.calls.clear()
    assert [record.ref for record in crm.changes(LEADS, again.cursor).records] == [two]
    assert sum(account.calls.values()) == 1


# ── lists that move while they are read ──────────────────────────────────────────────────────────


@pytest.fixture
def long_list(account: Account, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Forty leads in pages of ten that share three."""
    monkeypatch.setattr(scan, "LIST", 10)
    monkeypatch.setattr(scan, "OVERLAP", 3)
    return [account.create(LEADS, sample(n)) for n in range(40)]


def between(crm: BottleCRM, act: Callable[[int], None]) -> None:
    """Do something after each page of a list."""
    read, pages = crm._api.read, [0]

    def reading(path: str, params: Any = ()) -> Any:
        told = read(path, params)
        pages[0] += 1
        act(pages[0])
        return told

    crm._api.read = reading  # type: ignore[method-assign]


def test_leads_that_vanish_between_two_pages_hide_no_other(
    crm: BottleCRM, account: Account, long_list: list[str]
) -> None:
    listed = sorted(long_list, reverse=True)
    gone = {2: listed[:2], 3: listed[3:9]}
    between(crm, lambda page: [account.edit(LEADS, ref, status="converted") for ref in gone.pop(page, [])] and None)
    found = {one.ref for one in crm.changes(LEADS, "").records}
    assert found >= set(listed[9:]), "six that went away at once pushed others over the border of a page"


def test_a_list_that_never_holds_still_is_asked_for_later(
    crm: BottleCRM, account: Account, long_list: list[str]
) -> None:
    def shrink(_: int) -> None:
        for ref in sorted(account.rows[LEADS], reverse=True)[:5]:
            account.delete(LEADS, ref)

    between(crm, shrink)
    with pytest.raises(Retry):
        crm.changes(LEADS, "")


def test_a_person_moves_a_card_and_the_deal_is_told(crm: BottleCRM, account: Account) -> None:
    ref = account.create(LEADS, {"title": "Door", "first_name": "Anna", "email": "a@b.test", "source_ref": "L-1"})
    cursor = crm.changes(LEADS, "").cursor
    account.drag_card(ref, "converted", "leads")
    [seen] = crm.changes(LEADS, cursor).records
    assert (seen.ref, seen.values["status"], len(seen.links[DEALS])) == (ref, "converted", 1)


def test_a_lead_with_its_contact_takes_three_calls(crm: BottleCRM, account: Account) -> None:
    [contact] = crm.write([Op(CONTACTS, {"first_name": "Anna"}, marker="C-1")])
    assert isinstance(contact, Done)
    crm.write([Op(LEADS, sample(1), marker="L-1", links={CONTACTS: (contact.record.ref,)})])
    assert sum(account.calls.values()) == 3
