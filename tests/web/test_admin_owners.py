"""Who is who in a CRM on a page: seen from both sides, said by hand, one page never takes back what another said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from hub.model import connection, journal, lead, link
from hub.sync import owners
from tests.web.world import World, open_world, press


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[str, Account]]:
    app = create_sandbox(rate=None)
    with serving(app) as address:
        yield address, app.state


@pytest.fixture
def near(built: Path, tmp_path: Path, account: tuple[str, Account]) -> Iterator[World]:
    """A hub whose leads stand in a CRM that knows three users; nobody has said yet who they are."""
    world = open_world(built, tmp_path, allowed_hosts=(account[0].removeprefix("http://"),))
    fields = {"name": "CRM", "do": "save", "s-address": account[0], "s-token": "sandbox-token"}
    press(world.admin, "/admin/connections/new/crm/amocrm", **fields)
    placed = {"strategy": "two_blocks", "rows": []}
    known = {
        "users": {"7": "Vera There", "8": "Oleg There", "9": "Nina There"},
        "owner_there": "7",
        "placement": placed,
    }
    with world.hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.kind == "crm").values(config=known))
        conn.execute(update(lead).values(owner_id=world.members["sam"]))
    world.hub.connections.forget()
    for number, (name, user) in enumerate((("Ivan Petrov", 7), ("Maria Schmidt", 8))):
        card(world, world.leads[name], str(500 + number), user)
    yield world
    world.close()


def crm(world: World) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(connection).where(connection.c.kind == "crm")).one()


def card(world: World, lead_id: str, ref: str, user: int) -> None:
    """A lead's card over there, of which this user is in charge."""
    with world.hub.store.write() as conn:
        conn.execute(link.insert().values(
            id=world.hub.clock.new_id(), connection_id=crm(world).id, role="lead", record_id=lead_id,
            remote_kind="leads", remote_id=ref, state="linked", raw={"responsible_user_id": user},
            since=1_770_000_000_000,
        ))  # fmt: skip


def address(world: World) -> str:
    return f"/admin/connections/{crm(world).id}/owners"


def page(world: World) -> str:
    return str(world.admin.get(address(world)).get_data(as_text=True))


def fields(told: str, **chosen: str) -> dict[str, str]:
    """What the page's button would send as it is, or with something chosen."""
    shown = dict(re.findall(r'name="(was-\w+)" value="([^"]*)"', told))
    same = {name.replace("was-", "is-"): value for name, value in shown.items()}
    return {**shown, **same, **{f"is-{name}": value for name, value in chosen.items()}}


def said(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(journal).where(journal.c.what == "owners")))


def test_who_is_nobody_over_there_or_here_is_seen_and_said_by_hand(near: World) -> None:
    sam, told = near.members["sam"], page(near)
    assert "2 open cards are the stand-in's" in told
    assert "<b>Oleg There</b>: 1 cards, whose owners here stay as they are" in told
    assert address(near) in near.admin.get(f"/admin/connections/{crm(near).id}").text
    attention = near.admin.get("/admin/attention").text
    assert attention.count(f'href="{address(near)}"') == 2, "both causes lead here"
    assert press(near.admin, address(near), **fields(told, **{sam: "8"})).status_code == 303
    assert owners.known(crm(near).config) == {sam: "8"}
    told = page(near)
    assert "Saved. 2 cards follow." in told
    assert "open cards are" not in told
    assert "nobody here</h2>" not in told
    assert [(line.actor, line.facts["records"]) for line in said(near)] == [(f"member:{near.members['ada']}", 2)]
    assert "said who is who" in near.admin.get(f"/admin/connections/{crm(near).id}").text
    with near.hub.store.read() as conn:
        assert set(conn.execute(select(link.c.dirty)).scalars()) == {1}


def test_stand_ins_are_chosen_and_taken_back(near: World) -> None:
    press(near.admin, address(near), **fields(page(near), there="9", here=near.members["sue"]))
    config = crm(near).config
    assert (config["owner_there"], config["owner_here"]) == ("9", near.members["sue"])
    press(near.admin, address(near), **fields(page(near), there="", here=""))
    config = crm(near).config
    assert (config["owner_there"], config["owner_here"]) == ("", "")


def test_an_older_page_takes_nothing_back(near: World) -> None:
    older = page(near)
    sam, sue = near.members["sam"], near.members["sue"]
    press(near.admin, address(near), **fields(older, **{sam: "8"}))
    press(near.admin, address(near), **fields(older, **{sue: "9"}))
    assert owners.known(crm(near).config) == {sam: "8", sue: "9"}
    press(near.admin, address(near), **fields(page(near)))
    assert len(said(near)) == 2, "who changes nothing says nothing"


@pytest.mark.parametrize("chosen", [{"is-there": "77"}, {"is-here": "nobody"}, {"is-nobody": "8"}])
def test_who_is_not_there_cannot_be_chosen(near: World, chosen: dict[str, str]) -> None:
    before = crm(near).config
    press(near.admin, address(near), **chosen)
    assert crm(near).config == before
    assert "is not there any more" in page(near)


def test_the_crm_is_asked_for_its_users(near: World, account: tuple[str, Account]) -> None:
    live = near.hub.connections.by_id(crm(near).id)
    assert live is not None
    there = {one.ref: one.name for one in live.crm.describe().users}
    press(near.admin, address(near), **fields(page(near), **{near.members["sam"]: "8"}))
    assert press(near.admin, f"{address(near)}/users").status_code == 303
    assert crm(near).config["users"] == there
    assert owners.known(crm(near).config) == {}, "user 8 is not over there"


def test_other_connections_have_no_such_page(near: World) -> None:
    assert near.admin.get(f"/admin/connections/{near.form}/owners").status_code == 404
    assert press(near.admin, f"/admin/connections/{near.form}/owners").status_code == 404
