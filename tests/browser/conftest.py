"""A real hub on a free port and Debian's Chromium in front of it.

Every page records what scripts alert, what Chromium's content policy refuses, and which errors scripts raise; a test
that leaves any of these behind fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from werkzeug.serving import make_server

from connectors.testing.ports import free_port
from hub.clock import MINUTE, Clock, FixedClock
from tests.web.world import PASSWORD, World, build, open_world

PATIENCE_MS = 30_000
"""With a page on a busy machine; pages answer within a tenth of a second."""
expect.set_options(timeout=PATIENCE_MS)

WATCH = """
window.ran = 0;
addEventListener("securitypolicyviolation", (e) => console.error("refused by policy: " + e.violatedDirective));
"""


@dataclass
class House:
    """A running hub and its address."""

    world: World
    address: str


@dataclass
class Watched:
    """What must not happen on a page."""

    seen: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        expected = "409 (CONFLICT)", "401 (UNAUTHORIZED)", "422 (UNPROCESSABLE ENTITY)"
        if message.type == "error" and not any(status in message.text for status in expected):
            self.seen.append(message.text)


@pytest.fixture(scope="session")
def built_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built-house")
    build(folder, FixedClock(at=Clock().now() - 20 * MINUTE), apart=300)
    return folder


@pytest.fixture
def house(built_house: Path, tmp_path: Path) -> Iterator[House]:
    """A hub of its own for each test, on the real clock."""
    port = free_port()
    world = open_world(built_house, tmp_path, Clock(), port=port)
    server = make_server("127.0.0.1", port, world.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="house")
    thread.start()
    yield House(world, f"http://127.0.0.1:{port}")
    server.shutdown()
    thread.join()
    server.server_close()
    world.close()


Enter = Callable[..., Page]


@pytest.fixture
def enter(chromium: Browser, house: House) -> Iterator[Enter]:
    """Open the desk as a member: `enter("dora", width=390)`."""
    watched = Watched()
    contexts = []

    def come(login: str, width: int = 1280, locale: str = "en-GB") -> Page:
        context = chromium.new_context(viewport={"width": width, "height": 860}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(WATCH)
        page.on("console", watched.console)
        page.on("pageerror", lambda error: watched.seen.append(str(error)))
        page.on("dialog", lambda dialog: (watched.seen.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(house.address)
        if login:
            page.fill("[name=login]", login)
            page.fill("[name=password]", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_selector("#inbox")
        return page

    yield come
    for context in contexts:
        context.close()
    assert watched.seen == []
