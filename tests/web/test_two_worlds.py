"""The lead desk cannot tell a hub with deals from one without: two worlds, equal to the byte for this role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Connection, select, update

from hub.funnel.moves import convert_lead, move_deal, reject_lead
from hub.model import deal, lead, link
from hub.store.notes import note
from tests.web.world import World, open_world, token

SECRETS = ("Kitchen for 900000", "900000", "99001", "The rival was cheaper")


@pytest.fixture(scope="module")
def worlds(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """Alike, down to a qualified and a rejected lead; then one of them lives on with its deals."""
    pair = tuple(open_world(built, tmp_path_factory.mktemp(name)) for name in ("poor", "rich"))
    for world in pair:
        clock = world.hub.clock
        with world.hub.store.write() as conn:
            world.leads["deal"] = convert_lead(conn, clock, world.leads["John Smith"], "hub")
            reject_lead(conn, clock, world.leads["Ivan Petrov"], "No budget", "hub")
    _live_on(pair[1])
    yield pair[0], pair[1]
    for world in pair:
        world.close()


def _live_on(world: World) -> None:
    """Everything that can happen to deals, and every line in which a lead's timeline could speak of them."""
    clock, lead_id, deal_id = world.hub.clock, world.leads["Maria Schmidt"], world.leads["deal"]
    clock.advance(0)  # type: ignore[attr-defined]
    with world.hub.store.write() as conn:
        move_deal(conn, clock, deal_id, "lost", "hub", "The rival was cheaper")
        values = {"title": "Kitchen for 900000", "amount": "900000", "currency": "RUB"}
        conn.execute(update(deal).where(deal.c.id == deal_id).values(**values))
        _another_deal(conn, world, "Ольга Соколова")
        _card_in_crm(conn, world, deal_id)
        place = {"hub": ["lead", "x", "new"], "crm": ["deal", "x", "offer_sent"], "winner": "hub"}
        note(conn, clock, "lead", lead_id, "conflict", "hub", {"field": "placement", **place})
        why = "There is no deal stage “offer_sent”"
        note(conn, clock, "lead", lead_id, "not_followed", "hub", {"to": "offer_sent", "code": "no_stage", "why": why})
        note(conn, clock, "deal", deal_id, "joined", "hub", {"why": "open deal of this person"})


def _another_deal(conn: Connection, world: World, name: str) -> None:
    row = conn.execute(select(lead).where(lead.c.id == world.leads[name])).one()
    conn.execute(
        deal.insert().values(
            id=world.hub.clock.new_id(), lead_id=None, contact_id=row.contact_id, direction_id=row.direction_id,
            stage="offer_sent", owner_id=row.owner_id, title="Kitchen for 900000", amount="900000",
            opened_at=world.hub.clock.now(), active_at=world.hub.clock.now(),
        )
    )  # fmt: skip


def _card_in_crm(conn: Connection, world: World, deal_id: str) -> None:
    """A conversion leaves the lead's link as history and gives the deal one with the same number."""
    for role, record, state in (("deal", deal_id, "linked"), ("lead", world.leads["John Smith"], "history")):
        conn.execute(
            link.insert().values(
                id=world.hub.clock.new_id(), connection_id="crm", role=role, record_id=record, remote_kind="leads",
                remote_id="99001", state=state, base={}, raw={}, sent={}, since=0,
            )
        )  # fmt: skip


def answers(world: World, addresses: list[tuple[str, str]]) -> Iterator[tuple[str, Any]]:
    """Every answer to the lead desk, without what is random in any hub: session and CSRF token."""
    client = world.visitor("dora")
    for method, address in addresses:
        answer = client.open(address, method=method)
        body = re.sub(rb'(name="csrf_token" value=")[^"]+', rb"\1", answer.data)
        headers = sorted((name, value) for name, value in answer.headers.items() if name != "Set-Cookie")
        if body != answer.data:
            headers = [pair for pair in headers if pair[0] != "Content-Length"]
        yield f"{method} {address}", (answer.status_code, headers, body)


def addresses(world: World) -> list[tuple[str, str]]:
    """Every page of the desk, and doors that only a hub with deals has."""
    found = ["/", "/desk", "/desk/rows", "/board", "/nowhere", "/deals", "/deals/", "/deals?stage=lost", "/admin"]
    found += [f"/desk?show={which}" for which in ("mine", "nobody", "rejected", "all", "converted")]
    found += [f"/desk?q={word}" for word in ("a", "john", "kitchen", "900000", "99001", "offer", "deal")]
    found += [f"/leads/{key}" for key in world.leads.values()] + [f"/deals/{key}" for key in world.leads.values()]
    return [(method, address) for address in found for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE")]


def test_the_lead_desk_sees_the_same_bytes_in_both(worlds: tuple[World, World]) -> None:
    poor, rich = worlds
    asked = addresses(rich)
    assert asked == addresses(poor)
    for (where, one), (_where, other) in zip(answers(poor, asked), answers(rich, asked), strict=True):
        assert one == other, where
        for secret in (*SECRETS, rich.leads["deal"]):
            assert secret in where or secret.encode() not in other[2], where


def test_addresses_of_deals_answer_like_addresses_of_nothing(worlds: tuple[World, World]) -> None:
    rich = worlds[1]
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        real = ["/deals", f"/deals/{rich.leads['deal']}", f"/deals/{rich.leads['deal']}/stage"]
        nothing = [address.replace("/deals", "/plums") for address in real]
        one_by_one = (answers(rich, [(method, address) for address in asked]) for asked in (real, nothing))
        for (where, one), (_where, other) in zip(*one_by_one, strict=True):
            assert one == other, where
            assert one[0] == 404


def test_admins_do_see_the_difference(worlds: tuple[World, World]) -> None:
    """The comparison can fail: for a role that sees deals, these worlds differ on each of these pages."""
    poor, rich = (world.visitor("ada") for world in worlds)
    john, maria = worlds[1].leads["John Smith"], worlds[1].leads["Maria Schmidt"]
    for address in ("/board", "/deals", f"/leads/{john}", f"/leads/{maria}", f"/deals/{worlds[1].leads['deal']}"):
        one, other = (_plain(client, address) for client in (poor, rich))
        assert one != other, address


def _plain(client: FlaskClient, address: str) -> str:
    page = client.get(address).get_data(as_text=True)
    return page.replace(token(page), "")


def test_a_qualified_lead_says_no_more_than_that(worlds: tuple[World, World]) -> None:
    page = worlds[1].visitor("dora").get(f"/leads/{worlds[1].leads['John Smith']}").get_data(as_text=True)
    assert page.count("Closed: qualified") == 2, "the chip and the line of the timeline"
    assert not re.search(r"\bdeals?\b", page, re.IGNORECASE)
