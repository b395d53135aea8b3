"""Tryton against its stand-in: the common contract. What only Tryton does is tried on Tryton itself (tests/real)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Done, Op
from connectors.crms.tryton import Tryton
from connectors.crms.tryton.sandbox import Account, create_sandbox, serving
from connectors.testing.crm import CRMContract, Rig
from connectors.testing.farside import Clock, Wires

LEAD, PARTY = "sale.opportunity", "party.party"


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def crm(served: tuple[Account, str], wires: Wires) -> Tryton:
    settings = {"address": served[1], "database": "tryton", "user": "hub"}
    return Tryton(settings, {"password": "sandbox-token"}, wires(served[1]))


def sample(n: int) -> dict[str, Any]:
    return {"description": f"Window {n}", "amount": f"{1000 + n}.50"}


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: Tryton, account: Account, clock: Clock) -> Rig:
        crm.check()
        account.lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            account.faults.order("drop_after" if what == "lost" else what, seconds=seconds)

        def delete(ref: str) -> None:
            account.press("cancel", [int(ref)])
            account.delete(LEAD, [int(ref)])

        return Rig(
            crm,
            LEAD,
            sample,
            lambda n: {"comment": f"Call at {n}"},
            {"description": "Bad", "conversion_probability": 5},
            lambda ref, n: account.edit(LEAD, int(ref), comment=f"Call at {n}"),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            crm.page,
            delete=delete,
        )

    # There is nothing to set up, and there are no hooks.
    test_a_plan_can_be_taken_back = None
    test_a_hook_says_what_to_look_at = None
    test_hooks_get_lost_and_come_twice = None


def test_a_thousand_leads_with_contacts_take_twenty_calls(crm: Tryton, account: Account) -> None:
    crm.check()
    before = sum(account.calls.values())
    parties = crm.write([Op(PARTY, {"name": f"Person {n}"}, marker=f"C-{n}") for n in range(1000)])
    refs = [one.record.ref for one in parties if isinstance(one, Done)]
    leads = [Op(LEAD, sample(n), marker=f"L-{n}", links={PARTY: (ref,)}) for n, ref in enumerate(refs)]
    assert all(isinstance(one, Done) for one in crm.write(leads))
    assert sum(account.calls.values()) - before == 20


def test_what_changed_since_takes_one_call(crm: Tryton, account: Account) -> None:
    crm.write([Op(LEAD, sample(n), marker=f"L-{n}") for n in range(150)])
    cursor = crm.changes(LEAD, "").cursor
    before = sum(account.calls.values())
    crm.changes(LEAD, cursor)
    assert sum(account.calls.values()) - before == 1
