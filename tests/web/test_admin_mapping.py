"""Mappings and the CRM's set-up in the browser: adopt, edit, two tabs, plan, apply, verify, undo."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

import mappings
from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from hub.model import connection, inquiry, journal, link, provision_run
from hub.sync.enrol import enrol
from hub.web.admin import crm
from tests.web.world import World, open_world, press, token

EMPTY = "format = 1\n\n[inbound]\n"


def row(world: World, connection_id: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(connection).where(connection.c.id == connection_id)).one()


def show(world: World, connection_id: str) -> str:
    return str(world.admin.get(f"/admin/connections/{connection_id}/mapping").get_data(as_text=True))


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1]


def save(world: World, connection_id: str, text: str, stamp: str = "") -> Any:
    stamp = stamp or seen(show(world, connection_id))
    return press(world.admin, f"/admin/connections/{connection_id}/mapping", text=text, seen=stamp)


# ── fields of forms ──────────────────────────────────────────────────────────────────────────────


def test_an_unknown_field_is_shown_adopted_and_understood(world: World) -> None:
    world.send(name="Ann", **{"Ваш моб. тел. (whatsapp)": "+1 415 555 2671"}, submission_id="a")
    world.process()
    page = show(world, world.form)
    assert "Ваш моб. тел. (whatsapp)" in page
    assert "+1 415 555 2671" in page
    assert re.search(r'value="phones"[^>]*>phones · \d+ %', page)
    field = {"field": "Ваш моб. тел. (whatsapp)", "as": "phones", "seen": seen(page)}
    press(world.admin, f"/admin/connections/{world.form}/mapping/adopt", **field)
    world.send(name="Bob", **{"Ваш моб. тел. (whatsapp)": "+1 415 555 2672"}, submission_id="b")
    world.process()
    with world.hub.store.read() as conn:
        person = conn.execute(select(inquiry.c.person).where(inquiry.c.key == "b")).scalar_one()
    assert person["phones"] == ["+1 415 555 2672"]


def test_an_adoption_keeps_comments_and_is_noted(world: World) -> None:
    text = 'format = 1\n\n[inbound]\n# our own words\nsubject.from = ["betreff"] # of the German page\n'
    assert save(world, world.form, text).status_code == 303
    form = {"field": "Handy", "as": "phones", "seen": mappings.stamp(text)}
    press(world.admin, f"/admin/connections/{world.form}/mapping/adopt", **form)
    kept = row(world, world.form).mapping
    assert "# our own words" in kept
    assert "# of the German page" in kept
    assert mappings.load_inbound(kept).target("Handy") == ("phones", "Handy")
    with world.hub.store.read() as conn:
        lines = conn.execute(select(journal).where(journal.c.what == "mapping")).all()
    assert [line.actor for line in lines] == [f"member:{world.members['ada']}"] * 2


@pytest.mark.parametrize(("target", "said"), [("nonsense", "unknown draft field"), ("", "")])
def test_a_field_is_not_adopted_as_nonsense(world: World, target: str, said: str) -> None:
    admin = world.admin
    press(
        admin, f"/admin/connections/{world.form}/mapping/adopt", field="x", seen=mappings.stamp(EMPTY), **{"as": target}
    )
    assert said in admin.get(f"/admin/connections/{world.form}/mapping").get_data(as_text=True)
    assert row(world, world.form).mapping == ""


def test_field_names_and_values_of_strangers_are_text(world: World) -> None:
    world.send(name="Eve", **{"<img src=x onerror=alert(1)>": "<script>alert(2)</script>"}, submission_id="eve")
    world.process()
    page = show(world, world.form)
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(2)" in page


# ── the text ─────────────────────────────────────────────────────────────────────────────────────


def test_a_mistake_is_told_with_line_and_suggestion(world: World) -> None:
    answer = save(world, world.form, 'format = 1\n\n[inbound]\nphone.from = ["Handy"]\n')
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert "Line 4" in page
    assert "Did you mean phones?" in page
    assert 'phone.from = ["Handy"]' in page, "what was typed stays"
    assert row(world, world.form).mapping == ""


def test_the_second_of_two_tabs_sees_the_difference(world: World) -> None:
    stamp = mappings.stamp(EMPTY)
    first, second = EMPTY + 'phones.from = ["one"]\n', EMPTY + 'phones.from = ["two"]\n'
    assert save(world, world.form, first, stamp).status_code == 303
    answer = save(world, world.form, second, stamp)
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 409
    assert '-phones.from = ["one"]' in page
    assert '+phones.from = ["two"]' in page
    assert row(world, world.form).mapping == first
    assert save(world, world.form, second, seen(page)).status_code == 303, "knowing it, the second may"


def test_a_mapping_with_a_secret_is_refused(world: World) -> None:
    answer = save(world, world.form, EMPTY + 'password = "hunter2hunter2"\n')
    assert (answer.status_code, row(world, world.form).mapping) == (422, "")


# ── the CRM ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def account() -> Iterator[tuple[str, Account]]:
    app = create_sandbox(rate=None)
    with serving(app) as address:
        yield address, app.state


@pytest.fixture
def near(built: Path, tmp_path: Path, account: tuple[str, Account]) -> Iterator[tuple[World, str]]:
    """A world with a CRM connection that is not set up; its id."""
    world = open_world(built, tmp_path, allowed_hosts=(account[0].removeprefix("http://"),))
    fields = {"name": "CRM", "do": "save", "s-address": account[0], "s-token": "sandbox-token"}
    press(world.admin, "/admin/connections/new/crm/amocrm", **fields)
    with world.hub.store.write() as conn:  # the stand-in takes any number of calls a second
        values = {"config": {"unlimited": True}}
        made = conn.execute(
            update(connection).where(connection.c.kind == "crm").values(values).returning(connection.c.id)
        )
        crm_id = made.scalar_one()
    world.hub.connections.forget()
    yield world, crm_id
    world.close()


def plan(world: World, crm_id: str, query: str = "") -> tuple[str, dict[str, str]]:
    """The set-up page and what its button would send."""
    page = world.admin.get(f"/admin/connections/{crm_id}/setup{query}").get_data(as_text=True)
    button = re.search(r'<form method="post"[^>]+/setup/apply".*?</form>', page, re.S)
    fields = dict(re.findall(r'name="(stamp|p-\w+)" value="([^"]*)"', button[0])) if button else {}
    return page, fields


def runs(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(provision_run)))


def test_plan_apply_verify_undo(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    before = set(account[1].pipelines.all)
    page, fields = plan(world, crm_id)
    assert "New stage “Hot”" in page
    assert 'fill="#98cbff"' in page
    assert set(account[1].pipelines.all) == before, "showing changes nothing"
    admin = world.admin
    press(admin, f"/admin/connections/{crm_id}/setup/apply", **fields)
    assert len(set(account[1].pipelines.all) - before) == 1
    assert row(world, crm_id).config["placement"]["rows"]
    page, again = plan(world, crm_id)
    assert "Everything is in place." in page
    assert again == {}
    press(admin, f"/admin/connections/{crm_id}/setup/apply", **fields)
    assert len(runs(world)) == 1, "a second press does nothing"
    press(admin, f"/admin/connections/{crm_id}/setup/verify")
    assert "Checked: everything is in place." in admin.get("/admin/rules").get_data(as_text=True)
    press(admin, f"/admin/connections/{crm_id}/setup/undo")
    assert runs(world)[0].state == "applied", "asks first"
    press(admin, f"/admin/connections/{crm_id}/setup/undo", sure="yes")
    assert set(account[1].pipelines.all) == before
    assert "placement" not in row(world, crm_id).config


def test_open_leads_of_before_go_to_the_crm_too(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    with world.hub.store.read() as conn:
        assert conn.execute(select(link)).first() is None
    _page, fields = plan(world, crm_id)
    press(world.admin, f"/admin/connections/{crm_id}/setup/apply", **fields)
    world.hub.pusher.drain(crm_id)
    with world.hub.store.read() as conn:
        links = conn.execute(select(link)).all()
    assert sorted(row.role for row in links) == ["contact"] * 4 + ["lead"] * 4
    assert {row.state for row in links} == {"linked"}
    assert enrol(world.hub.store, world.hub.clock, crm_id) == 0, "once is enough"


def test_an_existing_pipeline_can_be_divided(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    before, main = set(account[1].pipelines.all), account[1].pipelines.main
    page, _fields = plan(world, crm_id)
    direction = re.search(r'<select name="(p-\w+)"', page)
    assert direction
    page, fields = plan(world, crm_id, f"?{direction[1]}={main}")
    assert "New pipeline" not in page
    press(world.admin, f"/admin/connections/{crm_id}/setup/apply", **fields)
    assert set(account[1].pipelines.all) == before
    assert {line[3] for line in row(world, crm_id).config["placement"]["rows"]} == {str(main)}


def test_a_plan_that_is_no_longer_true_is_shown_anew(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    _page, fields = plan(world, crm_id)
    admin = world.admin
    press(admin, "/admin/directions", name="Doors")
    press(admin, f"/admin/connections/{crm_id}/setup/apply", **fields)
    assert runs(world) == []
    assert "The account changed since" in admin.get("/admin/rules").get_data(as_text=True)


def test_a_double_click_sets_up_once(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    before = set(account[1].pipelines.all)
    _page, fields = plan(world, crm_id)
    clients = [world.visitor("ada"), world.visitor("ada")]
    forms = [{**fields, "csrf_token": token(client.get("/board").get_data(as_text=True))} for client in clients]
    clicks = [
        threading.Thread(target=client.post, args=(f"/admin/connections/{crm_id}/setup/apply",), kwargs={"data": form})
        for client, form in zip(clients, forms, strict=True)
    ]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert (len(runs(world)), len(set(account[1].pipelines.all) - before)) == (1, 1)


def test_while_one_sets_up_another_waits(near: tuple[World, str]) -> None:
    world, crm_id = near
    with world.app.test_request_context(), crm.alone(crm_id), pytest.raises(crm.Busy), crm.alone(crm_id):
        pass
    with world.app.test_request_context(), crm.alone(crm_id):
        world.hub.clock.advance(crm.LONGEST / 1000 + 1)  # type: ignore[attr-defined]
        with crm.alone(crm_id):
            pass


def test_a_crm_that_is_away_is_a_sentence(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    account[1].access.clear()
    page, fields = plan(world, crm_id)
    assert "does not accept the token" in page
    assert fields == {}


def test_the_shipped_mapping_is_checked_against_the_account(near: tuple[World, str]) -> None:
    world, crm_id = near
    text = mappings.shipped("amocrm")
    assert html.escape(text.splitlines()[0]) in show(world, crm_id)
    wrong = text.replace('crm = "responsible_user_id"', 'crm = "responsible_user"')
    answer = save(world, crm_id, wrong)
    assert answer.status_code == 422
    assert "the CRM has no field responsible_user." in answer.get_data(as_text=True)
    assert row(world, crm_id).mapping == ""
    assert save(world, crm_id, "# ours\n" + text).status_code == 303
    assert row(world, crm_id).mapping.startswith("# ours")


def test_a_mapping_is_saved_while_the_crm_is_away(near: tuple[World, str], account: tuple[str, Account]) -> None:
    world, crm_id = near
    account[1].access.clear()
    assert save(world, crm_id, "# ours\n" + mappings.shipped("amocrm")).status_code == 303
    assert "Not compared with the account" in world.admin.get("/admin/rules").get_data(as_text=True)
    assert row(world, crm_id).mapping.startswith("# ours")


def test_the_mapping_of_another_crm_is_refused(near: tuple[World, str]) -> None:
    world, crm_id = near
    assert save(world, crm_id, 'format = 1\ncrm = "bitrix24"\n').status_code == 422
