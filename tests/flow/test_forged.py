"""Hooks that their sender cannot prove are turned away at the door, kept, counted, and move nothing."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.contract import digest
from connectors.crms.hubspot.sandbox.hooks import signature as hubspot_signs
from connectors.crms.pipedrive.hooks import basic
from connectors.crms.twenty.sandbox.state import signature as twenty_signs
from hub.intake.connections import Live
from hub.model import event, event_work, look_again
from tests.whole import FORM, JSON, Whole, whole_hub

REF = "ddf7f0f1-3e0a-4b9f-9b0e-2f4a5e0f0001"
Hook = tuple[bytes, Mapping[str, str]]


@dataclass(frozen=True)
class Vendor:
    """How one vendor proves its hooks: `hook(secret, seconds, address)` is genuine, `secret` names the setting."""

    name: str
    secret: str
    hook: Callable[[str, float, str], Hook]
    values: Mapping[str, Any]
    kind: str = JSON
    timed: bool = True  # what it proves is the moment, too
    whole: bool = True  # the proof covers every byte of the body
    several: bool = True  # old and new secret at a time


def _hubspot(secret: str, at: float, address: str) -> Hook:
    body = json.dumps([{"subscriptionType": "deal.propertyChange", "objectId": 9001}]).encode()
    return body, hubspot_signs(secret, address, body, round(at * 1000))


def _twenty(secret: str, at: float, _address: str) -> Hook:
    body = json.dumps({"eventName": "person.updated", "record": {"id": REF}}).encode()
    return body, twenty_signs(secret, body, at)


def _bottlecrm(secret: str, at: float, _address: str) -> Hook:
    body, stamp = json.dumps({"event": "lead.updated", "data": {"id": REF}}).encode(), str(int(at))
    code = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, {"X-BottleCRM-Signature": f"t={stamp},v1={code}"}


def _pipedrive(secret: str, _at: float, _address: str) -> Hook:
    told = {"meta": {"entity": "deal", "entity_id": 7, "change_source": "app"}}
    return json.dumps(told).encode(), {"Authorization": basic(secret)}


def _bitrix24(secret: str, _at: float, _address: str) -> Hook:
    return f"event=ONCRMDEALUPDATE&data[FIELDS][ID]=7&auth[application_token]={secret}".encode(), {}


def _zoho(secret: str, _at: float, _address: str) -> Hook:
    told = {"module": "Leads", "ids": ["7"], "token": digest("zoho notifications", secret)}
    return json.dumps(told).encode(), {}


VENDORS = (
    Vendor("hubspot", "client_secret", _hubspot, {"token": "t"}),
    Vendor("twenty", "hook_secret", _twenty, {"token": "t"}),
    Vendor("bottlecrm", "hook_secret", _bottlecrm, {"token": "t", "address": "https://crm.northwind.test"}),
    Vendor("pipedrive", "token", _pipedrive, {"address": "https://northwind.pipedrive.test"},
           timed=False, whole=False, several=False),
    Vendor("bitrix24", "application_token", _bitrix24, {"webhook": "https://northwind.bitrix24.test/rest/1/w/"},
           FORM, timed=False, whole=False, several=False),
    Vendor("zoho", "token", _zoho, {}, timed=False, whole=False, several=False),
)  # fmt: skip


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_hub(tmp_path) as made:
        yield made


@dataclass
class Door:
    """A connection of one vendor in a hub."""

    vendor: Vendor
    whole: Whole
    live: Live

    def hook(self, secret: str = "s-1", late: float = 0.0) -> Hook:
        address = f"http://localhost/in/{self.live.row.token}"
        return self.vendor.hook(secret, self.whole.clock.now() / 1000 + late, address)

    def knock(self, hook: Hook) -> int:
        body, headers = hook
        headers = {name: value for name, value in headers.items() if name != "Content-Type"}
        status = self.whole.post(self.live, body, self.vendor.kind, headers=headers).status_code
        self.whole.flow()
        return status

    def looks(self) -> int:
        return self.whole.count(look_again)

    def is_turned_away(self, hook: Hook) -> bool:
        """Refused, kept, counted where a person sees it, and without any effect."""
        looks, kept = self.looks(), self.whole.count(event)
        refused = self.knock(hook) == 401
        [last] = [row for row in self.whole.rows(event_work) if row.code == "unverified"][-1:]
        counted = (last.state, self.whole.count(event)) == ("quarantined", kept + 1)
        return refused and counted and self.looks() == looks


@pytest.fixture(params=VENDORS, ids=lambda one: str(one.name))
def door(request: pytest.FixtureRequest, whole: Whole) -> Door:
    vendor: Vendor = request.param
    values: dict[str, Any] = {**vendor.values, vendor.secret: "s-1"}
    return Door(vendor, whole, whole.connect(vendor.name, "crm", **values))


def test_a_genuine_hook_is_looked_after_and_a_replayed_one_changes_nothing(door: Door) -> None:
    genuine = door.hook()
    assert [door.knock(genuine) for _time in range(3)] == [200, 200, 200]
    assert door.looks() == 1


def test_a_hook_without_its_proof_or_with_somebody_elses_moves_nothing(door: Door) -> None:
    body, _headers = genuine = door.hook()
    assert door.is_turned_away(door.hook("guess"))
    if genuine[1]:
        assert door.is_turned_away((body, {}))
    if door.vendor.whole:
        assert door.is_turned_away((body + b" ", genuine[1]))
    assert door.knock(genuine) == 200, "the real sender is heard all the same"
    assert door.looks() == 1


@pytest.mark.parametrize("late", [-600.0, 600.0])
def test_a_proof_of_ten_minutes_ago_or_ahead_is_none(door: Door, late: float) -> None:
    if door.vendor.timed:
        assert door.is_turned_away(door.hook(late=late))
    else:
        assert door.knock(door.hook(late=late)) == 200


def test_the_old_secret_is_good_while_it_stands_beside_the_new_one(door: Door) -> None:
    vendor = door.vendor
    if vendor.several:
        door.whole.set_secret(door.live, **{**vendor.values, vendor.secret: "s-2 s-1"})
        door.live = door.whole.live(door.live.id)
        assert [door.knock(door.hook(secret)) for secret in ("s-2", "s-1")] == [200, 200]
    door.whole.set_secret(door.live, **{**vendor.values, vendor.secret: "s-2"})
    door.live = door.whole.live(door.live.id)
    assert door.is_turned_away(door.hook("s-1"))
    assert door.knock(door.hook("s-2")) == 200


def test_a_flood_of_forged_hooks_does_not_fill_the_disk(tmp_path: Path) -> None:
    with whole_hub(tmp_path, quarantine_per_minute=3) as whole:
        vendor = VENDORS[0]
        door = Door(vendor, whole, whole.connect(vendor.name, "crm", **vendor.values, client_secret="s-1"))
        assert [door.knock(door.hook("guess")) for _time in range(5)] == [401, 401, 401, 429, 429]
        assert (whole.count(event), door.knock(door.hook())) == (3, 200)
