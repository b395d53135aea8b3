"""Connections: tried before saved, secrets never shown, addresses, states, and who may see any of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from connectors import registry
from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from hub.intake.connections import place_of_secrets
from hub.model import connection, journal
from tests.web.world import World, open_world, press

SECRET = "a-secret-nobody-sees"


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[str, Account]]:
    """A CRM account to connect to; its set-up is what the tests leave."""
    app = create_sandbox(rate=None)
    with serving(app) as address:
        yield address, app.state


@pytest.fixture
def near(built: Path, tmp_path: Path, account: tuple[str, Account]) -> Iterator[World]:
    """A world that may call the CRM's stand-in."""
    made = open_world(built, tmp_path, allowed_hosts=(account[0].removeprefix("http://"),))
    yield made
    made.close()


def rows(world: World, connector: str) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(connection).where(connection.c.connector == connector)))


def secrets_of(world: World, row: Any) -> dict[str, str]:
    return world.hub.vault.open(row.secrets, place_of_secrets(row.id))


def add(client: FlaskClient, address: str, do: str = "save", **typed: str) -> Any:
    fields = {"name": "Our CRM", "do": do, "s-address": address, "s-token": "sandbox-token", **typed}
    return press(client, "/admin/connections/new/crm/amocrm", **fields)


# ── adding ───────────────────────────────────────────────────────────────────────────────────────


def test_a_crm_that_answers_is_saved(near: World, account: tuple[str, Account]) -> None:
    answer = add(near.admin, account[0])
    assert answer.status_code == 303
    (row,) = rows(near, "amocrm")
    assert answer.location.endswith(f"/admin/connections/{row.id}/setup")
    assert (row.name, row.state, secrets_of(near, row)) == ("Our CRM", "active", {"token": "sandbox-token"})


def test_a_crm_that_refuses_is_told_and_not_saved(near: World, account: tuple[str, Account]) -> None:
    admin = near.admin
    answer = add(admin, account[0], **{"s-token": SECRET})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "does not accept the token" in page
    assert SECRET not in page
    assert rows(near, "amocrm") == [], "no half connection"
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)
    assert sealed
    again = add(admin, account[0], **{"s-token": "", "sealed": sealed[1], "untested": "yes"})
    assert again.status_code == 303
    assert secrets_of(near, rows(near, "amocrm")[0]) == {"token": SECRET}, "typed once, kept through the failed try"


def test_what_is_sealed_serves_one_admin_and_one_form(near: World, account: tuple[str, Account]) -> None:
    page = add(near.admin, account[0], **{"s-token": SECRET}).get_data(as_text=True)
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)
    assert sealed
    other = press(near.admin, "/admin/connections/new/source/typeform", name="T", do="save", sealed=sealed[1])
    assert (other.status_code, rows(near, "typeform")) == (422, [])


def test_only_trying_saves_nothing(near: World, account: tuple[str, Account]) -> None:
    answer = add(near.admin, account[0], do="try")
    assert (answer.status_code, rows(near, "amocrm")) == (200, [])
    assert "Northwind Windows" in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"s-address": ""}, "is missing"),
        ({"s-address": "http://127.0.0.1:8040/in/abc"}, "address of this hub itself"),
    ],
)
def test_mistakes_are_told_beside_their_field(
    near: World, account: tuple[str, Account], typed: dict[str, str], said: str
) -> None:
    answer = add(near.admin, account[0], **typed)
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)
    assert rows(near, "amocrm") == []


def test_a_pasted_token_loses_its_quotes_and_spaces(near: World, account: tuple[str, Account]) -> None:
    assert add(near.admin, account[0], **{"s-token": ' "sandbox-token"\n'}).status_code == 303
    assert secrets_of(near, rows(near, "amocrm")[0]) == {"token": "sandbox-token"}


@pytest.mark.parametrize("path", ["source/nothing", "crm/webform", "source/..", "what/webform", "source/__init__"])
def test_what_does_not_exist_is_not_found(still: World, path: str) -> None:
    assert still.admin.get(f"/admin/connections/new/{path}").status_code == 404


def test_every_connector_has_a_page_with_its_guide(still: World) -> None:
    admin = still.admin
    catalogue = admin.get("/admin/connections/new").get_data(as_text=True)
    for row in registry.listing():
        address = f"/admin/connections/new/{row['kind']}/{row['name']}"
        assert address in catalogue
        page = admin.get(address).get_data(as_text=True)
        assert ('<article class="guide"' in page) == bool(registry.readme(f"{row['kind']}s", row["name"]))
        assert "https://&lt;your hub&gt;" not in page


# ── one connection ───────────────────────────────────────────────────────────────────────────────


def save(client: FlaskClient, row: Any, **typed: str) -> Any:
    form = registry.source(row.connector).form
    kept = {f"s-{one.name}": str(row.settings.get(one.name, "")) for one in form if not one.secret}
    fields = {**kept, "name": row.name, "do": "save", "generation": str(row.generation), "region": row.region}
    return press(client, f"/admin/connections/{row.id}", **{**fields, **typed})


@pytest.fixture
def typeform(world: World) -> Any:
    press(world.admin, "/admin/connections/new/source/typeform", name="Quiz", do="save", **{"s-secret": SECRET})
    return rows(world, "typeform")[0]


def test_no_page_ever_shows_a_secret(world: World, typeform: Any) -> None:
    admin = world.admin
    for path in ("", "/mapping"):
        page = admin.get(f"/admin/connections/{typeform.id}{path}").get_data(as_text=True)
        assert SECRET not in page
    assert "set — leave empty to keep" in admin.get(f"/admin/connections/{typeform.id}").get_data(as_text=True)
    with world.hub.store.read() as conn:
        assert SECRET not in repr(conn.execute(select(journal)).all())
        assert SECRET.encode() not in conn.execute(select(connection.c.secrets)).scalars().all()[-1]


def test_a_secret_left_empty_stays_and_a_new_one_replaces_it(world: World, typeform: Any) -> None:
    admin = world.admin
    assert save(admin, typeform, name="Quiz 2").status_code == 303
    (row,) = rows(world, "typeform")
    assert (row.name, secrets_of(world, row)) == ("Quiz 2", {"secret": SECRET})
    save(admin, row, **{"s-secret": "new-one"})
    assert secrets_of(world, rows(world, "typeform")[0]) == {"secret": "new-one"}


def test_a_second_tab_does_not_overwrite_the_first(world: World, typeform: Any) -> None:
    admin = world.admin
    save(admin, typeform, name="First tab")
    answer = save(admin, typeform, name="Second tab")
    assert answer.status_code == 422
    assert "Somebody else saved" in answer.get_data(as_text=True)
    assert rows(world, "typeform")[0].name == "First tab"


def test_country_and_limit_of_a_form_can_be_changed(world: World) -> None:
    (row,) = rows(world, "webform")
    assert save(world.admin, row, region="DE", per_minute="30").status_code == 303
    (row,) = rows(world, "webform")
    assert (row.region, row.config["per_minute"]) == ("DE", 30)
    assert save(world.admin, row, per_minute="").status_code == 303
    assert "per_minute" not in rows(world, "webform")[0].config


@pytest.mark.parametrize(
    ("typed", "said"), [({"region": "XX"}, "is no country"), ({"per_minute": "0"}, "must be a number from 1")]
)
def test_country_and_limit_of_a_form_are_checked(world: World, typed: dict[str, str], said: str) -> None:
    (row,) = rows(world, "webform")
    answer = save(world.admin, row, **typed)
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)


def test_a_form_shows_its_address_snippet_and_link(still: World) -> None:
    (row,) = rows(still, "webform")
    page = still.admin.get(f"/admin/connections/{row.id}").get_data(as_text=True)
    assert f'value="http://127.0.0.1:8040/in/{row.token}"' in page
    assert f'value="http://127.0.0.1:8040/f/{row.token}"' in page
    assert "&lt;script src=&#34;http://127.0.0.1:8040/static/leadform.js&#34; defer&gt;" in page


def test_a_new_address_ends_the_old_one(world: World) -> None:
    (row,) = rows(world, "webform")
    admin, sender = world.admin, world.app.test_client()
    assert sender.post(f"/in/{row.token}", data={"name": "Ann"}).status_code == 200
    press(admin, f"/admin/connections/{row.id}/address")
    assert rows(world, "webform")[0].token == row.token, "asks first"
    press(admin, f"/admin/connections/{row.id}/address", sure="yes")
    assert sender.post(f"/in/{row.token}", data={"name": "Ann"}).status_code == 404
    assert sender.post(f"/in/{rows(world, 'webform')[0].token}", data={"name": "Ann"}).status_code == 200


@pytest.mark.parametrize(("state", "code"), [("paused", 303), ("off", 303), ("active", 303), ("gone", 400)])
def test_states_change_and_are_noted(world: World, state: str, code: int) -> None:
    assert press(world.admin, f"/admin/connections/{world.form}/state", state=state).status_code == code
    if code == 303:
        with world.hub.store.read() as conn:
            line = conn.execute(select(journal).where(journal.c.what == state)).one()
        assert (line.subject_id, line.actor) == (world.form, f"member:{world.members['ada']}")
        assert rows(world, "webform")[0].state == state


def test_the_list_tells_when_and_how_much(still: World) -> None:
    page = still.admin.get("/admin/connections").get_data(as_text=True)
    assert "Site form" in page
    assert '<td class="number">4</td>' in page


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def admin_routes(world: World) -> list[tuple[str, str]]:
    """(method, address) of every admin route, ids filled in, some with what exists."""
    given = {
        "connection_id": world.form, "kind": "source", "name": "webform", "what": "replay", "said": "same",
        "member_id": world.members["ada"], "block": "lead", "stage": "new",
    }  # fmt: skip
    found = []
    with world.app.test_request_context():
        for rule in world.app.url_map.iter_rules():
            if rule.endpoint.startswith("admin."):
                names = {name: given.get(name, "0" * 26) for name in rule.arguments}
                address = world.app.url_for(rule.endpoint, **names)
                found += [(method, address) for method in (rule.methods or set()) & {"GET", "POST"}]
    return found


@pytest.mark.parametrize("login", ["dora", "sam"])
def test_others_do_not_find_any_admin_page(still: World, login: str) -> None:
    client = still.visitor(login)
    for method, address in admin_routes(still):
        answer = client.get(address) if method == "GET" else press(client, address)
        assert (address, answer.status_code) == (address, 404)


def test_strangers_are_sent_to_the_login(still: World) -> None:
    for method, address in admin_routes(still):
        if method == "GET":
            assert still.app.test_client().get(address).location.startswith("/login"), address


def test_every_change_wants_our_own_form(still: World) -> None:
    client = still.admin
    for method, address in admin_routes(still):
        if method == "POST":
            assert (address, client.post(address, data={}).status_code) == (address, 400)


def test_the_catalogue_promises_what_connectors_declare(still: World) -> None:
    page = still.admin.get("/admin/connections/new").get_data(as_text=True)
    for cls in (*registry.sources().values(), *registry.crms().values(), *registry.carriers().values()):
        name, kind = cls.name, registry.kind_of(cls)
        card = page.partition(f"/admin/connections/new/{kind}/{name}")[2].partition("</li>")[0]
        assert f'class="badge {cls.evidence.value}"' in card
