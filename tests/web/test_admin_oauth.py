"""Connecting an account by OAuth: the vendor's page, the way back, tokens that are kept sealed and refreshed once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select, update

from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from connectors.errors import Pause
from connectors.oauth import Tokens
from hub.model import connection, journal, setting
from tests.web.world import World, open_world, press

SECRET = "the-app-secret"


@pytest.fixture
def account() -> Iterator[tuple[str, Account]]:
    app = create_sandbox(rate=None)
    with serving(app) as address:
        yield address, app.state


@pytest.fixture
def near(built: Path, tmp_path: Path, account: tuple[str, Account]) -> Iterator[World]:
    """A world with an amoCRM connection that has an app's id and secret, and no token yet."""
    made = open_world(built, tmp_path, allowed_hosts=(account[0].removeprefix("http://"),))
    fields = {"name": "Our CRM", "do": "save", "s-address": account[0], "s-client_id": "app", "s-client_secret": SECRET}
    answer = press(made.admin, "/admin/connections/new/crm/amocrm", **fields)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    yield made
    made.close()


def row(world: World) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(connection).where(connection.c.connector == "amocrm")).one()


def leave(world: World) -> dict[str, str]:
    """To the vendor's page; answers what it is asked with."""
    answer = world.admin.get(f"/admin/connections/{row(world).id}/connect")
    assert answer.status_code == 302
    assert answer.location.startswith("https://www.amocrm.ru/oauth?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.location).query).items()}


def connected(world: World, **typed: str) -> str:
    """Back with a code; answers the page that follows."""
    asked = leave(world)
    query = {"code": "code-1", "state": asked["state"], **typed}
    return world.admin.get("/admin/oauth", query_string=query, follow_redirects=True).get_data(as_text=True)


def test_an_account_is_connected_and_its_tokens_are_kept_sealed(near: World, account: tuple[str, Account]) -> None:
    page = near.admin.get(f"/admin/connections/{row(near).id}").get_data(as_text=True)
    assert '/connect"' in page
    with pytest.raises(Pause, match="not connected yet"):
        near.hub.connections.by_id(row(near).id).crm.check()
    asked = leave(near)
    assert asked["redirect_uri"] == near.hub.redirect_uri
    assert "Northwind Windows" in connected(near)
    assert near.hub.connections.by_id(row(near).id).crm.check().name == "Northwind Windows"
    with near.hub.store.read() as conn:
        kept = str(list(conn.execute(select(setting))))
        assert "connected" in conn.execute(select(journal.c.what).where(journal.c.subject_id == row(near).id)).scalars()
    assert all(secret not in kept for secret in [*account[1].access, *account[1].refresh])


@pytest.mark.parametrize("state", ["", "another", None])
def test_an_answer_to_no_question_of_ours_connects_nothing(
    state: str | None, near: World, account: tuple[str, Account]
) -> None:
    if state is not None:
        leave(near)
    answer = near.admin.get("/admin/oauth", query_string={"code": "code-1", "state": state or ""})
    assert answer.status_code in (302, 303)
    assert account[1].codes == {"code-1"}, "the code was not spent"


def test_a_refusal_is_told(near: World) -> None:
    assert "access_denied" in connected(near, code="", error="access_denied")
    assert "refused the grant" in connected(near, code="spent")


def test_an_address_outside_the_vendors_domains_is_not_taken(near: World, account: tuple[str, Account]) -> None:
    connected(near, referer="evil.test")
    assert row(near).settings["address"] == account[0]


def test_the_account_lives_where_the_vendor_says(near: World) -> None:
    connected(near, referer="moved.amocrm.ru")
    assert row(near).settings["address"] == "https://moved.amocrm.ru"


def test_many_workers_refresh_once(near: World, account: tuple[str, Account]) -> None:
    connected(near)
    box = near.hub.tokens(row(near).id)
    old = box.load()
    box.save(Tokens(old.access, old.refresh, 0.0))
    before = account[1].calls["POST /oauth2/access_token"]
    crm = near.hub.connections.by_id(row(near).id).crm
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: crm.check().name, range(8)))
    assert set(names) == {"Northwind Windows"}
    assert account[1].calls["POST /oauth2/access_token"] == before + 1


def test_a_token_that_lasts_needs_no_consent(near: World) -> None:
    sealed = near.hub.vault.seal({"token": "sandbox-token"}, f"connection/{row(near).id}/secrets")
    with near.hub.store.write() as conn:
        conn.execute(update(connection).values(secrets=sealed).where(connection.c.connector == "amocrm"))
    near.hub.connections.forget()
    assert '/connect"' not in near.admin.get(f"/admin/connections/{row(near).id}").get_data(as_text=True)
    assert near.hub.connections.by_id(row(near).id).crm.check().name == "Northwind Windows"
