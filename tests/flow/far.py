"""A whole hub beside the stand-in of any CRM, and the people who work over there.

`far(stack, name)` opens both on one clock, not set up yet. People read and write through a connector of their own, so
that one test plays every CRM; where a vendor has a conversion of its own they press that button.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

from connectors import registry
from connectors.contract import CRM, Done, Op, Outcome, Record
from connectors.http import Wire
from connectors.testing.sandbox import serving
from hub.clock import FixedClock
from hub.sync.account import Account
from hub.sync.plan import ABSENT
from hub.sync.records import PLACE
from tests.flow.scene import Scene
from tests.real.stage import ANNA, MAILS, stage
from tests.servers import Stack

TOKEN = "sandbox-token"
FORMS: Mapping[str, Callable[[str, Any], Mapping[str, str]]] = {
    "amocrm": lambda _url, _state: {"token": TOKEN},
    "bitrix24": lambda url, state: {
        "webhook": f"{url}/rest/1/{TOKEN}/",
        "application_token": state.application_token,
        "address": "",
    },
    "bottlecrm": lambda _url, _state: {"token": TOKEN},
    "espocrm": lambda _url, _state: {"key": TOKEN, "admin": "admin", "password": TOKEN},
    "hubspot": lambda _url, _state: {"token": TOKEN, "client_secret": "sandbox-secret"},
    "odoo": lambda _url, _state: {"database": "northwind", "login": "hub@northwind.test", "key": TOKEN},
    "pipedrive": lambda _url, _state: {"token": TOKEN},
    "salesforce": lambda _url, _state: {"token": TOKEN},
    "tryton": lambda _url, _state: {"database": "tryton", "user": "hub", "password": TOKEN},
    "twenty": lambda _url, _state: {"token": TOKEN, "hook_secret": "hook-secret"},
    "zoho": lambda _url, _state: {"token": TOKEN},
}
"""What an admin enters, by CRM: from the address and the state of its stand-in."""


def _espo(state: Any, lead: str) -> Any:
    deal = {"name": "Two windows", "stage": "Prospecting", "amount": 0, "closeDate": "2026-12-01"}
    return state.convert(lead, {"Opportunity": deal})


BUTTONS: Mapping[str, Callable[[Any, str], Any]] = {
    "bitrix24": lambda state, lead: state.convert(int(lead)),
    "bottlecrm": lambda state, lead: state.edit("leads", lead, status="converted"),
    "espocrm": _espo,
    "pipedrive": lambda state, lead: state.convert(lead),
    "salesforce": lambda state, lead: state.convert({"leadId": lead, "convertedStatus": "Closed - Converted"}),
    "zoho": lambda state, lead: state.convert(
        lead, {"Deals": {"Deal_Name": "D", "Pipeline": "Standard", "Stage": "Proposal", "Closing_Date": "2026-12-31"}}
    ),
}
"""The vendor's own conversion of a lead, as its page does it."""


def _ticked_off(state: Any, kind: str, ref: str) -> None:
    """Pipedrive's calls are activities that somebody ticks off."""
    row = state.create("activities", {"subject": "Call", "type": "call", "done": True, "owner_id": 701}, "app")
    row["lead_id" if kind == "leads" else "deal_id"] = ref if kind == "leads" else int(ref)


def _bitrix_call(state: Any, kind: str, ref: str) -> None:
    import_module("connectors.crms.bitrix24.sandbox.hung").act(state, kind, ref, TYPE_ID="2")


def _zoho_call(state: Any, kind: str, ref: str) -> None:
    made = {"Call_Type": "Outbound", "Call_Start_Time": state.stamp(), "Call_Duration": "02:30"}
    state.act(kind, ref, Subject="Call", **made)


def _odoo_call(state: Any, kind: str, ref: str) -> None:
    import_module("connectors.crms.odoo.sandbox.hung").tick_off(state, kind, int(ref))


CALLS: Mapping[str, Callable[[Any, str, str], Any]] = {
    "amocrm": lambda state, kind, ref: state.jot(kind, int(ref), "call_out", text="", duration=60),
    "bitrix24": _bitrix_call,
    "espocrm": lambda state, kind, ref: state.act(kind, ref),
    "hubspot": lambda state, kind, ref: state.act("calls", kind, ref, hs_call_status="COMPLETED"),
    "odoo": _odoo_call,
    "pipedrive": _ticked_off,
    "salesforce": lambda state, _kind, ref: state.act(ref, TaskSubtype="Call", Status="Completed", Subject="Call"),
    "zoho": _zoho_call,
}
"""Somebody over there calls the client and logs it in the card (kind, ref)."""


@dataclass
class Far:
    """One hub, one stand-in. `sent` are the operations the hub asked its connector to write."""

    made: Scene
    state: Any
    sign_in: Callable[[], CRM]
    sent: list[Op] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.person = self.sign_in()

    @property
    def account(self) -> Account:
        found = self.made.hub.accounts.get(self.made.crm_id)
        assert found is not None, "the connection is paused or not set up"
        return found

    def set_up(self, strategy: str) -> None:
        provision = self.made.hub.provision
        provision.apply(self.made.crm_id, provision.plan(self.made.crm_id, strategy=strategy))
        self.person = self.sign_in()  # people see new fields when they sign in again

    def begin(self, **told: str) -> None:
        """Set up in the first placement that it carries; then somebody fills a form in, and has a card there."""
        self.set_up(registry.crm(self.person.name).facts.strategies[0])
        self.made.post(**{**ANNA, **told})
        self.made.settle(3)

    # ── what stands over there ───────────────────────────────────────────────────────────────────

    def record(self, role: str) -> Record:
        """What the link of this role points at, as people read it."""
        [found] = self.person.get(self.account.kind(role), [self.made.link(role).remote_id])
        assert found is not None
        assert not found.deleted
        return found

    def all(self, role: str) -> list[Record]:
        """Every live record of this role's kind."""
        found, cursor, more = {}, "", True
        while more:
            page = self.person.changes(self.account.kind(role), cursor)
            cursor, more = page.cursor, page.more
            found.update({one.ref: one for one in page.records})
        return [one for one in found.values() if not one.deleted]

    def told(self, role: str) -> dict[str, Any]:
        """The hub's fields as the record over there shows them; a place is `placement`."""
        seen = self.account.seen(self.record(role), role)
        read = {slot.hub: slot.into(seen[slot.crm]) for slot in self.account.faces[role].slots if slot.crm in seen}
        return {name: value for name, value in read.items() if value is not ABSENT}

    def place(self, role: str) -> Any:
        """The place over there, in the CRM's own words."""
        return self.account.seen(self.record(role), role).get("@place")

    def spot(self, block: str, key: str) -> list[str]:
        """The place a stage of ours has over there."""
        there = self.account.placement.place((block, self.made.direction_id, key))
        return [there.pipeline, there.stage, *([there.block] if there.block else [])]

    def apart(self, block: str, *keys: str) -> str:
        """The first of these stages that stands elsewhere over there than the block's first."""
        rows = {key: self.account.placement.place((block, self.made.direction_id, key)) for key in keys}
        first = rows[keys[0]]
        return next((key for key in keys[1:] if rows[key] != first), keys[0])

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def write(self, role: str, **wish: Any) -> None:
        """A person saves the form: hub fields by name."""
        record = self.record(role)
        values = self.account.written(role, wish, {})
        self.do(Op(record.kind, values, ref=record.ref))

    def drag(self, role: str, block: str, key: str) -> None:
        """A person drags the card to where this stage of ours is."""
        self.write(role, **{PLACE: [block, self.made.direction_id, key]})

    def do(self, op: Op) -> Outcome:
        [outcome] = self.person.write([op])
        assert isinstance(outcome, Done), outcome
        return outcome

    def convert(self) -> None:
        """A person makes a deal of the lead: by the vendor's button, else by dragging it over the border."""
        if self.account.native:
            BUTTONS[self.person.name](self.state, self.record("lead").ref)
        else:
            self.drag("lead", "deal", "created")

    def delete(self, role: str) -> None:
        record = self.record(role)
        remove = DELETIONS.get(self.person.name)
        if remove:
            remove(self.state, record)
        else:
            self.person.delete(record.kind, [record.ref])


def _cancelled(state: Any, record: Record) -> None:
    """Tryton lets people delete what is cancelled."""
    state.press("cancel", [int(record.ref)])
    state.delete(record.kind, [int(record.ref)])


DELETIONS: Mapping[str, Callable[[Any, Record], None]] = {
    "amocrm": lambda state, record: state.delete(record.kind, int(record.ref)),
    "tryton": _cancelled,
}
"""How people delete where programs cannot."""


@contextmanager
def far(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A hub whose only CRM is this one's stand-in; its people have the addresses of two users over there."""
    monkeypatch.setattr("connectors.crms.pipedrive.Pipedrive.waits", (0.0, 0.0, 0.0))
    clock = FixedClock(randomness=random.Random(str(stack.folder)))
    sandbox = import_module(f"connectors.crms.{name}.sandbox")
    app = sandbox.create_sandbox(clock=lambda: clock.now() / 1000, rate=None)
    with serving(app) as address:
        values = {"address": address, **FORMS[name](address, app.state)}
        kind, wire = registry.crm(name), Wire(allow=[address.removeprefix("http://")])
        hidden = {one.name for one in kind.form if one.secret}

        def sign_in() -> CRM:
            shown = {key: value for key, value in values.items() if key not in hidden}
            return kind(shown, {key: value for key, value in values.items() if key in hidden}, wire)

        mails = [one.email for one in sign_in().describe().users if one.active and one.email]
        try:
            with stage(stack, name, address, values, clock, [*mails, *MAILS][:2]) as made:
                one = Far(made, app.state, sign_in)
                _listen(one, kind, monkeypatch)
                yield one
        finally:
            wire.close()


def _listen(one: Far, kind: type[CRM], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hear what the hub writes, and nothing that people write."""
    real = kind.write

    def write(crm: CRM, ops: Any) -> Any:
        one.sent.extend(() if crm is one.person else ops)
        return real(crm, ops)

    monkeypatch.setattr(kind, "write", write)
