"""The guided first run in a real browser: from the printed token to the first lead in the CRM."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from sqlalchemy import select, update
from werkzeug.serving import make_server

from connectors.crms.amocrm.sandbox import create_sandbox, serving
from connectors.testing.ports import free_port
from hub.app import Hub, create_app, open_hub
from hub.config import load_config
from hub.model import connection
from hub.setup import first_token


@pytest.fixture
def crm() -> Iterator[str]:
    with serving(create_sandbox(rate=None)) as address:
        yield address


@pytest.fixture
def hub(tmp_path: Path, crm: str) -> Iterator[Hub]:
    port = free_port()
    made = open_hub(load_config(tmp_path, env={}, port=port, allowed_hosts=(crm.removeprefix("http://"),)))
    server = make_server("127.0.0.1", port, create_app(made), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    thread.join(5)
    server.server_close()
    made.close()


def test_from_the_token_to_the_first_lead_in_the_crm(chromium: Browser, hub: Hub, crm: str) -> None:
    page = chromium.new_page()
    page.set_default_timeout(30_000)
    trouble: list[str] = []
    page.on("console", lambda line: trouble.append(line.text) if _bad(line) else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(hub.config.public_url)
    assert page.url.endswith("/start"), "every page leads to the first"
    _introduce(page, first_token(hub.store, hub.clock) or "")
    _send_a_test(page)
    hub.flow.drain()
    page.reload()
    page.get_by_text("The first inquiry has arrived.").wait_for()
    _connect(page, hub, crm)
    with hub.store.read() as conn:
        crm_id = conn.execute(select(connection.c.id).where(connection.c.kind == "crm")).scalar_one()
    assert hub.pusher.drain(crm_id) > 0
    page.goto(hub.config.public_url + "/desk")
    page.get_by_text("Nora Feld").first.wait_for()
    assert trouble == []
    page.context.close()


def _bad(line: ConsoleMessage) -> bool:
    return line.type in ("error", "warning")


def _introduce(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_label("Your name").fill("Vera Holm")
    page.get_by_label("Login").fill("vera@example.com")
    page.get_by_label("Password").fill("a long word")
    page.get_by_label("What do you sell?").fill("Windows")
    page.get_by_label("Country of phone").select_option("US")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("heading", name="Connect your first form").wait_for()


def _send_a_test(page: Page) -> None:
    """The copied snippet is a working form; the hosted one is filled in."""
    page.get_by_role("button", name="Copy").first.click()
    page.get_by_role("button", name="Copied").wait_for()
    assert 'data-leadform="callback"' in page.get_by_label("Paste this into your page").input_value()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the form and send a test").click()
    form = opened.value
    form.locator("[name=name]").fill("Nora Feld")
    form.locator("[name=phone]").fill("(202) 555-0111")
    form.wait_for_timeout(1100)  # people need more than a second
    form.locator("form button").click()
    form.locator("[data-thanks]").wait_for()
    form.close()


def _connect(page: Page, hub: Hub, crm: str) -> None:
    page.get_by_role("link", name="Next: your CRM").click()
    page.get_by_role("link", name="amoCRM").click()
    page.get_by_label("Account address").fill(crm)
    page.locator("[name=s-token]").fill("sandbox-token")
    page.get_by_role("button", name="Try and save").click()
    page.get_by_text("New stage “Hot”").wait_for()
    with hub.store.write() as conn:  # the stand-in takes any number of calls a second
        conn.execute(update(connection).where(connection.c.kind == "crm").values(config={"unlimited": True}))
    hub.connections.forget()
    page.get_by_role("button", name="Apply the plan").click(timeout=60_000)
    page.get_by_text("Everything is in place.").wait_for()
