"""CRMs that tell times in the zone of the account: an hour that comes twice, one that never comes, and an admin who
moves the account to the other side of the world hide no change and repeat none for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from typing import Any

import pytest

from connectors.contract import CRM, Op, Record, Step
from connectors.crms.bitrix24 import Bitrix24
from connectors.crms.bitrix24.sandbox import create_sandbox as bitrix24
from connectors.crms.zoho import Zoho
from connectors.crms.zoho.sandbox import create_sandbox as zoho
from connectors.testing.farside import Clock, Wires, done
from connectors.testing.sandbox import serving

TOKEN = "sandbox-token"
MARKER = Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID"}, under="Leads")
Place = tuple[CRM, Any, str, Callable[[int], dict[str, Any]], Callable[[str, str], None]]


def _zoho_values(n: int) -> dict[str, Any]:
    return {"Last_Name": f"Person {n}", "Company": "Ferns"}


def _bitrix_values(n: int) -> dict[str, Any]:
    return {"title": f"Person {n}"}


@pytest.fixture(params=["bitrix24", "zoho"])
def place(request: pytest.FixtureRequest, clock: Clock, wires: Wires) -> Iterator[Place]:
    """A CRM, what stands behind it, the kind of its leads, values of the n-th one, and a person who renames it."""
    if request.param == "zoho":
        app = zoho(clock=clock)
        with serving(app) as address:
            crm: CRM = Zoho({"address": address}, {"token": TOKEN}, wires(address))
            crm.provision([MARKER])
            yield crm, app.state, "Leads", _zoho_values, lambda ref, name: app.state.edit("Leads", ref, Last_Name=name)
    else:
        portal = bitrix24(clock=clock, rate=None)
        with serving(portal) as address:
            crm = Bitrix24({}, {"webhook": f"{address}/rest/1/{TOKEN}/"}, wires(address))
            yield (
                crm,
                portal.state,
                "leads",
                _bitrix_values,
                lambda ref, name: portal.state.edit("leads", int(ref), title=name),
            )


def scanned(crm: CRM, kind: str, cursor: str) -> tuple[list[Record], str]:
    found: list[Record] = []
    while True:
        page = crm.changes(kind, cursor)
        found += page.records
        cursor = page.cursor
        if not page.more:
            return found, cursor


@pytest.mark.parametrize("hours", [1, 3, -10, 14])
def test_another_zone_hides_no_change_and_repeats_none(place: Place, clock: Clock, hours: int) -> None:
    crm, state, kind, values, rename = place
    refs = [one.ref for one in done(crm.write([Op(kind, values(n), marker=f"L-{n}") for n in range(3)]))]
    clock.tick(crm.facts.lag + 60)
    _, cursor = scanned(crm, kind, "")
    rename(refs[0], "Before")
    clock.tick(20)
    state.zone = timezone(timedelta(hours=hours))
    rename(refs[1], "After")
    clock.tick(20)
    found, cursor = scanned(crm, kind, cursor)
    assert [one.ref for one in found] == refs[:2], "in the order of time, whatever their hours say"
    stamps = [one.updated_at for one in found if one.updated_at]
    assert stamps[1] - stamps[0] == timedelta(seconds=20)
    clock.tick(crm.facts.lag + 60)
    _, cursor = scanned(crm, kind, cursor)
    clock.tick(crm.facts.lag + 60)
    assert scanned(crm, kind, cursor)[0] == []
