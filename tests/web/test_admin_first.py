"""The first run: nobody gets past it, the token opens it once, and everything appears together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from hub.app import Hub, create_app, open_hub
from hub.clock import FixedClock
from hub.config import load_config
from hub.model import connection, direction, journal, member, setting
from hub.setup import first_token
from tests.once import lay_tables
from tests.web.world import token as csrf

TYPED = {"name": "Vera Holm", "login": "Vera@Example.com", "password": "a long word", "direction": "Windows",
         "region": "RU"}  # fmt: skip


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Hub]:
    lay_tables(tmp_path)
    hub = open_hub(load_config(tmp_path, env={}), FixedClock())
    yield hub
    hub.close()


@pytest.fixture
def client(fresh: Hub) -> FlaskClient:
    return create_app(fresh).test_client()


def begin(client: FlaskClient, token: str | None, **changed: str) -> Any:
    page = client.get("/start").get_data(as_text=True)
    return client.post("/start", data={"csrf_token": csrf(page), "token": token or "", **TYPED, **changed})


@pytest.mark.parametrize("path", ["/", "/login", "/desk", "/board", "/admin", "/admin/team", "/no/such/page"])
def test_every_page_of_a_fresh_hub_leads_to_the_first(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (302, "/start")


@pytest.mark.parametrize("path", ["/health", "/static/desk.css", "/start"])
def test_what_needs_nobody_stays_open(client: FlaskClient, path: str) -> None:
    with client.get(path) as answer:
        assert answer.status_code == 200


def test_the_token_makes_admin_direction_rule_and_form_at_once(fresh: Hub, client: FlaskClient) -> None:
    answer = begin(client, first_token(fresh.store, fresh.clock))
    assert (answer.status_code, answer.location) == (303, "/admin/first/form")
    with fresh.store.read() as conn:
        who = conn.execute(select(member)).one()
        form = conn.execute(select(connection)).one()
        assert (who.login, who.role, conn.execute(select(direction.c.name)).scalar()) == (
            "vera@example.com", "admin", "Windows",
        )  # fmt: skip
        assert (form.connector, form.region, form.state) == ("webform", "RU", "active")
        assert conn.execute(select(journal).where(journal.c.actor == f"member:{who.id}")).first()
    page = client.get(answer.location).get_data(as_text=True)
    assert f"/in/{form.token}&#34; method=&#34;post" in page, "the snippet is text, ready to copy"
    assert "/static/leadform.js" in page
    assert client.get("/admin/first/crm").status_code == 200
    assert client.get("/desk").status_code == 200, "already logged in"


def test_a_form_made_so_takes_inquiries(fresh: Hub, client: FlaskClient) -> None:
    begin(client, first_token(fresh.store, fresh.clock))
    with fresh.store.read() as conn:
        address = conn.execute(select(connection.c.token)).scalar()
    posted = client.post(f"/in/{address}", data={"name": "Ivan Petrov", "phone": "8 912 345-67-89"})
    assert posted.status_code == 200
    assert [str(one) for one in fresh.flow.drain().decisions] == ["new_lead"]


@pytest.mark.parametrize("token", ["", "guess", "é"])
def test_without_the_token_nothing_happens(fresh: Hub, client: FlaskClient, token: str) -> None:
    first_token(fresh.store, fresh.clock)
    assert begin(client, token).status_code == 403
    with fresh.store.read() as conn:
        assert conn.execute(select(member)).first() is None


def test_without_a_start_no_token_fits(client: FlaskClient) -> None:
    assert begin(client, "").status_code == 403


def test_the_token_works_once(fresh: Hub, client: FlaskClient) -> None:
    token = first_token(fresh.store, fresh.clock)
    begin(client, token)
    other = client.application.test_client()
    assert other.get("/start").status_code == 404
    assert first_token(fresh.store, fresh.clock) is None
    with fresh.store.read() as conn:
        assert conn.execute(select(setting).where(setting.c.name == "first_token")).first() is None


def test_a_new_start_voids_the_token_before(fresh: Hub, client: FlaskClient) -> None:
    old = first_token(fresh.store, fresh.clock)
    new = first_token(fresh.store, fresh.clock)
    assert begin(client, old).status_code == 403
    assert begin(client, new).status_code == 303


def test_the_token_is_kept_as_a_digest_only(fresh: Hub) -> None:
    token = first_token(fresh.store, fresh.clock)
    with fresh.store.read() as conn:
        kept = conn.execute(select(setting.c.value).where(setting.c.name == "first_token")).scalar()
    assert token
    assert token not in repr(kept)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"password": "short"}, "at least 8"), ({"name": " "}, "is missing"), ({"region": "XX"}, "is no country")],
)
def test_a_mistake_is_told_and_the_token_stays_good(
    fresh: Hub, client: FlaskClient, changed: dict[str, str], said: str
) -> None:
    token = first_token(fresh.store, fresh.clock)
    answer = begin(client, token, **changed)
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)
    assert begin(client, token).status_code == 303


def test_another_language_keeps_what_was_typed(fresh: Hub, client: FlaskClient) -> None:
    token = first_token(fresh.store, fresh.clock)
    page = begin(client, token, switch="ru", direction="Окна").get_data(as_text=True)
    assert "Добро пожаловать" in page
    assert 'value="Vera Holm"' in page
    assert 'value="Окна"' in page
    assert TYPED["password"] not in page
    begin(client, token)
    with fresh.store.read() as conn:
        assert conn.execute(select(member.c.locale)).scalar() == "ru"


def test_the_first_page_wants_our_own_form(fresh: Hub, client: FlaskClient) -> None:
    answer = client.post("/start", data={"token": first_token(fresh.store, fresh.clock), **TYPED})
    assert answer.status_code == 400
    with fresh.store.read() as conn:
        assert conn.execute(select(member)).first() is None
